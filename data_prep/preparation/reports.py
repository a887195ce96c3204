"""What went into a source, what was left out and why: per shard, added up beside the shards, told on the terminal."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from data_prep.looking.text import size_of
from data_prep.preparation.shards import report_path, write_json

REPORT = "report.json"


def total(source: str, shards: Sequence[str], num_shards: int) -> dict[str, Any]:
    """The counts of the shards that are there, of ``num_shards`` that there will be."""
    left_out: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    listed = written = num_bytes = 0
    for shard in shards:
        report = json.loads(report_path(shard).read_text())
        listed, written = listed + report["listed"], written + report["written"]
        left_out.update(report["left_out"])
        notes.update(report["notes"])
        num_bytes += Path(shard).stat().st_size
    return {
        "source": source,
        "shards": len(shards),
        "of_shards": num_shards,
        "bytes": num_bytes,
        "listed": listed,
        "written": written,
        "left_out": dict(sorted(left_out.items())),
        "notes": dict(sorted(notes.items())),
    }


def save(report: dict[str, Any], folder: Path) -> None:
    write_json(folder / REPORT, report)


def told(folder: Path, report: dict[str, Any]) -> Iterable[str]:
    """The lines of a report."""
    of = f" of {report['of_shards']}" if report["of_shards"] > report["shards"] else ""
    yield f"{folder}: {report['written']} records in {report['shards']}{of} shards, {size_of(report['bytes'])}"
    yield f"  listed     {report['listed']:>9}"
    yield f"  left out   {_share(sum(report['left_out'].values()), report['listed'])}"
    yield from (f"    {kind:<18} {_share(n, report['listed'])}" for kind, n in report["left_out"].items())
    yield from (f"  {kind:<20} {count:>9}" for kind, count in report["notes"].items())


def _share(count: int, listed: int) -> str:
    return f"{count:>9} ({count / max(listed, 1):.1%})"
