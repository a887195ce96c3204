"""LLaVA's instructions, and what has their layout -> shards of conversations.

    python -m data_prep.llava --list llava_instruct_150k.json --media coco/train2017

An entry is ``{"image": name or list of names, "conversations": [{"from": "human" or "gpt", "value": ...}]}`` with
``<image>`` wherever a picture belongs; ``video`` likewise. Without either it is talk in text alone.
"""

import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from anyany.media.table import MEDIA
from data_prep.preparation.command import parser_of, prepare
from data_prep.preparation.conversations import Dialogue, Named, mapping_of
from data_prep.preparation.drafts import Draft
from data_prep.preparation.lists import read_json
from data_prep.preparation.media_folder import MediaFolders
from data_prep.preparation.placeholders import PLACEHOLDERS, listed, placed, shown_by
from data_prep.preparation.rows import Preparation


def names(entry: Any) -> tuple[str | None, str | None]:
    """Several conversations are about one picture, under one id: they stay in one split, and have keys of their own."""
    entry = mapping_of(entry)
    return None, next((name for modality in MEDIA for name in listed(entry, modality)), None)


def record(entry: Mapping[str, Any], media: MediaFolders, keep_text: bool) -> Draft:
    shown = shown_by(entry)  # the layout that the reference system turns it into
    for modality in MEDIA:
        if files := listed(entry, modality):
            shown["user", modality] = deque(Named(modality, _spellings(name, modality)) for name in files)
    # Some lists mark a clip as <image>.
    is_clip = ("user", "video") in shown and ("user", "image") not in shown
    placeholders = {**PLACEHOLDERS, "<image>": "video"} if is_clip else PLACEHOLDERS
    return placed(entry, shown, Dialogue(media, keep_text), placeholders)


def _spellings(name: str, modality: str) -> tuple[str, ...]:
    """As named; with another extension, as OCR-VQA's pictures come; with what COCO's folders of 2014 put before it."""
    path = PurePosixPath(name)
    if path.suffix[1:].lower() not in MEDIA[modality].extensions:
        return (name,)
    others = [str(path.with_suffix(f".{extension}")) for extension in MEDIA[modality].extensions]
    coco = [f"COCO_{split}2014_{path.name}" for split in ("train", "val")] if modality == "image" else []
    return tuple(dict.fromkeys([name, *others, *coco]))


LLAVA = Preparation("llava", read_json, names, record)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("llava", __doc__ or "", "llava_instruct_150k.json or its like", val=0.01)
    return prepare(LLAVA, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
