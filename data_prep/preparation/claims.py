"""Which lists and options the shards of a folder were written from, so that nothing else is mixed in."""

import argparse
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from anyany.faults import UserError
from anyany.seeds import digest_of
from data_prep.preparation.media_folder import MediaFolders
from data_prep.preparation.shards import write_json

MANIFEST = "preparation.json"


def manifest_of(name: str, options: argparse.Namespace, folders: MediaFolders) -> dict[str, Any]:
    """What decides the bytes of the shards."""
    return {
        "source": name,
        "lists": {path.name: _digest(path) for path in options.list},
        "media": list(folders.roots),
        "keep_text": getattr(options, "keep_text", False),
        "shard": options.shard,
        "val": options.val,
    }


def claim(folder: Path, manifest: dict[str, Any], force: bool) -> None:
    """The split's folder holds shards of this manifest alone; ``force`` removes those of another one.

    Raises:
        UserError: it holds others, and ``force`` is not given, or others that were not written here.
    """
    path = folder / MANIFEST
    found = json.loads(path.read_text()) if path.exists() else None
    if found is None and any(folder.glob("*.tar")):
        raise UserError(f"{folder} holds shards that were not written here: they stay, choose another --out or --split")
    if found not in (None, manifest) and not force:
        differs = "; ".join(f"{k}: {found.get(k)}, now {v}" for k, v in manifest.items() if found.get(k) != v)
        raise UserError(
            f"{folder} was written from something else ({differs}): --force writes it anew, or choose --out"
        )
    if found and force:
        for shard in folder.glob(f"{found['source']}-*.tar*"):
            shard.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, manifest)


def _digest(path: Path) -> str:
    if path.is_dir():  # of downloads: which of them are there
        names = sorted(
            f"{inner.name}/{each}" for inner in path.iterdir() if inner.is_dir() for each in os.listdir(inner)
        )
        return digest_of(*names).hex()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
