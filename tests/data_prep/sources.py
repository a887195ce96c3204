"""Small downloads in published layouts, and what preparation makes of them."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import torch

from anyany.media.clips import encode_mp4
from anyany.media.pictures import encode_jpeg
from anyany.media.sounds import encode_wav

JPEG = encode_jpeg(torch.zeros(3, 16, 24, dtype=torch.uint8))
MP4 = encode_mp4(torch.zeros(3, 3, 16, 24, dtype=torch.uint8), 10)
WAV = encode_wav(torch.zeros(800), 8000)
MEDIA = {"image": ("jpg", JPEG), "video": ("mp4", MP4), "audio": ("wav", WAV)}


def write(path: Path, content: Any) -> Path:
    """Bytes, text, or anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def records(folder: Path) -> dict[str, dict[str, bytes]]:
    """Members by key and extension of all shards below a folder, read with tarfile."""
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted(folder.rglob("*.tar")):
        with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                found.setdefault(key, {})[extension] = tar.extractfile(member).read()
    return found


def report(folder: Path, split: str = "train") -> dict[str, Any]:
    return json.loads((folder / split / "report.json").read_text())


def messages(members: dict[str, bytes]) -> list[tuple[str, list]]:
    """(role, parts): text as it is, media as (modality, member, caption)."""
    return [
        (
            message["role"],
            [
                part["text"] if part["type"] == "text" else (part["type"], part.get("member"), part.get("caption"))
                for part in message["content"]
            ],
        )
        for message in json.loads(members["json"])["messages"]
    ]
