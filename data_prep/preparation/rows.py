"""The entries of published lists, one after the other, each with its key and its split."""

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyany.seeds import digest_of
from data_prep.preparation.drafts import LeftOut, Row, safe_key
from data_prep.preparation.shards import Record


@dataclass(frozen=True)
class Preparation:
    """How the published lists of one source become records.

    Args:
        name: of the source; its shards are called so.
        entries: a list's entries, as published; the same at every call.
        names: the published name of an entry's record, and what holds records together in one split (a clip that five
            rows describe must not be in train and val); either may be None, which stands for the place in the list.
        record: the members of an entry's record; raises LeftOut.
    """

    name: str
    entries: Callable[[Path], Iterable[Any]]
    names: Callable[[Any], tuple[str | None, str | None]]
    record: Record


def rows_of(preparation: Preparation, options: argparse.Namespace) -> Iterator[tuple[str, Row]]:
    """(split, row) of all lists. A key that came before is a fault of the row that brings it again."""
    seen: dict[str, str] = {}
    for path in options.list:
        prefix = f"{path.stem}-" if len(options.list) > 1 else ""  # lists number their entries alike
        for number, entry in enumerate(preparation.entries(path)):
            where = f"{path.name}, entry {number}"
            row, group = _row(preparation, entry, prefix, path.name, number)
            if not row.fault and (first := seen.setdefault(row.key, where)) != where:
                fault = LeftOut("duplicate_key", f"{row.key} ({where}) stands at {first} already")
                row = Row(path.name, number, row.key, None, fault)
            yield ("val" if _share_of(group) < options.val else options.split), row


def _row(preparation: Preparation, entry: Any, prefix: str, list_name: str, number: int) -> tuple[Row, str]:
    place = safe_key(f"{prefix}{number:09d}")
    if isinstance(entry, LeftOut):
        return Row(list_name, number, place, None, entry), place
    try:
        name, group = preparation.names(entry)
    except LeftOut as fault:
        return Row(list_name, number, place, None, fault), place
    key = place if name is None else safe_key(prefix + name)
    return Row(list_name, number, key, entry), key if group is None else group


def _share_of(group: str) -> float:
    return int.from_bytes(digest_of("split", group)[:8], "little") / 2**64
