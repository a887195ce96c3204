"""The reference system's JSON lists -> shards of pairs (cc3m.json) or of conversations (cc3m_comprehension.json).

    python -m data_prep.nextgpt --list cc3m_comprehension.json webvid_comprehension.json \\
        --media cc3m/images webvid/videos --out data/nextgpt_comprehension

A pair is ``{"image_name": ..., "caption": ...}`` (or video_name, audio_name); a conversation names what is shown under
``input_<modality>`` and what is to be made under ``output_<modality>`` with ``<modality>_captions``, and holds a
placeholder for each. Conversations are kept as published, prompts included.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from anyany.media.table import MEDIA
from data_prep.preparation.command import parser_of, prepare
from data_prep.preparation.conversations import Dialogue, mapping_of
from data_prep.preparation.drafts import Draft, text_of
from data_prep.preparation.lists import read_json
from data_prep.preparation.media_folder import MediaFolders
from data_prep.preparation.pairs import pair
from data_prep.preparation.placeholders import placed, shown_by
from data_prep.preparation.rows import Preparation


def names(entry: Any) -> tuple[str | None, str | None]:
    entry = mapping_of(entry)
    if modality := _pair_of(entry):
        name = text_of(entry, f"{modality}_name")
        return name.rpartition(".")[0] or name, name
    media = [named for queue in shown_by(entry).values() for named in queue]
    return None, next((named.names[0] for named in media if named.names), None)


def record(entry: Mapping[str, Any], media: MediaFolders, keep_text: bool) -> Draft:
    modality = _pair_of(entry)
    if modality is None:
        return placed(entry, shown_by(entry), Dialogue(media, keep_text))
    file = text_of(entry, f"{modality}_name")
    published = {key: entry[key] for key in ("id", "audio_id") if key in entry}
    return pair(text_of(entry, "caption"), modality, [file], media, keep_text, published)


def _pair_of(entry: Mapping[str, Any]) -> str | None:
    """The modality of an entry that is a pair."""
    return next((modality for modality in MEDIA if "caption" in entry and f"{modality}_name" in entry), None)


NEXTGPT = Preparation("nextgpt", read_json, names, record)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("nextgpt", __doc__ or "", "cc3m.json, cc3m_comprehension.json and their like")
    return prepare(NEXTGPT, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
