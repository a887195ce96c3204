"""From the folder of a run to what answers."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anyany.deltas import apply_delta, read_delta
from anyany.launch.experiment import asked_for, assembled, device_of
from anyany.launch.stored import last_stage, stored_config, whole_run
from anyany.models.anyany import AnyToAny
from anyany.models.assemble import Assembled
from anyany.models.generate import Generator
from anyany.runs import DELTAS, STAGES, unended
from anyany.training.fit import seed_everything
from anyany.training.handover import digests_of, tokens_of

UNTRAINED = "before"
log = logging.getLogger(__name__)


def generator_of(run: Path, bf16: bool = False) -> Generator:
    """What the run's stages made of its parts, with all its decoders.

    Args:
        bf16: whether these round their matrix products.

    Raises:
        UserError: where the folder is not that of a run, or its deltas do not fit its parts.
    """
    run = whole_run(run)
    config = stored_config(last_stage(run))
    parts, model = untrained(config)
    for _ in each_stage(run, parts, model):
        pass
    return answering(config, parts, model, bf16)


def warn_of_unended(run: Path) -> list[str]:
    """The stages that were begun and have left nothing yet."""
    missing = unended(whole_run(run))
    if missing:
        told = " and ".join(missing)
        log.warning("%s: %s was begun and has not ended; what answers is what the stages before it left", run, told)
    return missing


def untrained(config: Mapping[str, Any]) -> tuple[Assembled, AnyToAny]:
    """The parts of a config, and all of its model as it is before the first step.

    Raises:
        ConfigError: where parts are not there any more, or do not fit.
    """
    seed_everything(config["seed"])
    with asked_for():
        parts = assembled(config)
        return parts, parts.model().eval()


def each_stage(run: Path, parts: Assembled, model: AnyToAny) -> Iterator[str]:
    """Puts what each stage left into the model, one after the other, and says which; first stands the untrained one."""
    yield UNTRAINED
    for stage in STAGES:
        folder = run / DELTAS / stage
        if folder.is_dir():
            apply_delta(model, read_delta(folder), digests_of(parts), tokens_of(parts))
            yield stage


def answering(config: Mapping[str, Any], parts: Assembled, model: AnyToAny, bf16: bool = False) -> Generator:
    """On the device that the config trains on."""
    device = device_of(config)
    for decoder in parts.decoders.values():
        decoder.load()
        decoder.to(device)
    return Generator(model.to(device), parts.vocabulary, parts.preprocess, parts.decoders, bf16)
