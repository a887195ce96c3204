"""Look at every record of indexed shards: ``python -m data_prep.verify 'shards/*.tar' --drop-list bad.jsonl``.

All media are decoded in full; a conversation must read as one, any other record must have a caption. Of a record the
first fault is told. What was found in a shard is kept beside it in <shard>.verified.json, so this is safe to stop and
to run again: a shard whose verdict fits is passed over. A drop list, which a source can name, is made of the verdicts.

Exit status: 1 where records are bad or shards are cut off and no drop list was asked for, else 0. A part only gathers
verdicts, always with 0: the run over all shards, which finds them there, judges and writes the drop list.
"""

import argparse
import os
import shlex
import signal
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from anyany.data.drops import BadRecord, to_line
from anyany.data.index import read_headers
from anyany.data.scan import ShardHeader
from anyany.data.urls import expand_urls, listed
from anyany.faults import UserError
from anyany.files import write_whole
from data_prep.index import counts_of, local
from data_prep.preparation.command import part
from data_prep.verdicts import is_unknown, kept, verdict_name, verify_shard

WHOLE = (1, 1)  # the one part of one
MAX_SHOWN = 5  # bad records on the terminal
MAX_CHARS = 300  # of one of them


@dataclass
class Summary:
    """Of the verdicts on all shards; of the bad records only the first few, so that it stays small."""

    num_records: int = 0
    captions_alone: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    cut_off: list[str] = field(default_factory=list)
    first: list[str] = field(default_factory=list)

    @property
    def is_bad(self) -> bool:
        return bool(self.kinds or self.cut_off)

    def lines(self, headers: Sequence[ShardHeader], need_media: bool) -> Iterator[str]:
        """The verdicts on the shards as lines of a drop list, each added up as it is taken."""
        for header in headers:
            verdict = kept(header)
            if verdict is None:
                raise UserError(f"{header.url} was changed while it was looked at")
            self.num_records += verdict.num_records
            self.captions_alone += len(verdict.captions_alone)
            if need_media:
                both = sorted((*verdict.bad, *verdict.captions_alone), key=lambda bad: bad.record)
                verdict = replace(verdict, captions_alone=(), bad=tuple(both))
            self.kinds.update(bad.kind for bad in verdict.bad)
            self.unknown.update({name: count for name, count in header.extensions.items() if is_unknown(name)})
            self.cut_off += [header.url] if header.truncated else []
            self.first += [_told(header.url, bad) for bad in verdict.bad[: MAX_SHOWN - len(self.first)]]
            yield to_line(verdict)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        headers = _headers(options.patterns, *options.part)
    except (ValueError, FileNotFoundError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    missing = [header for header in headers if options.force or kept(header) is None]
    summary = Summary()
    lines = summary.lines(headers, options.need_media)
    try:
        _verify_all(missing, options.workers)
        if options.drop_list:
            write_whole(options.drop_list, "".join(lines))
        else:
            deque(lines, maxlen=0)  # added up, not kept
    except (UserError, FileNotFoundError) as error:
        sys.stderr.write(f"{error}. Verdicts on finished shards are kept: mend this, then run the same again\n")
        return 2
    sys.stdout.write(report(summary, len(headers), len(missing)) + next_step(summary, options))
    return int(summary.is_bad and options.drop_list is None and options.part == WHOLE)


def report(summary: Summary, num_shards: int, num_now: int) -> str:
    """Counts over all shards, and the first bad records."""
    num_bad, alone, cut_off = summary.kinds.total(), summary.captions_alone, summary.cut_off
    lines = [
        f"shards         {num_shards}: {num_now} looked at now, {num_shards - num_now} before",
        f"records        {summary.num_records}",
        f"bad            {num_bad} ({num_bad / max(summary.num_records, 1):.2%})",
        *(f"  {kind:<20} {count}" for kind, count in summary.kinds.most_common()),
        *(f"  {line}" for line in summary.first),
        *(
            [f"  and {more} more: {verdict_name('<shard>')} holds all"]
            if (more := num_bad - len(summary.first))
            else []
        ),
        f"captions alone {f'{alone} (for dec_align only, --need-media drops them)' if alone else 'none'}",
        f"unknown        {counts_of(summary.unknown) or 'none'}",
        f"cut off        {f'{len(cut_off)}: {listed(cut_off)}' if cut_off else 'none'}",
    ]
    return "\n".join(lines) + "\n"


def next_step(summary: Summary, options: argparse.Namespace) -> str:
    again = f"python -m data_prep.verify {shlex.join(options.patterns)}"
    if options.part != WHOLE:
        return f"next: when all {options.part[1]} parts are done, `{again} --drop-list FILE` makes one list of them\n"
    if options.drop_list:
        return f"next: name these shards and `drop_list: {options.drop_list}` in a source (conf/source)\n"
    if summary.is_bad:
        return f"next: mend the shards, or leave the bad records out with the list of `{again} --drop-list FILE`\n"
    return "next: name these shards in a source (conf/source)\n"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    head, _, epilog = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.verify",
        description=head.partition(":")[0] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("patterns", nargs="+", metavar="PATTERN", help="tars: paths, globs or {000..099}, quoted")
    parser.add_argument("--drop-list", type=Path, metavar="FILE", help="write what a source is to leave out")
    parser.add_argument("--need-media", action="store_true", help="count a caption without a medium as bad, too")
    parser.add_argument("--part", type=part, default=WHOLE, metavar="i/n", help="every n-th shard, from the i-th")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (default: all cores)"
    )
    parser.add_argument("--force", action="store_true", help="look again at what has a verdict that fits")
    options = parser.parse_args(arguments)
    if options.workers < 1:
        parser.error(f"--workers is {options.workers}, expected at least 1")
    if options.drop_list and options.part != WHOLE:
        parser.error("--drop-list with --part would miss the other parts: write it without --part when all are done")
    if options.drop_list and not options.drop_list.absolute().parent.is_dir():
        parser.error(f"--drop-list {options.drop_list}: there is no folder {options.drop_list.parent}, make it first")
    return options


def _headers(patterns: Sequence[str], number: int, of: int) -> list[ShardHeader]:
    headers = read_headers(sorted(local(expand_urls(patterns)))[number - 1 :: of])
    if old := [header.url for header in headers if not header.digest]:
        raise ValueError(f"no digest in the index of {listed(old)}. Run `python -m data_prep.index --force SHARDS`")
    return headers


def _verify_all(headers: Sequence[ShardHeader], workers: int) -> None:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("verifying", total=sum(header.num_records for header in headers))
        for num_records in _looked_at([header.url for header in headers], workers):
            progress.advance(task, num_records)


def _looked_at(urls: Sequence[str], workers: int) -> Iterator[int]:
    """The number of records of each shard that is done. A process that dies, as by a decoder's fault, ends the run."""
    if not urls:
        return
    if workers == 1 or len(urls) == 1:
        _one_thread()
        yield from map(verify_shard, urls)
        return
    with ProcessPoolExecutor(min(workers, len(urls)), get_context("spawn"), initializer=_start) as pool:
        try:
            for future in as_completed([pool.submit(verify_shard, url) for url in urls]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # an error shows now, not after hours


def _start() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a process within its shard, too
    _one_thread()


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)  # one process a core already


def _told(url: str, bad: BadRecord) -> str:
    """One line; keys and messages may hold anything that stands in a tar."""
    line = f"{url}, record {bad.record} ({bad.key}), byte {bad.byte}: {bad.kind}, {bad.message}"
    plain = "".join(char if char.isprintable() else "?" for char in line)
    return plain if len(plain) <= MAX_CHARS else plain[: MAX_CHARS - 3] + "..."


if __name__ == "__main__":
    sys.exit(main())
