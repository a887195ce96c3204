"""Writes the microworld to shards: pictures, clips, sounds, texts and dialogues, each shard with its index.

    python -m data_prep.microworld --level easy

The same arguments give the same bytes. Shards that are there already are kept, so it can be stopped and started again.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "microworld.json"
LEVELS, SPLITS = (
    ("easy", "standard", "hard"),
    ("train", "val", "test", "test_novel"),
)  # a test holds them to the world's
SIZES = {"train": 2000, "val": 200, "test": 300, "test_novel": 300}
SHARES = {"image": 1, "video": 1, "audio": 1, "text": 2, "text_held_out": 0.5, "dialogue": 2}  # of a split's size
ABSENT = {("train", "text_held_out")}  # kept out of training altogether


@dataclass(frozen=True)
class Shard:
    """One shard to write: its set's records ``first .. last - 1``."""

    path: str
    seed: int
    level: str
    split: str
    set_name: str
    first: int
    last: int


def main(arguments: list[str] | None = None) -> int:
    args = parse(arguments)
    manifest = {
        "seed": args.seed,
        "level": args.level,
        "sizes": sizes_of(args),
        "shard": args.shard,
        "code": code_digest(),
    }
    folder = args.out / args.level
    claim(folder, manifest, args.force)
    shards = list(plan(args, folder))
    missing = [shard for shard in shards if not is_written(shard)]
    start = time.perf_counter()
    write_all(missing, args.workers)
    seconds = time.perf_counter() - start
    records = sum(shard.last - shard.first for shard in shards)
    written = sum(shard.last - shard.first for shard in missing)
    rate = f" at {written / seconds:.0f} records/s" if written else ""
    say(f"{folder}: {len(shards)} shards with {records} records; {written} written now{rate}, {records - written} kept")
    say(f"next: python train.py level={args.level}")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.microworld", description=(__doc__ or "").split("\n\n")[0], allow_abbrev=False
    )
    out = Path(os.environ.get("ANYANY_DATA", "data")) / "microworld"  # where conf/paths looks for it
    parser.add_argument("--out", type=Path, default=out, help=f"folder for the levels' folders ({out})")
    parser.add_argument("--level", choices=LEVELS, default="easy")
    parser.add_argument("--seed", type=int, default=0)
    for split, size in SIZES.items():
        parser.add_argument(f"--{split.replace('_', '-')}", type=int, default=size, help=f"size of {split} ({size})")
    parser.add_argument("--shard", type=int, default=250, help="records of a shard (250)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--force", action="store_true", help="write anew what other arguments or code have written")
    return parser.parse_args(arguments)


def sizes_of(args: argparse.Namespace) -> dict[str, int]:
    return {split: getattr(args, split) for split in SPLITS}


def plan(args: argparse.Namespace, folder: Path) -> Iterator[Shard]:
    """Every shard of the level, in order."""
    for split, size in sizes_of(args).items():
        for set_name, share in SHARES.items():
            if (split, set_name) in ABSENT:
                continue
            total = round(size * share)
            for number, first in enumerate(range(0, total, args.shard)):
                path = folder / split / f"{set_name}-{number:05d}.tar"
                last = min(first + args.shard, total)
                yield Shard(str(path), args.seed, args.level, split, set_name, first, last)


def claim(folder: Path, manifest: dict, force: bool) -> None:
    """The folder is this world's: written by the same arguments and code, new, or emptied by force."""
    path = folder / MANIFEST
    if path.exists():
        found = json.loads(path.read_text())
        if found == manifest:
            return
        if not force:
            told = {
                k: f"{k} {found.get(k)}, now {v}" if k != "code" else "an earlier code" for k, v in manifest.items()
            }
            differs = "; ".join(told[k] for k, v in manifest.items() if found.get(k) != v)
            anew = f"python -m data_prep.microworld --out {folder.parent} --level {folder.name} --force"
            sys.exit(f"{folder} was written by {differs}: `{anew}` writes it anew, another --out keeps it")
        for shard in folder.glob("*/*.tar*"):
            shard.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest, indent=2) + "\n")


def code_digest() -> str:
    """Changes with the code that the bytes come from."""
    from anyany.seeds import digest_of

    root = Path(__file__).parents[1] / "anyany"
    folders = ("microworld", "media")  # the oracles too: texts are drawn until they hold no novel pair
    files = [file for folder in folders for file in sorted((root / folder).rglob("*.py"))]
    files += [root / "messages" / "types.py", root / "seeds.py", Path(__file__)]
    return digest_of(*(file.read_text() for file in files)).hex()


def is_written(shard: Shard) -> bool:
    """Shards are renamed into place whole, and their index comes last."""
    return Path(f"{shard.path}.index.jsonl").exists() and Path(shard.path).exists()


def write_all(shards: list[Shard], workers: int) -> None:
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    from rich.progress import Progress

    with Progress() as progress:
        task = progress.add_task("microworld", total=sum(shard.last - shard.first for shard in shards))
        if workers <= 1:
            for shard in shards:
                progress.advance(task, write_shard(shard))
            return
        with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_one_thread) as pool:
            for future in as_completed([pool.submit(write_shard, shard) for shard in shards]):
                progress.advance(task, future.result())


def write_shard(shard: Shard) -> int:
    """Writes a shard under a temporary name, renames it, and indexes it. Returns its number of records."""
    from webdataset import TarWriter

    from anyany.data.index import write_index
    from anyany.microworld.records import make_record

    path = Path(shard.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file, TarWriter(file, encoder=False, mtime=0) as tar:
            for number in range(shard.first, shard.last):
                members = make_record(shard.seed, shard.level, shard.split, shard.set_name, number)
                tar.write({"__key__": f"{shard.split}-{shard.set_name}-{number:06d}", **members})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    write_index(path)
    return shard.last - shard.first


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)  # one process a core already


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
