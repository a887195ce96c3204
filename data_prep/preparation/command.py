"""The command line that all sources share, and the run behind it: lists -> rows -> shards -> report."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from anyany.faults import UserError
from data_prep.preparation.claims import claim, manifest_of
from data_prep.preparation.media_folder import MediaFolders
from data_prep.preparation.reports import save, told, total
from data_prep.preparation.rows import Preparation, rows_of
from data_prep.preparation.shards import Job, done, is_written, jobs_of, report_path, write_shard


def parser_of(name: str, description: str, lists: str, media: bool = True, val: float = 0.0) -> argparse.ArgumentParser:
    """The options that every source has. ``lists``: what ``--list`` takes."""
    parser = argparse.ArgumentParser(
        prog=f"python -m data_prep.{name}",
        description=description,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--list", type=Path, nargs="+", default=[], metavar="FILE", help=lists)
    if media:
        parser.add_argument("--media", type=Path, nargs="+", default=[], metavar="FOLDER", help="where its files lie")
        parser.add_argument("--keep-text", action="store_true", help="keep as text what has lost its media")
    out = Path(os.environ.get("ANYANY_DATA", "data")) / name  # where conf/paths looks for it
    parser.add_argument("--out", type=Path, default=out, help=f"for the folders of the splits ({out})")
    parser.add_argument("--split", default="train", help="folder for the shards (train)")
    parser.add_argument("--val", type=float, default=val, metavar="SHARE", help=f"share that goes to val/ ({val})")
    parser.add_argument("--shard", type=int, default=1000, help="entries of a shard (1000)")
    parser.add_argument(
        "--part", type=part, default=(1, 1), metavar="i/n", help="write every n-th shard, from the i-th"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (all cores)")
    parser.add_argument("--force", action="store_true", help="write all shards anew")
    return parser


def part(text: str) -> tuple[int, int]:
    """``2/8`` -> (2, 8), as argparse wants it."""
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r}: give i/n with 1 <= i <= n, for instance 1/4")
    return int(number), int(of)


def prepare(preparation: Preparation, options: argparse.Namespace) -> int:
    """Writes what is missing of a source's shards, and its report. Returns the exit status."""
    try:
        _check(options)
        folders = MediaFolders(tuple(str(folder) for folder in getattr(options, "media", [])))
        for split in sorted({options.split, *(["val"] if options.val else [])}):
            claim(options.out / split, manifest_of(preparation.name, options, folders), options.force)
        jobs = jobs_of(rows_of(preparation, options), options.out, preparation.name, options.shard)
        shards = _write(jobs, preparation, folders, options)
    except (UserError, FileNotFoundError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; finished shards are kept, the same command goes on with the others\n")
        return 130
    _tell(preparation.name, options, shards)
    return 0


def _check(options: argparse.Namespace) -> None:
    if not options.list:
        raise UserError("--list names no file: give the published list of the source")
    for path in [*options.list, *getattr(options, "media", [])]:
        if not path.exists():
            raise FileNotFoundError(f"there is no {path}")
    if len({path.stem for path in options.list}) < len(options.list):
        raise UserError("--list names two files of one name, by which their records are called: rename one")
    if options.force and options.part != (1, 1):
        raise UserError(
            "--force with --part would remove what other parts write: remove the folder first, then start all"
        )
    if options.shard < 1 or options.workers < 1 or not 0 <= options.val < 1:
        found = f"--shard {options.shard} --workers {options.workers} --val {options.val}"
        raise UserError(f"{found}: expected at least 1, at least 1, and a share from 0 to below 1")


def _write(
    jobs: Iterable[Job], preparation: Preparation, folders: MediaFolders, options: argparse.Namespace
) -> list[str]:
    """Writes this part's missing shards; returns the paths of all that the source has."""
    from rich.console import Console
    from rich.progress import Progress

    shards: list[str] = []
    number, of = options.part
    write = partial(
        write_shard, record=preparation.record, media=folders, keep_text=getattr(options, "keep_text", False)
    )
    with Progress(console=Console(stderr=True)) as progress:
        num_rows = sum(1 for path in options.list for _ in preparation.entries(path))
        bar = progress.add_task(preparation.name, total=num_rows)

        def missing() -> Iterator[Job]:
            for index, job in enumerate(jobs):
                shards.append(job.path)
                if index % of == number - 1 and not is_written(job.path):
                    yield job
                else:
                    progress.advance(bar, len(job.rows))

        for job in done(missing(), write, options.workers):
            progress.advance(bar, len(job.rows))
    if not shards:
        raise UserError(f"no entries in {', '.join(map(str, options.list))}: is it the right list?")
    return shards


def _tell(name: str, options: argparse.Namespace, shards: Sequence[str]) -> None:
    missing = 0
    for folder in sorted({Path(shard).parent for shard in shards}):
        inside = [shard for shard in shards if Path(shard).parent == folder]
        written = [shard for shard in inside if is_written(shard)]
        missing += len(inside) - len(written)
        report = total(name, written, len(inside))
        save(report, folder)
        sys.stdout.write("\n".join(told(folder, report)) + "\n")
        if written and report["left_out"]:
            sys.stdout.write(f"  each of these: {report_path(str(folder / '*.tar'))}\n")
    if missing:
        sys.stdout.write(f"next: the other parts, {missing} shards are not there yet\n")
    else:
        sys.stdout.write(f"next: python -m data_prep.verify '{options.out}/*/*.tar'\n")
