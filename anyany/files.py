"""Files and folders that appear whole or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anyany.faults import UserError


class NoRoom(UserError):
    """The disk is full. The message ends with what to do, so that a stage can add how it goes on."""


def write_whole(path: Path, text: str) -> None:
    """Under a temporary name beside its place, then renamed."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def beside(path: Path) -> Path:
    """A name that no other process takes, on whichever machine it writes to the same folder."""
    return path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def is_disk_full(error: Exception) -> bool:
    """Torch and safetensors tell of it in their own errors, by the system's words."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or os.strerror(errno.ENOSPC) in str(error)


@contextmanager
def needing_room(path: Path) -> Iterator[None]:
    """For what writes ``path``, or something in that folder.

    Raises:
        NoRoom: where the disk is full.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError) or not is_disk_full(error):
            raise
        raise NoRoom(f"{path} could not be written ({error}); make room, then give the same command again") from error


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write a file or a folder to; it is renamed if all went well, else removed.

    Raises:
        UserError: where the disk is full; what stood under the name stands.
    """
    temporary = beside(path)
    try:
        with needing_room(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
