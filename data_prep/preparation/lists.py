"""Published lists of a data set: tables and JSON files, entry by entry, as they are.

A list that is not of its format at all is an error at once; a single wrong entry comes through as the ``LeftOut`` that
it will be counted as.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from anyany.faults import UserError
from data_prep.preparation.drafts import LeftOut

MAX_FIELD = 1 << 26  # characters of one cell; Python's own limit is 131,072


def read_csv(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str] | LeftOut]:
    """The rows of a csv with a header, by column.

    Raises:
        UserError: a column is missing, or the file is no UTF-8 text.
    """
    csv.field_size_limit(MAX_FIELD)
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            reader = csv.reader(file)
            names = [name.strip() for name in next(reader, [])]
            if missing := [column for column in columns if column not in names]:
                found = ", ".join(names) or "nothing"
                raise UserError(f"{path} has no column {', '.join(missing)}: its first line holds {found}")
            for cells in reader:
                if len(cells) == len(names):
                    yield dict(zip(names, cells, strict=True))
                elif cells:  # a blank line is none
                    yield _malformed(cells, names)
        except UnicodeDecodeError as error:
            raise _not_text(path, error) from error


def read_tsv(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str] | LeftOut]:
    """The rows of a table without header and without quoting, cells divided by tabs.

    Raises:
        UserError: the file is no UTF-8 text.
    """
    with open(path, encoding="utf-8-sig", newline="\n") as file:
        try:
            for line in file:
                cells = line.rstrip("\r\n").split("\t")
                if len(cells) == len(columns):
                    yield dict(zip(columns, cells, strict=True))
                else:
                    yield _malformed(cells, columns)
        except UnicodeDecodeError as error:
            raise _not_text(path, error) from error


def read_json(path: Path) -> Iterator[Any]:
    """The entries of a JSON list, or of a file with one JSON object a line (``.jsonl``).

    Raises:
        UserError: it is no JSON, or holds something other than a list.
    """
    try:
        if path.suffix == ".jsonl":
            with open(path, encoding="utf-8-sig") as file:
                yield from (_json_line(line) for line in file if line.strip())
            return
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _not_text(path, error) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({error}): download it again") from error
    if not isinstance(entries, list):
        raise UserError(f"{path} holds a {type(entries).__name__}, expected a list of entries")
    yield from entries


def _not_text(path: Path, error: UnicodeDecodeError) -> UserError:
    return UserError(f"{path} is no UTF-8 text ({error}): is it still packed, or the wrong file?")


def _malformed(cells: Sequence[str], columns: Sequence[str]) -> LeftOut:
    return LeftOut("malformed", f"{len(cells)} cells, expected {len(columns)} ({', '.join(columns)})")


def _json_line(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return LeftOut("malformed", f"no JSON: {error}")
