"""Rendered samples to a batch. A row of the batch holds one sample (padding) or several (packing).

Shape letters: B rows, T tokens of the longest row, N media items, K rows of a media item, S signal tokens.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from anyany.messages.render import IGNORE_INDEX, NO_SLOT, Rendered
from anyany.messages.vocabulary import Vocabulary

X = TypeVar("X")
NO_SEGMENT = -1


@dataclass(frozen=True)
class Sample:
    """What becomes part of a row: its tokens, and the decoded media that it reads, in order of appearance."""

    source: str
    key: str
    rendered: Rendered
    values: Sequence[Tensor] = ()
    target_values: Sequence[Tensor | None] = ()
    conditioning: Sequence[Tensor | None] = ()  # of the targets' captions, where it was computed ahead


@dataclass(frozen=True)
class Hole:
    """A planned sample that could not be read: it takes part in nothing, but is counted."""

    source: str
    key: str
    kind: str
    message: str = ""


@dataclass(frozen=True)
class MediaBatch:
    values: Tensor  # [N, ...] preprocessed, or features [N, L, D]; one dummy item where the batch reads none
    slots_BT: Tensor  # index into the N * K media rows, or NO_SLOT
    names: list[str]  # of the items; none of the dummy


@dataclass(frozen=True)
class TargetBatch:
    captions: list[str | None]  # N, in order of appearance
    signal_slots_BT: Tensor  # index into the N * S signal states, or NO_SLOT
    values: Tensor | None = None  # [N, ...] where the targets' media were asked for
    conditioning_NLD: Tensor | None = None  # of the captions, where a decoder's text encoder or a cache gave it


@dataclass(frozen=True)
class Batch:
    """One micro-batch.

    ``position_ids`` restart at each sample and ``segment_ids`` number the samples of a row (NO_SEGMENT for padding):
    attention stays within a segment. ``counts`` holds the denominator of every loss term.
    """

    input_ids_BT: Tensor
    labels_BT: Tensor  # the token itself where it is to be predicted (from the states before it), else IGNORE_INDEX
    position_ids_BT: Tensor
    segment_ids_BT: Tensor
    is_plain_BT: Tensor  # whether the sample reads and makes no media, so that its text is all there is
    media: dict[str, MediaBatch] = field(default_factory=dict)
    targets: dict[str, TargetBatch] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    samples: list[tuple[str, str]] = field(default_factory=list)  # (source, key) of what takes part
    holes: list[Hole] = field(default_factory=list)
    seed: int = 0  # of its step: with an item's name it tells what is drawn for it at random

    def to(self, device: torch.device | str) -> "Batch":
        return map_tensors(self, lambda tensor: tensor.to(device, non_blocking=True))


def map_tensors(tree: X, function: Callable[[Tensor], Tensor]) -> X:
    """The same dataclasses, dicts and lists with ``function`` applied to every tensor."""
    return map_leaves(tree, Tensor, function)


def map_leaves(tree: Any, kind: type, function: Callable[[Any], Any]) -> Any:
    """The same dataclasses, dicts and lists with ``function`` applied to every object of a kind."""
    if isinstance(tree, kind):
        return function(tree)
    if is_dataclass(tree) and not isinstance(tree, type):
        return replace(tree, **{f.name: map_leaves(getattr(tree, f.name), kind, function) for f in fields(tree)})
    if isinstance(tree, dict):
        return {key: map_leaves(value, kind, function) for key, value in tree.items()}
    if isinstance(tree, list) and any(isinstance(value, kind) or is_dataclass(value) for value in tree):
        return [map_leaves(value, kind, function) for value in tree]
    return tree


def collate(
    rows: Sequence[Sequence[Sample]],
    vocabulary: Vocabulary,
    dummies: Mapping[str, Tensor],
    num_tokens: int | None = None,
    holes: Sequence[Hole] = (),
) -> Batch:
    """A batch of B rows, padded on the right.

    Args:
        rows: the samples of each row; a row may be empty.
        dummies: for each modality that is read, a preprocessed item that stands in where the batch has none, so that
            every rank runs the same modules.
        num_tokens: pad to this length instead of the longest row's.

    Raises:
        ValueError: where placeholders and media do not match, or media of one modality cannot be stacked.
    """
    for row in rows:
        for sample in row:
            _check_counts(sample, vocabulary)
    longest = max((sum(len(s.rendered) for s in row) for row in rows), default=0)
    width = max(longest, 1) if num_tokens is None else num_tokens
    if longest > width:
        raise ValueError(f"a row holds {longest} tokens, more than the {width} asked for; raise max_tokens")
    samples = [sample for row in rows for sample in row]
    input_ids_BT, labels_BT, position_ids_BT, segment_ids_BT, is_plain_BT = _text(rows, width, vocabulary.pad_id)
    media = {name: _media(name, rows, width, dummy) for name, dummy in dummies.items()}
    made = [name for name, row in vocabulary.rows.items() if row.layout is not None]
    targets = {name: _targets(name, rows, width) for name in made}
    counts = {"text": int((labels_BT != IGNORE_INDEX).sum()), "keep": int(is_plain_BT.sum())}
    counts |= {f"{name}/align": len(target.captions) for name, target in targets.items()}
    keys = [(sample.source, sample.key) for sample in samples]
    return Batch(
        input_ids_BT, labels_BT, position_ids_BT, segment_ids_BT, is_plain_BT, media, targets, counts, keys, list(holes)
    )


def _check_counts(sample: Sample, vocabulary: Vocabulary) -> None:
    """The k-th run of placeholders belongs to the k-th medium: both are counted before anything is joined."""
    where = f"{sample.source}/{sample.key}"
    if len(sample.values) != len(sample.rendered.media):
        found = f"{len(sample.rendered.media)} placeholder runs and {len(sample.values)} media"
        raise ValueError(f"{where}: {found}; decode every medium that the messages name, in order")
    for name, slots_T in sample.rendered.slots.items():
        items = sum(part.modality == name for part in sample.rendered.media)
        wanted, found_slots = items * vocabulary.rows[name].num_rows, int((slots_T != NO_SLOT).sum())
        if wanted != found_slots:
            raise ValueError(
                f"{where}: {found_slots} {name} slots for {items} items of {vocabulary.rows[name].num_rows} rows "
                f"({wanted}); render with the vocabulary that the batch is made with"
            )


def _text(rows: Sequence[Sequence[Sample]], width: int, pad_id: int) -> tuple[Tensor, ...]:
    """The tensors of a batch that need its tokens alone, in the order in which it holds them."""
    shape = (len(rows), width)
    ids, labels = np.full(shape, pad_id), np.full(shape, IGNORE_INDEX)
    positions, segments, is_plain = np.zeros(shape, np.int64), np.full(shape, NO_SEGMENT), np.zeros(shape, bool)
    for b, row in enumerate(rows):
        first = 0
        for number, sample in enumerate(row):
            last = first + len(sample.rendered)
            ids[b, first:last] = sample.rendered.input_ids_T
            labels[b, first:last] = sample.rendered.labels_T
            positions[b, first:last] = np.arange(last - first)
            segments[b, first:last] = number
            is_plain[b, first:last] = not sample.rendered.media and not sample.rendered.targets
            first = last
    return tuple(torch.from_numpy(array) for array in (ids, labels, positions, segments, is_plain))


def _media(name: str, rows: Sequence[Sequence[Sample]], width: int, dummy: Tensor) -> MediaBatch:
    found = [
        (value, f"{sample.source}/{sample.key}/{number}")
        for row in rows
        for sample in row
        for number, (part, value) in enumerate(zip(sample.rendered.media, sample.values, strict=True))
        if part.modality == name
    ]
    slots_BT = _join_slots([[sample.rendered.slots.get(name) for sample in row] for row in rows], rows, width)
    return MediaBatch(_stack(name, [value for value, _ in found] or [dummy]), slots_BT, [told for _, told in found])


def _targets(name: str, rows: Sequence[Sequence[Sample]], width: int) -> TargetBatch:
    samples = [sample for row in rows for sample in row]
    parts = [part for sample in samples for part in sample.rendered.targets if part.modality == name]
    slots_BT = _join_slots([[sample.rendered.signal_slots.get(name) for sample in row] for row in rows], rows, width)
    values = _of_targets(name, "media", samples, [sample.target_values for sample in samples])
    conditioning = _of_targets(name, "conditioning", samples, [sample.conditioning for sample in samples])
    return TargetBatch([part.caption for part in parts], slots_BT, values, conditioning)


def _of_targets(
    name: str, what: str, samples: Sequence[Sample], given: Sequence[Sequence[Tensor | None]]
) -> Tensor | None:
    """``[N, ...]`` of a modality's targets in order of appearance, or None where none of them has it."""
    chosen = [
        value
        for sample, values in zip(samples, given, strict=True)
        for part, value in zip(sample.rendered.targets, values or [None] * len(sample.rendered.targets), strict=True)
        if part.modality == name
    ]
    found = [value for value in chosen if value is not None]
    if found and len(found) < len(chosen):
        raise ValueError(f"{len(chosen)} {name} targets but {what} for {len(found)}; load all of them or none")
    return _stack(name, found) if found else None


def _join_slots(slots: list[list[Any]], rows: Sequence[Sequence[Sample]], width: int) -> Tensor:
    """Slots that count within samples become slots that count within the batch."""
    joined_BT = np.full((len(rows), width), NO_SLOT)
    used = 0
    for b, row in enumerate(rows):
        first = 0
        for slots_T, sample in zip(slots[b], row, strict=True):
            last = first + len(sample.rendered)
            if slots_T is not None:
                joined_BT[b, first:last] = np.where(slots_T == NO_SLOT, NO_SLOT, slots_T + used)
                used += int(slots_T.max(initial=NO_SLOT)) + 1
            first = last
    return torch.from_numpy(joined_BT)


def _stack(name: str, values: list[Tensor]) -> Tensor:
    shapes = {tuple(value.shape) for value in values}
    if len(shapes) > 1:
        raise ValueError(f"{name} items of shapes {sorted(shapes)}; the encoder's preprocess must give one shape")
    return torch.stack(values)
