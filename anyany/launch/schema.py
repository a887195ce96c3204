"""The fixed part of a config: its keys and their types. What has a ``_target_`` is held against that instead."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from anyany.launch.errors import no_such, wanted
from anyany.media.table import MEDIA


def _has_target(node: dict[str, Any]) -> dict[str, Any]:
    if "_target_" not in node:
        raise ValueError("the _target_ of a class, or give the group a model of its own in anyany/launch/schema.py")
    return node


Node = Annotated[dict[str, Any], AfterValidator(_has_target)]

ROW_PARTS = ("encoder", "input_projector", "connection", "output_projector", "decoder")
PARTS = (*ROW_PARTS, "llm")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Paths(Strict):
    data: str
    outputs: str
    cache: str


class Row(Strict):
    placeholder: str
    encoder: str | None
    input_projector: str | None
    connection: str | None
    output_projector: str | None
    decoder: str | None
    num_signal_tokens: NonNegativeInt
    share_input_projector: bool = False
    conditioning: str | None = None  # in place of a decoder, a file of data_prep.caption_embeddings


class Trains(Strict):
    parameters: str
    learning_rate: PositiveFloat
    from_step: NonNegativeInt = 0
    weight_decay: NonNegativeFloat | None = None  # None is the optimizer's
    by_adam: bool = False  # where Muon is the optimizer


class LossWeights(Strict):
    """Of terms, those of all rows together."""

    text: NonNegativeFloat
    align: NonNegativeFloat
    keep: NonNegativeFloat


class Stage(Strict):
    name: Literal["enc_align", "dec_align", "instruct"]
    reads: bool
    writes: bool
    starts_from: str | None
    max_steps: NonNegativeInt | None  # 0 hands on what the stages before it left
    max_epochs: PositiveInt | None
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat | None = None  # of the entries of `trains` that take it
    temperature: PositiveFloat
    feature_noise: NonNegativeFloat  # in units of the features' standard deviation
    max_grad_norm: PositiveFloat | None
    loss_weights: LossWeights
    trains: dict[str, Trains | None]  # None: what another config has under this name is not trained
    save_every: PositiveInt
    val_every: PositiveInt | None  # None: never


class Source(Strict):
    weight: PositiveFloat | None
    shards: dict[str, str | list[str]]  # by split
    recipes: dict[str, Node]  # by stage
    drop_list: str | None = None  # records to leave out, as data_prep.verify writes them


class Data(Strict):
    root: str
    global_batch: PositiveInt
    num_micro: PositiveInt
    max_tokens: PositiveInt
    packed: bool
    cache_features: bool
    draws_per_epoch: PositiveInt | None
    block_samples: PositiveInt
    window_shards: PositiveInt
    num_workers: NonNegativeInt | None
    max_fault_rate: Annotated[float, Field(ge=0, le=1)]
    shard_cache_gb: PositiveFloat


class Train(Strict):
    """What ``conf/train.yaml`` composes to. A group without a model of its own is a node with a ``_target_``."""

    experiment_name: str
    run: str
    seed: NonNegativeInt
    level: Literal["easy", "standard", "hard"]  # a test holds them to the microworld's
    resume: bool
    objective: str | None
    paths: Paths
    stage: Stage
    rows: dict[str, Row]
    encoder: Node | None = None
    input_projector: Node | None = None
    llm: Node
    connection: Node | None = None
    output_projector: Node | None = None
    decoder: Node | None = None
    source: dict[str, Source] = {}
    data: Data
    optimizer: Node
    schedule: Node
    trainer: dict[str, Any]  # held against lightning.Trainer
    logger: Node | None = None
    callbacks: dict[str, Node] | None = None


class Eval(Strict):
    """What ``conf/eval.yaml`` composes to."""

    run: str
    number: Annotated[int, Field(ge=2)]  # one alone has no interval
    processes: PositiveInt | None
    precision: Literal["auto", "fp32", "bf16"]
    seed: NonNegativeInt
    losses: str | None


SCHEMAS: dict[str, type[Strict]] = {"train": Train, "eval": Eval}


def schema_faults(config: Mapping[str, Any], schema: type[Strict]) -> Iterator[str]:
    """Each unknown key, missing key and wrong type in the fixed part of a config."""
    for row in config.get("rows") or {}:
        if row not in MEDIA:
            yield no_such(f"rows.{row}", row, MEDIA, "modality")
    try:
        schema.model_validate_json(json.dumps(config), strict=True)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            where = ".".join(map(str, fault["loc"]))
            if fault["type"] == "extra_forbidden":
                yield no_such(where, str(fault["loc"][-1]), _fields_at(schema, fault["loc"][:-1]))
            elif fault["type"] == "missing":
                yield f"{where}: missing; add it"
            elif fault["type"] == "literal_error":
                options = re.findall(r"'(.*?)'", fault["ctx"]["expected"])
                yield no_such(f"{where}={fault['input']}", str(fault["input"]), options, "option")
            else:
                yield f"{where}: found {fault['input']!r}; give {wanted(fault['msg'])}"


def _fields_at(schema: type[BaseModel], where: tuple[int | str, ...]) -> list[str]:
    """The keys of the model that a place in the config is held against."""
    for key in where:
        if field := schema.model_fields.get(str(key)):  # else the key of a mapping whose values are models
            schema = next(kind for kind in _types_in(field.annotation) if issubclass(kind, BaseModel))
    return list(schema.model_fields)


def _types_in(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for argument in get_args(annotation):
        yield from _types_in(argument)
