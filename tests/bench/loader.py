"""The loader against bare decoding of the same bytes in as many processes, and what resuming and length cost."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from anyany.data import recipes
from anyany.data.index import write_index
from anyany.data.loader import MicroBatches, StepLoader
from anyany.data.order import Ref, SourceOrder
from anyany.data.plan import Cursor, Plan
from anyany.data.records import RecordReader
from anyany.data.samples import SampleReader
from anyany.data.sources import open_source
from anyany.data.store import ShardStore
from anyany.media.clips import encode_mp4
from anyany.media.pictures import encode_jpeg
from anyany.media.sounds import encode_flac
from anyany.media.table import MEDIA, MediaSpec
from anyany.messages.vocabulary import RowTokens, Vocabulary
from anyany.models.encoders.patches import Patches
from anyany.models.llms.tokenizers import byte_level
from anyany.seeds import rng_of
from tests.bench.report import Figure
from tests.data.shards import write_shard

PROCESSES = 2
BATCH = 16
MODALITIES = ("image", "video", "audio")


def media_of(modality: str, size: str, number: int) -> bytes:
    """A file of the size that the tiny or the full parts read: smooth noise, so that codecs have something to do."""
    rng = rng_of("bench", modality, number)
    px, frames, seconds = {"tiny": (32, 8, 2), "full": (256, 60, 10)}[size]
    if modality == "audio":
        return encode_flac(torch.from_numpy(rng.normal(0, 0.1, seconds * 16_000).astype(np.float32)), 16_000)
    coarse = torch.from_numpy(rng.uniform(0, 255, (frames if modality == "video" else 1, 3, 8, 8)).astype(np.float32))
    smooth = torch.nn.functional.interpolate(coarse, (px, px), mode="bilinear").to(torch.uint8)
    return encode_mp4(smooth, 10) if modality == "video" else encode_jpeg(smooth[0])


def write_pairs(folder: Path, size: str, num: int, per_shard: int = 100, distinct: int = 24) -> None:
    """Shards of each modality; few distinct files, since making them is not what is measured."""
    for modality in MODALITIES:
        extension = {"image": "jpg", "video": "mp4", "audio": "flac"}[modality]
        files = [media_of(modality, size, n) for n in range(distinct)]
        for first in range(0, num, per_shard):
            records = [
                (f"{n:06d}", {extension: files[n % distinct], "txt": b"something or other, number %d" % n})
                for n in range(first, min(first + per_shard, num))
            ]
            write_index(write_shard(folder / f"{modality}-{first:06d}.tar", records))


def samples_of(folder: Path, size: str) -> SampleReader:
    encoder = Patches() if size == "tiny" else Patches(image_px=256, patch_px=16, sound_s=10.0)  # no resizing
    rows = {name: RowTokens(f"<|{name}|>", 4) for name in MODALITIES}
    sources = [
        open_source(name, str(folder / f"{name}-*.tar"), partial(recipes.read_media, modality=name))
        for name in MODALITIES
    ]
    reader = RecordReader(ShardStore(folder / "cache", 1 << 30), max_open=64)
    preprocess = {name: encoder.preprocess(name) for name in MODALITIES}
    return SampleReader(sources, reader, Vocabulary(byte_level(), "tiny", rows), preprocess, 512)


def loader_of(samples: SampleReader, workers: int = PROCESSES, cursor: Cursor = Cursor()) -> StepLoader:
    orders = [SourceOrder(source.name, source.shard_sizes, 0) for source in samples.sources]
    plan = Plan(orders, BATCH)
    return StepLoader(plan, MicroBatches(samples), plan.num_steps(1), cursor, num_workers=workers)


def refs_of(samples: SampleReader) -> list[Ref]:
    return [
        Ref(s, shard, n)
        for s, source in enumerate(samples.sources)
        for shard, size in enumerate(source.shard_sizes)
        for n in range(size)
    ]


_samples: SampleReader  # of a process that decodes barely


def _start(samples: SampleReader) -> None:
    global _samples
    torch.set_num_threads(1)
    _samples = samples


def _decode(refs: list[Ref]) -> int:
    for ref in refs:
        source = _samples.sources[ref.source]
        record = _samples.reader.read(source.name, source.urls[ref.shard], ref.record)
        (data,) = (data for name, data in record.members.items() if name in MEDIA[source.name].extensions)
        MEDIA[source.name].decode(data, MediaSpec())
    return len(refs)


def _timed(work: Callable[[], int]) -> float:
    """Records a second."""
    start = time.perf_counter()
    number = work()
    return number / (time.perf_counter() - start)


def against_bare_decoding(folder: Path, size: str, num: int) -> Iterator[Figure]:
    """Both are warmed up by a first pass over a few records, then timed in turn, and the better of three counts."""
    write_pairs(folder, size, num)
    samples = samples_of(folder, size)
    refs = refs_of(samples)
    refs = [refs[i] for i in rng_of("bench").permutation(len(refs))]
    chunks = [refs[i : i + BATCH] for i in range(0, len(refs), BATCH)]
    context = get_context("fork")
    with ProcessPoolExecutor(PROCESSES, context, _start, (samples,)) as pool:
        list(pool.map(_decode, chunks[:8]))
        bare, loaded = 0.0, 0.0
        for _ in range(3):
            bare = max(bare, _timed(lambda: sum(pool.map(_decode, chunks))))
            loaded = max(loaded, _steady(loader_of(samples)))
    yield Figure(
        f"loader / bare decoding, {size} media",
        loaded / bare,
        at_least=0.85,
        detail=f"{loaded:.0f} of {bare:.0f} records/s",
    )


def _steady(loader: StepLoader) -> float:
    """Records a second from the first step on: starting the workers is measured by itself."""
    steps = iter(loader)
    next(steps)
    return _timed(lambda: sum(len(batch.samples) for step in steps for batch in step.micro_batches))


def resuming(folder: Path, num: int) -> Iterator[Figure]:
    """Seconds from nothing to the first step in the middle of the records, and what was decoded for it."""
    write_pairs(folder, "tiny", num)
    samples = samples_of(folder, "tiny")
    whole = loader_of(samples, workers=0)
    middle = next(islice(whole.plan.steps(), len(whole) // 2, None)).after
    start = time.perf_counter()
    step = next(iter(loader_of(samples_of(folder, "tiny"), cursor=middle)))
    seconds = time.perf_counter() - start
    assert step.index == middle.step, (step.index, middle)
    yield Figure(f"resuming in the middle of {3 * num} records", seconds, at_most=2.0, unit="s")
    decoded = _count_decodes(loader_of(samples, workers=0, cursor=middle))
    yield Figure("  records decoded for the first step / in it", decoded / BATCH, at_most=1.0)


def _count_decodes(loader: StepLoader) -> int:
    seen = []
    read = SampleReader.read
    SampleReader.read = lambda self, ref: seen.append(ref) or read(self, ref)  # type: ignore[method-assign,func-returns-value]
    try:
        next(iter(loader))
    finally:
        SampleReader.read = read  # type: ignore[method-assign]
    return len(seen)


def memory(folder: Path, small: int, large: int) -> Iterator[Figure]:
    """Peak memory of a process that streams many records against one that streams few."""
    for num in (small, large):
        if not (folder / str(num)).exists():
            (folder / str(num)).mkdir()
            write_pairs(folder / str(num), "tiny", num)
    peaks = {num: _peak_mib(folder / str(num)) for num in (small, large)}
    detail = f"{peaks[large]:.0f} of {peaks[small]:.0f} MiB"
    yield Figure(f"memory, {3 * large} records / {3 * small}", peaks[large] / peaks[small], at_most=1.05, detail=detail)


def _peak_mib(folder: Path) -> float:
    command = [sys.executable, "-m", "tests.bench.loader", str(folder)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    for _ in loader_of(samples_of(Path(sys.argv[1]), "tiny"), workers=0):
        pass
    sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}\n")
