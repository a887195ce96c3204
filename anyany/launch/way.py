"""The way of one sample of each kind, from its shard to the loss, in lines of text.

What they tell is what training does: the same recipe, renderer, collator and model.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from anyany.data.order import Ref
from anyany.data.samples import SampleReader
from anyany.launch.command_line import composed
from anyany.launch.errors import ConfigError
from anyany.launch.experiment import assembled, data_of, model_of, prepare
from anyany.media.table import MEDIA
from anyany.messages.collate import Batch, Sample
from anyany.messages.render import IGNORE_INDEX, Rendered
from anyany.messages.types import Conversation, Media, media_of
from anyany.messages.vocabulary import Vocabulary

PAIRS = ("microworld_image", "microworld_video", "microworld_audio")


def trace(overrides: Sequence[str]) -> Iterator[str]:
    """The lines for a pair of each modality, and for a dialogue that holds all of them."""
    pairs = _Stream([f"source=[{','.join(PAIRS)}]", *overrides])
    for source, name in enumerate(PAIRS):
        yield from pairs.way(Ref(source, 0, 0), f"{name}, as {pairs.stage} reads it")
    dialogues = _Stream(["stage=instruct", "source=[microworld_dialogue]", *overrides])
    yield from dialogues.way(dialogues.with_all_modalities(), "a dialogue of all modalities")


class _Stream:
    """The parts of a run that a sample goes through."""

    def __init__(self, overrides: Sequence[str]):
        config = composed(overrides)
        config["data"]["cache_features"] = False  # so that the encoder is on the way
        self.stage = config["stage"]["name"]
        torch.manual_seed(config["seed"])
        self.parts = assembled(config)
        self.model = model_of(config, self.parts)
        data = data_of(config, self.parts, split="val", val_split=None)
        prepare(config, self.parts, data)
        self.micro_batches = data.micro_batches(data.sources)
        self.samples: SampleReader = self.micro_batches.samples

    def way(self, ref: Ref, title: str) -> Iterator[str]:
        source = self.samples.sources[ref.source]
        record, messages = self.samples.messages(ref)
        whole = self.samples.reader.read(source.name, record.shard, record.index)
        sample = self.samples.read(ref)
        assert isinstance(sample, Sample), sample
        yield f"\n== {title}"
        yield f" 1 shard     {record.shard}, record {record.index} of {source.shard_sizes[ref.shard]}"
        yield f" 2 record    {record.key}: " + ", ".join(f"{n} {len(d)} B" for n, d in whole.members.items())
        yield " 3 media     " + (", ".join(_decoded(self.samples, messages, whole.members)) or "none is read")
        yield from _numbered(" 4 messages", _said(messages))
        yield f" 5 rendered  {_counted(sample.rendered)}"
        yield f"             {marked(sample.rendered, self.samples.vocabulary)}"
        batch = self.micro_batches.batch([[ref]])
        yield from _numbered(" 6 batch", _batched(batch))
        yield from _through(self.model, batch)

    def with_all_modalities(self) -> Ref:
        """The first dialogue in which every modality occurs."""
        for record in range(self.samples.sources[0].shard_sizes[0]):
            ref = Ref(0, 0, record)
            _, messages = self.samples.messages(ref)
            if {part.modality for part in media_of(messages)} == set(MEDIA) and any(media_of(messages, "user")):
                return ref
        raise ConfigError("no dialogue of the first shard holds all modalities; write more of the microworld")


def marked(rendered: Rendered, vocabulary: Vocabulary) -> str:
    """The text of a sample with its slots and signals told by number, and what is to be predicted in braces."""
    text, labelled = "", False
    for first, last, name in _runs(rendered):
        ids = rendered.input_ids_T[first:last].tolist()
        now = bool(rendered.labels_T[first] != IGNORE_INDEX)
        text += ("{" if now else "}") if now != labelled else ""
        text += f"[{name} {_span(rendered, name, first, last)}]" if name else vocabulary.decode(ids)
        labelled = now
    return (text + ("}" if labelled else "")).replace("\n", "\\n")


def _runs(rendered: Rendered) -> Iterator[tuple[int, int, str]]:
    """(first, last, name) of each stretch of tokens of one slot table ('' for text) that are labelled alike."""
    tables = {**rendered.slots, **{f"{name} signal": slots for name, slots in rendered.signal_slots.items()}}
    first = 0
    kinds = [
        (next((name for name, slots in tables.items() if slots[t] >= 0), ""), rendered.labels_T[t] != IGNORE_INDEX)
        for t in range(len(rendered))
    ]
    for t in range(1, len(rendered) + 1):
        if t == len(rendered) or kinds[t] != kinds[first]:
            yield first, t, kinds[first][0]
            first = t


def _span(rendered: Rendered, name: str, first: int, last: int) -> str:
    slots = rendered.slots.get(name)
    if slots is None:
        slots = rendered.signal_slots[name.removesuffix(" signal")]
    return f"{slots[first]}..{slots[last - 1]}"


def _decoded(samples: SampleReader, messages: Conversation, members: dict[str, bytes]) -> Iterator[str]:
    for part in media_of(messages, "user"):
        decoded = MEDIA[part.modality].decode(members[part.member or ""], samples.preprocess[part.modality].spec)
        yield f"{part.modality} {part.member}: {_shape(decoded)} {str(decoded.dtype).removeprefix('torch.')}"


def _said(messages: Conversation) -> Iterator[str]:
    for message in messages:
        parts = (
            f"<{part.modality} {part.member}>" if isinstance(part, Media) else repr(part.text)
            for part in message.content
        )
        yield f"{message.role}: {' '.join(parts)}"


def _counted(rendered: Rendered) -> str:
    num_labels = int((rendered.labels_T != IGNORE_INDEX).sum())
    return f"{len(rendered)} tokens, {num_labels} to predict (in braces), {len(rendered.targets)} targets"


def _batched(batch: Batch) -> Iterator[str]:
    yield f"input_ids, labels, position_ids, segment_ids {_shape(batch.input_ids_BT)}"
    for name, media in batch.media.items():
        read = int((media.slots_BT >= 0).sum())
        yield f"{name}: values {_shape(media.values)}, {read} slots" + ("" if read else " (a dummy)")
    for name, target in batch.targets.items():
        if target.captions:
            yield f"{name}: {len(target.captions)} targets, {int((target.signal_slots_BT >= 0).sum())} signals"
    yield f"counts {batch.counts}"


def _through(model: Any, batch: Batch) -> Iterator[str]:
    """Steps 7 to 12 of the way, with what the modules themselves give."""
    with torch.no_grad():
        for name, (encoder, projector) in model.inputs.items():
            if not bool((batch.media[name].slots_BT >= 0).any()):
                continue
            features_NLD = model.encoders[encoder](batch.media[name].values, name)
            rows_NKD = model.input_projectors[projector](features_NLD)
            yield f" 7 encoder   {name}: {encoder} {_shape(features_NLD)}"
            yield f" 8 projector {name}: {projector} {_shape(rows_NKD)}"
        embeddings_BTD = model.fused(model.llm.embed(batch.input_ids_BT), batch)
        yield f" 9 fuse      {_shape(embeddings_BTD)}"
        hidden_BTD = model.llm(embeddings_BTD, batch.position_ids_BT, batch.segment_ids_BT)
        yield f"10 LLM       {_shape(hidden_BTD)}"
        for name, target in batch.targets.items():
            if name in model.outputs and target.captions:
                text_BTD = model.llm.embed(batch.input_ids_BT)
                made_NLD = model.conditioning(name, hidden_BTD, text_BTD, target.signal_slots_BT)
                yield f"11 projector {name}: states at its signals to a conditioning {_shape(made_NLD)}"
        terms = {name: (float(total), count) for name, (total, count) in model(batch).items()}
    for name, (total, count) in terms.items():
        yield f"12 loss      {name}: {total:.2f} / {count} = {total / max(count, 1):.3f}"


def _numbered(label: str, lines: Iterator[str]) -> Iterator[str]:
    for index, line in enumerate(lines):
        yield f"{label if not index else '':13}{line}"


def _shape(tensor: torch.Tensor) -> str:
    return str(list(tensor.shape))
