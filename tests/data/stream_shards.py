"""Shards that real decoding goes through: pictures with captions, talk, and a few records of each kind of fault."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from anyany.data.index import write_index
from anyany.seeds import rng_of
from tests.data.shards import write_shard

Record = tuple[str, dict[str, bytes]]
FAULTY = {7: "broken_image", 23: "empty_caption", 31: "missing_member"}  # record of the pairs -> kind of its fault


def jpeg(*names: object) -> bytes:
    rng = rng_of("jpeg", *names)
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(file, "JPEG")
    return file.getvalue()


def pair_records(num: int, faulty: dict[int, str] = FAULTY) -> Iterator[Record]:
    for n in range(num):
        members = {"jpg": jpeg(n), "txt": f"picture {n} {'x' * (n * 7 % 40)}".encode()}
        match faulty.get(n):
            case "broken_image":
                members["jpg"] = members["jpg"][:200]
            case "empty_caption":
                members["txt"] = b" \n"
            case "missing_member":
                del members["jpg"]
        yield f"pair{n:04d}", members


def talk_records(num: int) -> Iterator[Record]:
    for n in range(num):
        question, answer = f"what is {n} and {n}?", f"it is {2 * n}" + "!" * (n % 9)
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        yield f"talk{n:04d}", {"json": json.dumps({"messages": messages}).encode()}


def write_stream_shards(folder: Path, num_pairs: int = 60, num_talk: int = 30, per_shard: int = 10) -> Path:
    """``pairs-*.tar`` and ``talk-*.tar`` with their indices."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, records in (("pairs", list(pair_records(num_pairs))), ("talk", list(talk_records(num_talk)))):
        for first in range(0, len(records), per_shard):
            path = folder / f"{name}-{first // per_shard:03d}.tar"
            write_index(write_shard(path, records[first : first + per_shard]))
    return folder
