"""What the model makes of a few samples at each validation, for a tracker that shows media."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor

from anyany.data.order import Ref
from anyany.data.samples import SampleReader
from anyany.faults import Fault
from anyany.media.written import written
from anyany.messages.types import Conversation, Media, Message, Text, media_of
from anyany.models.anyany import AnyToAny
from anyany.models.assemble import Assembled
from anyany.models.generate import Generator, Reply, opened
from anyany.runs import SAMPLES
from anyany.seeds import seed_of
from anyany.training.datamodule import StreamDataModule

NUMBER = 3  # of requests of each source
COLUMNS = ("sample", "asked", "wanted", "replied")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """The last turn of a record: all that stands before it, and the reply that the record has."""

    name: str
    messages: Conversation
    wanted: Message
    values: tuple[Tensor, ...] = ()  # of the media that are shown, as the encoders take them


def first_requests(samples: SampleReader, number: int) -> Iterator[Request]:
    """Of each source's first ``number`` records; one that cannot be read is left out, and the log says so."""
    for index, source in enumerate(samples.sources):
        places = [(shard, record) for shard, h in enumerate(source.headers) for record in range(h.num_records)]
        for shard, record in places[:number]:
            try:
                yield _request(samples, Ref(index, shard, record))
            except Fault as fault:
                log.warning("not among what is shown: %s", fault)


def _request(samples: SampleReader, ref: Ref) -> Request:
    source = samples.sources[ref.source]
    read, messages = samples.messages(ref)
    names = {part.member for message in messages[:-1] for part in message.content if isinstance(part, Media)}
    wanted = {name for name in names if name}
    members = samples.reader.read(source.name, source.urls[ref.shard], ref.record, only=wanted).members
    said = tuple(Message(m.role, tuple(_held(part, members) for part in m.content)) for m in messages[:-1])
    values = tuple(opened(medium, samples.preprocess) for medium in media_of(said, "user"))
    return Request(f"{source.name}/{read.key}", said, messages[-1], values)


def _held(part: Text | Media, members: Mapping[str, bytes]) -> Text | Media:
    """What an assistant brought before has its caption alone."""
    if isinstance(part, Media) and part.member is not None and part.member in members and part.caption is None:
        return Media(part.modality, data=members[part.member])
    return part


def answering(parts: Assembled, model: AnyToAny) -> Generator:
    """What answers with a model while it is trained: with its encoders, also where it trains on their features."""
    encoders = {name: parts.encoders[name] for name, _ in model.inputs.values()}
    for name, encoder in encoders.items():
        if name not in model.encoders:
            encoder.load()
    projectors = {name: parts.input_projectors[name] for _, name in model.inputs.values()}
    output_projectors = {name: parts.output_projectors[name] for name in model.outputs}
    whole = AnyToAny(model.inputs, model.outputs, encoders, projectors, parts.llm, output_projectors)
    decoders = {name: decoder for name, decoder in parts.decoders.items() if name in model.outputs}
    for decoder in decoders.values():
        decoder.load()
    preprocess = {name: parts.preprocess[name] for name in model.inputs}
    return Generator(whole, parts.vocabulary, preprocess, decoders)


def showing(logger: Any, parts: Assembled, model: AnyToAny, data: StreamDataModule, run: Path) -> list[Callback]:
    """What shows replies to the first samples of validation, where the logger can show media."""
    if not isinstance(logger, WandbLogger) or not data.val_sources:
        return []
    requests = list(first_requests(data.samples(data.val_sources), NUMBER))
    return [Showing(answering(parts, model), requests, run / SAMPLES)]


class Showing(Callback):
    """Logs to W&B, after each validation, the replies as a table and the media that they brought.

    The files lie in ``folder``, under the step.
    """

    def __init__(self, generator: Generator, requests: Sequence[Request], folder: Path):
        self.generator, self.requests, self.folder = generator, list(requests), folder

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        if isinstance(trainer.strategy, ModelParallelStrategy):
            log.warning("replies are not shown: no rank has the whole model; python eval.py shows them")
            return
        replies = self._replies(module)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                self._log(logger, replies, trainer.global_step)

    def _replies(self, module: LightningModule) -> list[Reply]:
        for part in (self.generator.model, *self.generator.decoders.values()):
            part.eval().to(module.device)
        seeds = [seed_of("showing", one.name) for one in self.requests]
        values = [list(one.values) for one in self.requests]
        return self.generator([one.messages for one in self.requests], values, seeds)

    def _log(self, logger: WandbLogger, replies: Sequence[Reply], step: int) -> None:
        rows = [
            [one.name, told(one.messages[-1].content), told(one.wanted.content), told(reply.parts)]
            for one, reply in zip(self.requests, replies, strict=True)
        ]
        logger.log_table("val/replies", columns=list(COLUMNS), data=rows, step=step)
        media = dict(self._media(replies, self.folder / f"step={step}"))
        logger.log_metrics(media, step)  # type: ignore[arg-type]

    def _media(self, replies: Sequence[Reply], folder: Path) -> Iterator[tuple[str, list[Any]]]:
        """By name in the tracker, what was made, each with what was asked for."""
        import wandb

        kinds = {"image": wandb.Image, "video": wandb.Video, "audio": wandb.Audio}
        for name, decoder in self.generator.decoders.items():
            made = [
                (number, part.tensor)
                for number, reply in enumerate(replies)
                for part in reply.parts
                if isinstance(part, Media) and part.modality == name and part.tensor is not None
            ]
            asked = [told(self.requests[number].messages[-1].content) for number, _ in made]
            files = [written(name, tensor, decoder.rate_hz or 0.0, folder, number) for number, tensor in made]
            if files:
                yield f"val/{name}", [kinds[name](str(f), caption=a) for f, a in zip(files, asked, strict=True)]


def told(parts: Sequence[Any]) -> str:
    """A message in a line; of media, which they are and what was asked of them."""
    return " ".join(p.text.strip() if isinstance(p, Text) else f"[{p.modality}: {p.caption or ''}]" for p in parts)
