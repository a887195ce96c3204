"""Pairs: from a published list with its media, or from what img2dataset and video2dataset have downloaded.

Their tars are shards of pairs already: these are indexed where they lie, and their statistics become the report. Their
output as plain files (``00000/000000000.jpg`` with ``.txt`` and ``.json``) is written to shards like any other source.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from anyany.data.index import index_name, read_headers
from anyany.media.table import MEDIA
from data_prep.preparation.command import parser_of, prepare
from data_prep.preparation.drafts import Draft, LeftOut, text_of
from data_prep.preparation.media_folder import MediaFolders
from data_prep.preparation.pairs import pair
from data_prep.preparation.reports import save, told
from data_prep.preparation.rows import Preparation

STATS = "_stats.json"
MAX_REASONS = 8  # of failed downloads told apart; servers answer in many words


def parser_of_pairs(name: str, description: str, lists: str) -> argparse.ArgumentParser:
    parser = parser_of(name, description, lists)
    parser.add_argument("--downloaded", type=Path, metavar="FOLDER", help="output of img2dataset or video2dataset")
    return parser


def prepare_pairs(preparation: Preparation, modality: str, options: argparse.Namespace) -> int:
    """Writes or indexes the shards of a source of pairs. Returns the exit status."""
    folder = options.downloaded
    if folder is None:
        return prepare(preparation, options)
    if options.list or options.media or not folder.is_dir():
        problem = "takes no --list and no --media beside it" if folder.is_dir() else "is no folder"
        sys.stderr.write(f"--downloaded {folder} {problem}\n")
        return 2
    tars = sorted(folder.glob("*.tar"))
    if tars:
        return index_published(preparation.name, tars, modality, options)
    options.list = options.media = [folder]
    return prepare(replace(preparation, entries=entries, names=names, record=partial(record, modality)), options)


def index_published(source: str, tars: Sequence[Path], modality: str, options: argparse.Namespace) -> int:
    """Indexes finished tars in place, and reports what their downloader says of the rest."""
    from data_prep.index import index_all

    number, of = options.part
    finished = _finished(tars)
    outcomes = index_all([str(tar) for tar in finished][number - 1 :: of], options.workers, options.force)
    faults = [outcome.fault for outcome in outcomes if outcome.fault]
    indexed = [str(tar) for tar in finished if Path(index_name(str(tar))).exists()]  # also by other parts
    headers = read_headers(indexed)
    num_records = sum(header.num_records for header in headers)
    with_media = sum(header.extensions.get(name, 0) for header in headers for name in MEDIA[modality].extensions)
    told_of = _statistics(indexed)
    report = {
        "source": source,
        "shards": len(headers),
        "of_shards": len(tars),
        "bytes": sum(header.size_bytes for header in headers),
        "listed": max(told_of.total(), num_records),
        "written": with_media,
        "left_out": {kind: count for kind, count in told_of.items() if kind != "success"}
        or ({"no_media": num_records - with_media} if num_records > with_media else {}),
        "notes": {"unfinished_shards": len(tars) - len(finished)} if len(tars) > len(finished) else {},
    }
    save(report, tars[0].parent)
    sys.stdout.write("\n".join([*told(tars[0].parent, report), *(f"  refused    {fault}" for fault in faults)]) + "\n")
    sys.stdout.write(f"next: python -m data_prep.verify '{tars[0].parent}/*.tar'\n")
    return int(bool(faults))


def entries(folder: Path) -> Iterator[dict[str, str]]:
    """What lies in the numbered folders, by its key."""
    for inner in sorted(path for path in folder.iterdir() if path.is_dir() and path.name.isdecimal()):
        for key in sorted({path.name.partition(".")[0] for path in inner.iterdir()}):
            yield {"folder": inner.name, "key": key}


def names(entry: dict[str, str]) -> tuple[str | None, str | None]:
    return entry["key"], entry["key"]


def record(modality: str, entry: dict[str, str], media: MediaFolders, keep_text: bool) -> Draft:
    name = f"{entry['folder']}/{entry['key']}"
    path = Path(media.roots[0]) / name
    known = _json(path.with_suffix(".json"))
    if known.get("status", "success") != "success":
        raise LeftOut("failed_download", f"{known['status']}: {known.get('error_message')}")
    text = path.with_suffix(".txt")
    caption = text.read_text(encoding="utf-8") if text.exists() else text_of(known, "caption")
    published = {key: value for key, value in known.items() if key != "caption"}
    return pair(caption, modality, [name], media, keep_text, published)


def _json(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise LeftOut("malformed", f"{path.name}: {error}") from error
    if not isinstance(known, dict):
        raise LeftOut("malformed", f"{path.name} holds a {type(known).__name__}, expected an object")
    return known


def _finished(tars: Sequence[Path]) -> list[Path]:
    """A tar's statistics are written last: where some tars have them, one without is still being written."""
    with_stats = [tar for tar in tars if _stats_of(tar).exists()]
    return with_stats or list(tars)


def _statistics(tars: Sequence[str]) -> Counter[str]:
    """How many downloads ended how."""
    counts: Counter[str] = Counter()
    for path in map(_stats_of, map(Path, tars)):
        if path.exists():
            counts.update(json.loads(path.read_text())["status_dict"])
    kept = Counter(dict(counts.most_common(MAX_REASONS)))
    rest = counts.total() - kept.total()
    return kept + Counter({"other reasons": rest} if rest else {})


def _stats_of(tar: Path) -> Path:
    return tar.with_name(tar.stem + STATS)
