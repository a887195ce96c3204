"""Filling the feature cache: what frozen parts give for each shard of the sources, before training.

Shape letters: N items.
"""

import logging
import os
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from socket import gethostname
from typing import Any, NamedTuple

import torch
from rich.progress import Progress
from torch import Tensor, nn

from anyany.data.feature_cache import FeatureCache
from anyany.data.identity import identity
from anyany.data.order import Ref
from anyany.data.samples import SampleReader
from anyany.data.sources import Source
from anyany.messages.collate import Sample
from anyany.models.assemble import Assembled
from anyany.seeds import digest_of, seed_of
from anyany.training.datamodule import StreamDataModule
from anyany.training.stopping import stopped_with

BATCH = 64
log = logging.getLogger(__name__)
Compute = Callable[[Sequence], Tensor]  # preprocessed media, or captions, to [N, ...]
Taken = Callable[[Sample, str], list]  # what of a sample is computed on, for a modality


def media_of(sample: Sample, modality: str) -> list[Tensor]:
    parts = zip(sample.rendered.media, sample.values, strict=True)
    return [value for part, value in parts if part.modality == modality]


def captions_of(sample: Sample, modality: str) -> list[str]:
    """
    Raises:
        ValueError: for a target without a caption.
    """
    captions = [part.caption for part in sample.rendered.targets if part.modality == modality]
    if any(caption is None for caption in captions):
        raise ValueError(f"{sample.source}/{sample.key}: a target without a caption has no conditioning; give it one")
    return [caption for caption in captions if caption is not None]


def cache_of(
    root: Path, kind: str, modality: str, told: Sequence[object], shape: tuple[int, ...], sources: Sequence[Source]
) -> FeatureCache:
    """The cache in the folder for just these numbers.

    Args:
        kind: ``features`` or ``conditioning``.
        told: all that decides the numbers beside the items themselves: the part's digest, the preprocessing.
    """
    recipes = {source.name: identity(source.recipe) for source in sources}
    return FeatureCache(root / kind / f"{modality}-{digest_of(*told).hex()}", shape, recipes)


def caches_of(
    root: Path, parts: Assembled, sources: Sequence[Source], features: bool, conditioning: bool
) -> tuple[dict[str, FeatureCache], dict[str, FeatureCache]]:
    """By modality, the caches of features and of conditioning, those that are wanted."""
    read, wanted = {}, {}
    # A conversation about a modality that the rows lack is a hole, and stays one in the cache of these rows.
    sides = {n: (row.placeholder is not None, row.layout is not None) for n, row in parts.vocabulary.rows.items()}
    for name, (encoder_name, _) in parts.inputs.items() if features else ():
        encoder = parts.encoders[encoder_name]
        told = (encoder.digest(), identity(parts.preprocess[name]), sides)
        shape = (encoder.num_features(name), encoder.dim)
        read[name] = cache_of(root, "features", name, told, shape, sources)
    for name in parts.output_projectors.keys() if conditioning else ():
        known = parts.conditioners[name]
        shape = (known.spec.length, known.spec.dim)
        texts = known.digest(captions_only=True)
        wanted[name] = cache_of(root, "conditioning", name, (texts, sides), shape, sources)
    return read, wanted


class Filled(NamedTuple):
    """Shards: those that something was computed for, and those that were there."""

    computed: int
    kept: int


def prepare(parts: Assembled, data: StreamDataModule, device: torch.device | str) -> dict[str, Filled]:
    """Fills the caches of what a run reads with what parts give; these are loaded only where something is missing."""
    sources = [*data.sources, *data.val_sources]
    names = {name: encoder for name, (encoder, _) in parts.inputs.items()}
    encoders = _Loaded({name: parts.encoders[names[name]] for name in data.features}, device)
    conditioners = _Loaded({name: parts.conditioners[name] for name in data.conditioning}, device, captions_only=True)
    encode = {name: partial(encoders.encode, name) for name in names}
    condition = {name: partial(conditioners.condition, name) for name in parts.conditioners}
    read = data.planned_shards() if data.features or data.conditioning else set()
    read |= {(len(data.sources) + i, n) for i, val in enumerate(data.val_sources) for n in range(len(val.headers))}
    return {
        "features": fill(data.samples(sources), data.features, media_of, encode, read),
        "conditioning": fill(data.samples(sources), data.conditioning, captions_of, condition, read),
    }


class _Loaded:
    """Parts that are loaded when they are first asked."""

    def __init__(self, parts: Mapping[str, Any], device: torch.device | str, **options: Any):
        self.parts, self.device, self.options = parts, device, options
        self.ready: set[int] = set()

    def encode(self, name: str, values: Sequence[Tensor]) -> Tensor:
        return self._part(name)(torch.stack(list(values)).to(self.device), name)

    def condition(self, name: str, captions: Sequence[str]) -> Tensor:
        return self._part(name).condition(captions)

    def _part(self, name: str) -> Any:
        part = self.parts[name]
        if id(part) not in self.ready:  # one that several rows name is loaded once
            part.load(**self.options)
            self.ready.add(id(part))
            for module in part.children() if isinstance(part, nn.Module) else ():
                if all(parameter.device.type != "meta" for parameter in module.parameters()):
                    module.to(self.device)
        return part


@torch.no_grad()
def fill(
    samples: SampleReader, caches: Mapping[str, FeatureCache], take: Taken, compute: Mapping[str, Compute],
    only: Container[tuple[int, int]] | None = None,
) -> Filled:  # fmt: skip
    """Writes the files that are missing, with progress. Several processes that fill the same caches share the work.

    Whatever is read stays as long as a shard: a record that is too long for this run is no hole in the cache.

    Args:
        only: source and shard, by number; all others are left as they are.
    """
    if not caches:
        return Filled(0, 0)
    samples = replace(samples, max_tokens=10**9, features={}, conditioning={})
    every = [(index, shard) for index, source in enumerate(samples.sources) for shard in range(len(source.headers))]
    wanted = [one for one in every if only is None or one in only]
    missing = [one for one in wanted if not _is_kept(samples, *one, caches)]
    if not missing:
        return Filled(0, len(wanted))
    first = seed_of(gethostname(), os.getpid()) % len(missing)  # another process begins elsewhere
    computed = 0
    with Progress() as progress, stopped_with("shards that were done are kept"):
        task = progress.add_task(f"computing what {', '.join(caches)} give, once", total=len(missing))
        for one in (*missing[first:], *missing[:first]):
            if not _is_kept(samples, *one, caches):
                _fill_shard(samples, *one, caches, take, compute)
                computed += 1
            progress.advance(task)
    return Filled(computed, len(wanted) - computed)


def _is_kept(samples: SampleReader, index: int, shard: int, caches: Mapping[str, FeatureCache]) -> bool:
    source = samples.sources[index]
    return all(cache.path(source.name, source.headers[shard]).exists() for cache in caches.values())


def _fill_shard(
    samples: SampleReader, index: int, shard: int, caches: Mapping[str, FeatureCache], take: Taken,
    compute: Mapping[str, Compute],
) -> None:  # fmt: skip
    source = samples.sources[index]
    header = source.headers[shard]
    queues = {modality: _Queue(compute[modality]) for modality in caches}
    for record in range(header.num_records):
        one = samples.read(Ref(index, shard, record))
        for modality, queue in queues.items():
            queue.put(take(one, modality) if isinstance(one, Sample) else None)
    for modality, cache in caches.items():
        cache.write(source.name, header, queues[modality].taken())


class _Queue:
    """Computes on items in batches, whichever records they are of: of a shard's media no more than a batch is held."""

    def __init__(self, compute: Compute):
        self.compute = compute
        self.made: list[list[Tensor] | None] = []  # by record
        self.waiting: list[tuple[list[Tensor], Any]] = []  # where to, and on what

    def put(self, items: Sequence[Any] | None) -> None:
        """The next record's items; None for one that could not be read."""
        if items is None:
            self.made.append(None)
            return
        made: list[Tensor] = []
        self.made.append(made)
        for item in items:
            self.waiting.append((made, item))
            if len(self.waiting) == BATCH:
                self._flush()

    def taken(self) -> list[list[Tensor] | None]:
        self._flush()
        return self.made

    def _flush(self) -> None:
        if self.waiting:
            computed = self.compute([item for _, item in self.waiting]).cpu()
            for (made, _), value in zip(self.waiting, computed, strict=True):
                made.append(value)
        self.waiting = []
