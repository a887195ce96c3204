"""What goes to the terminal and to files: text of others made harmless, numbers, tables, and what has to be there."""

import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

from anyany.faults import UserError


def shown(text: str, max_characters: int) -> str:
    """Text of others for a terminal or a picture: no control character acts, and what is cut off is counted."""
    head = "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in ("Cc", "Cs") and char != "\n" else char
        for char in text[:max_characters]
    )
    more = len(text) - max_characters
    return f"{head} ... ({more:,} more characters)" if more > 0 else head


def size_of(num_bytes: int) -> str:
    """``831 B``, ``45.1 kB``, ``2.0 GB``."""
    if num_bytes < 1000:
        return f"{num_bytes} B"
    power = min((len(str(num_bytes)) - 1) // 3, 4)
    return f"{num_bytes / 1000**power:.1f} {'?kMGT'[power]}B"


def number(value: float) -> str:
    """Whole numbers as they are, others to four places that count."""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.4g}"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def say(lines: Iterable[str]) -> None:
    """Lines to stdout, until whoever reads it (``| head``) has seen enough."""
    try:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def make_folder(folder: Path) -> None:
    """
    Raises:
        UserError: files cannot be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror}. Give another one") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"cannot write to {folder}: give another folder")


def need(*packages: str) -> None:
    """
    Raises:
        UserError: one of them is not installed.
    """
    if missing := [package for package in packages if find_spec(package) is None]:
        names = " and ".join(missing)
        raise UserError(f"this needs {names}: run `python -m pip install -e '.[data]'` in the project's folder")
