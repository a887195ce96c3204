"""From a checked config to the objects that it describes, and to what is done with them."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from anyany.data.records import RecordReader
from anyany.data.store import ShardStore
from anyany.launch.errors import ConfigError
from anyany.launch.jobs import is_first_rank
from anyany.launch.resuming import check_unchanged
from anyany.launch.sources import sources_of
from anyany.launch.stored import stored_config
from anyany.launch.targets import build
from anyany.launch.telling import told
from anyany.models.anyany import AnyToAny
from anyany.models.assemble import Assembled, RowSpec, assemble
from anyany.models.caption_table import CaptionTable
from anyany.runs import CONFIG, claimed

if TYPE_CHECKING:
    from anyany.training.handover import Begun

Config = Mapping[str, Any]
log = logging.getLogger(__name__)


def assembled(config: Config) -> Assembled:
    """The model with its vocabulary and preprocessing."""

    def make(kind: str, name: str | None = None, **more: Any) -> Any:
        nodes = config["parts"][kind]
        return build(nodes[name or next(iter(nodes))], **more)

    return assemble({name: _row(row) for name, row in config["rows"].items()}, make)


def _row(node: Mapping[str, Any]) -> RowSpec:
    file = node.get("conditioning")
    return RowSpec(**{**node, "conditioning": CaptionTable(file) if file else None})


def model_of(config: Config, parts: Assembled) -> AnyToAny:
    """The sides that the stage uses, with their weights."""
    stage = config["stage"]
    encoded, keeps = config["data"]["cache_features"], stage["loss_weights"]["keep"] > 0
    return parts.model(stage["reads"], stage["writes"], encoded, stage["temperature"], keeps, stage["feature_noise"])


def trains_of(config: Config, parts: Assembled) -> dict[str, Any]:
    """What the stage trains, by name.

    A name that a config has set to null is not among them, nor are output projectors where all rows ask in words.
    """
    from anyany.training.trainable import Trains

    trains = {name: Trains(**rule) for name, rule in config["stage"]["trains"].items() if rule is not None}
    if any(row.layout is not None and row.layout.signals for row in parts.vocabulary.rows.values()):
        return trains
    needless = [name for name, rule in trains.items() if rule.parameters.startswith("output_projectors.")]
    for name in needless:
        log.info("stage.trains.%s: left out, since this model asks its decoders in words", name)
    return {name: rule for name, rule in trains.items() if name not in needless}


def prepare(config: Config, parts: Assembled, data: Any) -> None:
    """What frozen parts give for the stream, computed where it is not yet kept."""
    from anyany.training import features

    with asked_for():
        features.prepare(parts, data, device_of(config))


def device_of(config: Config) -> str:
    """Of what runs beside the trainer, and of what answers later, perhaps on a machine without a GPU."""
    import torch

    accelerator, there = config["trainer"]["accelerator"], torch.cuda.is_available()
    if accelerator in ("gpu", "cuda") and not there:
        log.warning("trainer.accelerator=%s and no GPU is here: the CPU is taken", accelerator)
    return "cuda" if there and accelerator in ("gpu", "cuda", "auto") else "cpu"


def data_of(config: Config, parts: Assembled, split: str = "train", val_split: str | None = "val") -> Any:
    """The stream over a split."""
    from anyany.training.datamodule import StreamDataModule
    from anyany.training.features import caches_of

    data, stage = dict(config["data"]), config["stage"]
    del data["root"]  # the sources name their shards by it
    store = ShardStore(Path(config["paths"]["cache"]) / "shards", round(data.pop("shard_cache_gb") * 2**30))
    sources = sources_of(config, split)
    val_sources = sources_of(config, val_split) if val_split else []
    if data["num_workers"] is None:
        data["num_workers"] = 0 if device_of(config) == "cpu" else 2
    encoded = data.pop("cache_features") and stage["reads"]
    caches = caches_of(Path(config["paths"]["cache"]), parts, [*sources, *val_sources], encoded, stage["writes"])
    # A window of every source stays open: fewer would reopen shards all the time.
    reader = RecordReader(store, max_open=max(16, 2 * data["window_shards"] * len(sources)))
    return StreamDataModule(
        sources,
        val_sources,
        parts.vocabulary,
        parts.preprocess,
        reader,
        Path(config["paths"]["cache"]),
        max_steps=stage["max_steps"],
        max_epochs=stage["max_epochs"],
        seed=config["seed"],
        features=caches[0],
        conditioning=caches[1],
        **data,
    )


def train(config: Config, run: Path) -> dict[str, float]:
    """Trains the config's stage in its folder; gives the last metrics."""
    from anyany.training.fit import checkpoint_of, fit, seed_everything
    from anyany.training.handover import begin, leave
    from anyany.training.module import TrainingModule
    from anyany.training.showing import showing

    seed_everything(config["seed"])
    with asked_for():
        parts = assembled(config)
        data = data_of(config, parts)
        num_draws = sum(data.plan.draws)
        log.info("%d steps of %d rows; an epoch draws %d records", data.num_steps, data.global_batch, num_draws)
        checkpoint = checkpoint_of(run, config["resume"])
        if checkpoint is not None:
            if data.num_steps == 0:
                raise ConfigError(f"stage.max_steps=0: {run} was trained ({checkpoint.name}); give another run=<name>")
            check_unchanged(stored_config(run), config)
        model = model_of(config, parts)
        begun = begin(config["stage"]["name"], parts, model, run, config["stage"]["starts_from"])
        trains, schedule = trains_of(config, parts), build(config["schedule"])
        weights, max_norm = config["stage"]["loss_weights"], config["stage"]["max_grad_norm"]
        optimizer, seed = build(config["optimizer"]), config["seed"]
        module = TrainingModule(model, optimizer, trains, schedule, weights, max_norm, seed)
        logger = build(config["logger"]) if config.get("logger") else None
        callbacks = [build(node) for node in (config.get("callbacks") or {}).values()]
        if config["stage"]["val_every"]:
            callbacks += showing(logger, parts, model, data, run)
    log.info("what is trained, and on what\n%s", told(model, parts, data.sources))
    if data.num_steps == 0:
        return _without_a_step(begun, parts, model, run, config)
    return fit(
        module,
        data,
        run,
        trainer=config["trainer"],
        logger=logger,
        callbacks=callbacks,
        save_every=config["stage"]["save_every"],
        val_every=config["stage"]["val_every"],
        checkpoint=checkpoint,
        before=lambda: prepare(config, parts, data),
        at_start=lambda: _describe(run, logger, config, model),
        at_end=lambda is_first: leave(begun, parts, model, run, is_first),
    )


def _without_a_step(begun: "Begun", parts: Assembled, model: AnyToAny, run: Path, config: Config) -> dict[str, float]:
    """Its run can be evaluated as any other, and shows what training has to beat."""
    from anyany.training.handover import hand_on

    if is_first_rank(os.environ):
        with claimed(run):
            _describe(run, None, config, model)
            hand_on(begun, parts, model, run)
    log.info("no step was asked for; next: python eval.py run=%s", os.path.relpath(run.parent))
    return {}


def _describe(run: Path, logger: Any, config: Config, model: AnyToAny) -> None:
    """Leaves the config where a run is looked for: in its folder, and beside its curves."""
    OmegaConf.save(OmegaConf.create(dict(config)), run / CONFIG)  # resolved: it reads the same wherever it is read
    if logger is not None:
        sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
        trainable = sum(size for size, is_trained in sizes if is_trained)
        logger.log_hyperparams({**config, "trainable": trainable, "parameters": sum(size for size, _ in sizes)})


def evaluate(config: Config, run: Path, split: str) -> dict[str, float]:
    """The loss terms of a stage's last checkpoint on one split, every record once."""
    from anyany.training.fit import validate
    from anyany.training.handover import begin
    from anyany.training.module import TrainingModule

    with asked_for():
        parts = assembled(config)
        data = data_of(config, parts, val_split=split)
        prepare(config, parts, data)
        model = model_of(config, parts)
        begin(config["stage"]["name"], parts, model, run, config["stage"]["starts_from"])
    module = TrainingModule(model, build(config["optimizer"]), trains_of(config, parts))
    return validate(module, data, run, config["trainer"])


@contextmanager
def asked_for() -> Iterator[None]:
    """What the config asks for and cannot be had, as a ConfigError."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        raise ConfigError(str(error)) from error
