"""Write the index beside each shard: ``python -m data_prep.index 'shards/*.tar'``. Shards themselves stay untouched.

Safe to stop and to run again: a shard whose index fits is passed over.
"""

import argparse
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

from anyany.data.index import write_index
from anyany.data.scan import ShardFault, ShardHeader
from anyany.data.urls import expand_urls, is_remote, listed


@dataclass(frozen=True)
class Outcome:
    """What became of one shard: its header, or why it was refused."""

    url: str
    header: ShardHeader | None = None
    fault: ShardFault | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        urls = local(expand_urls(options.patterns))
    except (ValueError, FileNotFoundError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    outcomes = index_all(urls, options.workers, options.force)
    sys.stdout.write(report(outcomes, options.patterns))
    return int(any(outcome.fault for outcome in outcomes))


def index_all(urls: Sequence[str], workers: int, force: bool = False) -> list[Outcome]:
    """Index local shards, with a progress bar; what became of each, in order of their names."""
    outcomes = _with_progress(_indexed(urls, workers, force), len(urls))
    return sorted(outcomes, key=lambda outcome: outcome.url)


def index_one(url: str, force: bool = False) -> Outcome:
    """Index one shard; what cannot be indexed is reported, not raised, so that the others go on."""
    try:
        return Outcome(url, header=write_index(url, force))
    except ShardFault as fault:
        return Outcome(url, fault=fault)


def report(outcomes: Sequence[Outcome], patterns: Sequence[str]) -> str:
    """Counts over all shards, the shards to look at by name, and what to do next."""
    headers = [outcome.header for outcome in outcomes if outcome.header]
    refused = [outcome.fault for outcome in outcomes if outcome.fault]
    cut_off = [header.url for header in headers if header.truncated]
    members = _sum(header.extensions for header in headers)
    kinds = counts_of(Counter(fault.kind for fault in refused))
    lines = [
        f"shards       {len(headers)} indexed, {len(refused)} refused{kinds and f' ({kinds})'}",
        f"records      {sum(header.num_records for header in headers)}",
        f"members      {counts_of(members) or 'none'}",
        f"passed over  {counts_of(_sum(header.faults for header in headers)) or 'nothing'}",
        f"cut off      {len(cut_off)}{f': {listed(cut_off)}' if cut_off else ''}",
        *(f"refused      {fault}" for fault in refused),
    ]
    if refused:
        again = f"python -m data_prep.index {shlex.join(patterns)}"
        lines.append(f"next: mend or leave out what was refused, then run `{again}`")
    else:
        lines.append(f"next: look at every record with `python -m data_prep.verify {shlex.join(patterns)}`")
    return "\n".join(lines) + "\n"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m data_prep.index", description="Write the index beside each shard.")
    parser.add_argument("patterns", nargs="+", metavar="PATTERN", help="tars: paths, globs or {000..099}, quoted")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (default: all cores)"
    )
    parser.add_argument("--force", action="store_true", help="index again what has an index that fits")
    options = parser.parse_args(arguments)
    if options.workers < 1:
        parser.error(f"--workers is {options.workers}, expected at least 1")
    return options


def local(urls: list[str]) -> list[str]:
    """The same; raises ValueError where one is remote."""
    if remote := [url for url in urls if is_remote(url)]:
        raise ValueError(f"cannot write beside {listed(remote)}: run this where the shards lie, or on copies of them")
    return urls


def _indexed(urls: Sequence[str], workers: int, force: bool) -> Iterator[Outcome]:
    if workers == 1 or len(urls) == 1:
        yield from (index_one(url, force) for url in urls)
        return
    with ProcessPoolExecutor(min(workers, len(urls)), mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(partial(index_one, force=force), url) for url in urls]):
            yield future.result()


def _with_progress(outcomes: Iterator[Outcome], total: int) -> list[Outcome]:
    from rich.console import Console
    from rich.progress import track

    return list(track(outcomes, "indexing", total, console=Console(stderr=True)))


def _sum(counts: Iterator[dict[str, int]]) -> Counter[str]:
    return sum((Counter(count) for count in counts), Counter())


def counts_of(counts: Counter[str]) -> str:
    """``3 jpg, 3 txt``"""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
