"""Media files that a list names, in the folders that they were downloaded to. Nothing outside of these is opened."""

import os
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from anyany.media.table import MEDIA
from data_prep.preparation.drafts import LeftOut

# First bytes of formats, for files without an extension: (offset, bytes, extension).
_STARTS: dict[str, tuple[tuple[int, bytes, str], ...]] = {
    "image": (
        (0, b"\xff\xd8\xff", "jpg"),
        (0, b"\x89PNG\r\n\x1a\n", "png"),
        (0, b"GIF8", "gif"),
        (8, b"WEBP", "webp"),
        (0, b"BM", "bmp"),
        (0, b"II*\0", "tiff"),
        (0, b"MM\0*", "tiff"),
    ),
    "video": ((4, b"ftyp", "mp4"), (0, b"\x1a\x45\xdf\xa3", "webm"), (8, b"AVI ", "avi")),
    "audio": (
        (8, b"WAVE", "wav"),
        (0, b"fLaC", "flac"),
        (0, b"OggS", "ogg"),
        (4, b"ftyp", "m4a"),
        (0, b"ID3", "mp3"),
        (0, b"\xff\xfb", "mp3"),
        (0, b"\xff\xf3", "mp3"),
        (0, b"\xff\xf2", "mp3"),
    ),
}
_TEXT_STARTS = (b"<", b"{")  # a web page, an answer in JSON: what a dead link gives under the name of a picture


@dataclass(frozen=True)
class MediaFolders:
    roots: tuple[str, ...]

    def read(self, modality: str, *names: str) -> tuple[str, bytes]:
        """Extension and bytes of the first of the names that is there, with an extension added where it has none.

        A name that ends in ``*`` stands for the first file, in order of names, that starts so.

        Raises:
            LeftOut: ``missing_media``, ``unsafe_name`` (it leads out of the folders), ``empty_file``, ``not_media``
                (text in place of a medium; nothing is decoded here, ``data_prep.verify`` does that).
        """
        for name in names:
            _check_name(name)
        paths = (path for root in self.roots for name in names for path in _spellings(root, name, modality))
        path = next(filter(os.path.isfile, paths), None)
        if path is None:
            where = ", ".join(self.roots) or "no folder (--media names one)"
            raise LeftOut("missing_media", f"no {modality} {' or '.join(map(repr, names)) or 'is named'} in {where}")
        with open(path, "rb") as file:
            data = file.read()
        return _extension(path, data, modality), data


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    if not name or "\0" in name or path.is_absolute() or ".." in path.parts:
        raise LeftOut("unsafe_name", f"{name!r} is no name of a file inside the folder")


def _spellings(root: str, name: str, modality: str) -> Iterator[str]:
    path = os.path.join(root, name)
    if name.endswith("*"):
        yield from _starting(*os.path.split(path[:-1]))
        return
    yield path
    yield from (f"{path}.{extension}" for extension in MEDIA[modality].extensions)


def _starting(folder: str, start: str) -> Iterator[str]:
    """The files of a folder whose names start so."""
    names = _sorted_names(folder)
    for name in names[bisect_left(names, start) :]:
        if not name.startswith(start):
            return
        yield os.path.join(folder, name)


@lru_cache(maxsize=8)  # a folder of a whole data set takes long to list
def _sorted_names(folder: str) -> list[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def _extension(path: str, data: bytes, modality: str) -> str:
    """By the name, or by the first bytes where the name tells nothing."""
    if not data:
        raise LeftOut("empty_file", f"{path} has no bytes")
    if data[:512].lstrip().startswith(_TEXT_STARTS):
        raise LeftOut("not_media", f"{path} holds text ({data[:40]!r}), expected {modality}")
    extension = os.path.splitext(path)[1][1:].lower()
    if extension in MEDIA[modality].extensions:
        return extension
    for offset, start, extension in _STARTS[modality]:
        if data[offset : offset + len(start)] == start:
            return extension
    raise LeftOut("not_media", f"{path} starts with {data[:12]!r}, which is no {modality} format known here")
