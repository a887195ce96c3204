"""From stage to stage: what one leaves, and how the next takes it up."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from anyany.deltas import apply_delta, read_delta, write_delta
from anyany.faults import UserError
from anyany.models.anyany import AnyToAny
from anyany.models.assemble import Assembled
from anyany.runs import STAGES, checkpoint_step, delta_folder, latest_checkpoint, previous_delta, unended
from anyany.training.strategies import gathered

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Begun:
    """What a stage took over: from which stage, the names that were put into the model, tensors to hand on.

    Args:
        digests: of the frozen parts as they were loaded: whoever exchanges a file later has not trained with it.
    """

    stage: str
    digests: Mapping[str, str]
    after: str | None = None
    names: frozenset[str] = frozenset()
    carried: Mapping[str, Tensor] = field(default_factory=dict)


def begin(stage: str, parts: Assembled, model: AnyToAny, folder: Path, starts_from: str | Path | None = None) -> Begun:
    """Takes up what the stages before this one trained, and says so.

    Args:
        folder: of the stage.
        starts_from: the delta of another run, in place of this one's.

    Raises:
        UserError: where it does not fit, or a stage before this one was begun and has not ended.
    """
    if starts_from is not None:
        return _take_up(stage, parts, model, Path(starts_from))
    if missing := [name for name in unended(folder.parent) if STAGES.index(name) < STAGES.index(stage)]:
        raise UserError(
            f"{stage} would do without what {', '.join(missing)} trains: it was begun in {folder.parent} and has not "
            "ended. End it by its command with resume=true, delete its folder, or give another run=<name>"
        )
    if (path := previous_delta(folder, stage)) is not None:
        return _take_up(stage, parts, model, path)
    if stage != STAGES[0]:
        log.warning("%s begins anew: no stage before it has left anything in %s", stage, folder.parent)
    return Begun(stage, digests_of(parts))


def _take_up(stage: str, parts: Assembled, model: AnyToAny, path: Path) -> Begun:
    delta, digests = read_delta(path), digests_of(parts)
    carried = apply_delta(model, delta, digests, tokens_of(parts))
    log.info("%s begins from %s (%d steps)", stage, path, delta.manifest.step)
    return Begun(stage, digests, delta.manifest.stage, frozenset(delta.tensors.keys() - carried.keys()), carried)


def leave(begun: Begun, parts: Assembled, model: AnyToAny, folder: Path, is_first: bool = True) -> None:
    """Writes what this stage and those before it trained. Every rank takes part; the first one writes."""
    named = {n: p for n, p in model.named_parameters() if p.requires_grad or n in begun.names}
    changed = {name: gathered(parameter.detach()) for name, parameter in named.items()}
    if not is_first:
        return
    checkpoint = latest_checkpoint(folder)
    assert checkpoint is not None, "a stage that has ended has left a checkpoint"
    _write(begun, parts, folder, checkpoint_step(checkpoint), changed)


def hand_on(begun: Begun, parts: Assembled, model: AnyToAny, folder: Path) -> None:
    """Writes what was taken up, as a stage of no steps leaves it."""
    _write(begun, parts, folder, 0, {n: p for n, p in model.named_parameters() if n in begun.names})


def _write(begun: Begun, parts: Assembled, folder: Path, step: int, tensors: Mapping[str, Tensor]) -> None:
    path = delta_folder(folder, begun.stage)
    every = {**begun.carried, **tensors}
    write_delta(path, begun.stage, step, every, begun.digests, tokens_of(parts), begun.after)
    log.info("what was trained stands in %s", path)


def digests_of(parts: Assembled) -> dict[str, str]:
    """Of the frozen parts, by kind and name."""
    found = {"llm": parts.llm.digest()}
    found |= {f"encoder={name}": encoder.digest() for name, encoder in parts.encoders.items()}
    found |= {f"decoder of {name}": one.digest(captions_only=True) for name, one in parts.conditioners.items()}
    return {name: digest for name, digest in found.items() if digest is not None}


def tokens_of(parts: Assembled) -> dict[str, int]:
    return {token: parts.vocabulary.token_id(token) for token in parts.vocabulary.added_tokens}
