"""Count and measure what shards hold: ``python -m data_prep.stats 'data/*/train/*.tar'``.

A source is a folder of shards. Shards, records, members and bytes are exact, from the indices; the rest is told by a
sample of each source's records, and their media by headers alone, without decoding. Written are ``stats.json`` and
``stats.png``, a picture of histograms.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyany.data.records import RecordReader
from anyany.data.scan import ShardHeader
from anyany.faults import UserError
from data_prep.index import counts_of
from data_prep.looking.losses import report_of
from data_prep.looking.losses import told as losses_told
from data_prep.looking.records import chosen, local_store, look, opened
from data_prep.looking.text import make_folder, need, number, say, shown, size_of, table

if TYPE_CHECKING:
    from data_prep.looking.quantities import Held, Sampled


@dataclass
class SourceStats:
    """What is known of one folder of shards."""

    folder: Path
    held: "Held"
    sampled: "Sampled"
    report: dict[str, Any] | None
    headers: list[ShardHeader] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        need("matplotlib", "py3langid")
        sources = _grouped(opened(options.patterns))
        out = options.out or next(iter(sources.values())).folder
        make_folder(out)
        _measure(sources, options.sample, options.seed)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    write(out, sources, options.seed)
    say(told(sources, options.seed))
    say([f"written: {out / 'stats.json'}, {out / 'stats.png'}"])
    say(["next: python -m data_prep.peek with the same shards shows single records"])
    return 0


def told(sources: Mapping[str, SourceStats], seed: int) -> Iterator[str]:
    """Everything in lines: each source, then what was lost of all of them."""
    for name, source in sources.items():
        yield f"{shown(name, 100)}: {source.held.num_records:,} records in {source.held.num_shards} shards"
        yield from table([["members", "", ""], *_member_rows(source.held)])
        yield f"  passed over  {counts_of(source.held.passed_over) or 'nothing'}"
        yield f"  cut off      {source.held.cut_off} shards"
        yield ""
        yield from _sample_told(source.sampled, seed)
        yield ""
    if reports := {name: source.report for name, source in sources.items() if source.report}:
        yield from [*losses_told(reports), ""]


def write(out: Path, sources: Mapping[str, SourceStats], seed: int) -> None:
    """``stats.json`` and ``stats.png``, each whole or not at all."""
    from data_prep.looking.histograms import draw

    content = {"seed": seed, "sources": {name: _as_json(source) for name, source in sources.items()}}
    temporary = {name: out / f"{os.getpid()}.{name}" for name in ("stats.json", "stats.png")}
    try:
        temporary["stats.json"].write_text(json.dumps(content, indent=1) + "\n", encoding="ascii")
        draw(temporary["stats.png"], {name: source.sampled for name, source in sources.items()})
        for name, path in temporary.items():
            os.replace(path, out / name)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)


def _grouped(headers: Sequence[ShardHeader]) -> dict[str, SourceStats]:
    """A source for each folder, named by what tells the folders apart; each with the report that lies in it."""
    from data_prep.looking.quantities import Held, Sampled

    folders = {folder: Path(folder) for header in headers if (folder := os.path.dirname(os.path.abspath(header.url)))}
    shared = os.path.commonpath([os.path.dirname(folder) for folder in folders])
    sources = {folder: SourceStats(path, Held(), Sampled(), report_of(path)) for folder, path in folders.items()}
    for header in headers:
        sources[os.path.dirname(os.path.abspath(header.url))].headers.append(header)
    return {os.path.relpath(folder, shared): source for folder, source in sources.items()}


def _measure(sources: Mapping[str, SourceStats], num_records: int, seed: int) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from anyany.seeds import rng_of

    reader = RecordReader(local_store())
    with Progress(console=Console(stderr=True)) as progress:
        indices = progress.add_task("indices", total=sum(len(source.headers) for source in sources.values()))
        for source in sources.values():
            for header in source.headers:
                source.held.add(header)
                progress.advance(indices)
        places = {name: chosen(source.headers, num_records, rng_of("stats", seed)) for name, source in sources.items()}
        records = progress.add_task("records", total=sum(map(len, places.values())))
        for name, source in sources.items():
            for place in places[name]:
                source.sampled.add(look(reader, place))
                progress.advance(records)


def _member_rows(held: "Held") -> list[list[str]]:
    return [
        [f"  {shown(name, 40)}", f"{count:,}", size_of(held.num_bytes[name])]
        for name, count in held.num_members.most_common()
    ]


def _sample_told(sampled: "Sampled", seed: int) -> Iterator[str]:
    from data_prep.looking.histograms import ordered, title_of
    from data_prep.looking.quantities import summary

    head = f"sample of {sampled.num_records:,} records (seed {seed})"
    rows = [[head, "values", "min", "5 %", "median", "mean", "95 %", "max"]]
    for quantity in ordered(sampled.values):
        count, *numbers = summary(sampled.values[quantity]).values()
        rows.append([f"  {title_of(quantity)}", f"{count:,}", *map(number, numbers)])
    yield from table(rows)
    languages = ", ".join(
        f"{language} {count / sampled.languages.total():.1%}" for language, count in sampled.languages.most_common()
    )
    faults = ", ".join(f"{kind} {count}" for kind, count in sampled.faults.most_common())
    yield f"  languages  {languages or 'no text'}"
    yield f"  faults     {faults or 'none'}"


def _as_json(source: SourceStats) -> dict[str, Any]:
    from data_prep.looking.quantities import summary

    held, sampled = source.held, source.sampled
    members = {name: {"count": held.num_members[name], "bytes": held.num_bytes[name]} for name in held.num_members}
    return {
        "folder": str(source.folder),
        "shards": held.num_shards,
        "shards_cut_off": held.cut_off,
        "records": held.num_records,
        "members": members,
        "passed_over": dict(held.passed_over),
        "sampled": sampled.num_records,
        "quantities": {quantity: summary(values) for quantity, values in sampled.values.items()},
        "languages": dict(sampled.languages.most_common()),
        "faults": dict(sampled.faults.most_common()),
        "preparation": source.report,
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.stats", description="Count and measure what shards hold.", allow_abbrev=False
    )
    parser.add_argument("patterns", nargs="+", metavar="PATTERN", help="tars: paths, globs or {000..099}, quoted")
    parser.add_argument("--sample", type=int, default=2000, metavar="N", help="records of each source to read (2000)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (0)")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="for stats.json and stats.png (beside the first shard)"
    )
    options = parser.parse_args(arguments)
    if options.sample < 1:
        parser.error(f"--sample is {options.sample}, expected at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
