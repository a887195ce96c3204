"""Files and folders that appear whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Under a temporary name beside its place, then renamed."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def beside(path: Path) -> Path:
    """A name that no other process takes, on whichever machine it writes to the same folder."""
    return path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write a file or a folder to; it is renamed if all went well, else removed."""
    temporary = beside(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
