"""What preparation left out of the sources, from the ``report.json`` that it wrote beside their shards."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anyany.faults import UserError
from data_prep.looking.text import shown, table
from data_prep.preparation.reports import REPORT


def report_of(folder: Path) -> dict[str, Any] | None:
    """The report in a folder of shards, None where there is none.

    Raises:
        UserError: it is no report of a preparation.
    """
    path = folder / REPORT
    if not path.exists():
        return None
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({error}): prepare the source again, or move the file away") from error
    if not _is_report(report):
        expected = "listed and written as numbers, left_out and notes as numbers by kind"
        raise UserError(f"{path} is no report of a preparation: expected {expected}. Move the file away")
    return report


def told(reports: Mapping[str, dict[str, Any]]) -> list[str]:
    """One table over all sources: what was listed, what was lost of it and why, what was kept otherwise."""
    rows = [["lost in preparation", "records", "share"]]
    for name, report in reports.items():
        listed = report["listed"]
        rows.append([f"{shown(name, 100)}, listed", f"{listed:,}", ""])
        rows.append(["  left out", *_share(listed - report["written"], listed)])
        rows += [[f"    {shown(kind, 40)}", *_share(count, listed)] for kind, count in report["left_out"].items()]
        # Without a share: one record may hold several of these.
        rows += [[f"  noted: {shown(kind, 40)}", f"{count:,}", ""] for kind, count in report["notes"].items()]
    return table(rows)


def _is_report(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    kinds = (content.get("left_out"), content.get("notes"))
    counts = [content.get("listed"), content.get("written")]
    counts += [count for by_kind in kinds if isinstance(by_kind, dict) for count in by_kind.values()]
    return all(isinstance(by_kind, dict) for by_kind in kinds) and all(isinstance(count, int) for count in counts)


def _share(count: int, listed: int) -> list[str]:
    return [f"{count:,}", f"{count / max(listed, 1):.1%}"]
