"""The reference system's requests for media in text (T-T+X) -> shards of conversations.

    python -m data_prep.t2m --list image_t2x.json video_t2x.json audio_t2x.json --media audiocaps/audios --keep-text

In an entry the reply's turn holds the caption of what it makes, and the entry the file's name, under ``image_name``
(for any modality), ``video_name``, ``audio_name`` or ``mm_name``. Most of these files were never published:
``--keep-text`` keeps the captions as targets. Entries that the reference system has prepared (``<modality>_captions``
and placeholders) are taken too.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from anyany.media.table import MEDIA
from data_prep.preparation.command import parser_of, prepare
from data_prep.preparation.conversations import Dialogue, Named, mapping_of, turns_of
from data_prep.preparation.drafts import Draft, LeftOut, text_of
from data_prep.preparation.lists import read_json
from data_prep.preparation.media_folder import MediaFolders
from data_prep.preparation.placeholders import placed, shown_by
from data_prep.preparation.rows import Preparation

NAMES = ("mm_name", *(f"{modality}_name" for modality in MEDIA))


def names(entry: Any) -> tuple[str | None, str | None]:
    """Two dialogues were written for each caption: these stay in one split."""
    return None, next((turn["caption"] for _, _, turn in turns_of(mapping_of(entry)) if turn.get("caption")), None)


def record(entry: Mapping[str, Any], media: MediaFolders, keep_text: bool) -> Draft:
    dialogue, shown = Dialogue(media, keep_text), shown_by(entry)
    if shown:
        return placed(entry, shown, dialogue)
    num_targets = 0
    for role, text, turn in turns_of(entry):
        target = _target(entry, turn) if role == "assistant" else None
        num_targets += target is not None
        dialogue.turn(role, [text, target] if target else [text])
    if num_targets > 1:
        raise LeftOut("malformed", f"{num_targets} turns ask for a medium, the entry names one")
    return dialogue.draft({"source_data": entry["source_data"]} if "source_data" in entry else None)


def _target(entry: Mapping[str, Any], turn: Mapping[str, Any]) -> Named | None:
    """What a turn makes: its modality and caption stand in the turn, its file in the entry."""
    modality = turn.get("output_modality", entry.get("output_modality"))
    if modality == "text":
        return None
    if modality not in MEDIA:
        raise LeftOut("malformed", f"output_modality is {modality!r}, expected text or one of {', '.join(MEDIA)}")
    files = [text_of(entry, key) for key in NAMES if entry.get(key)]
    source = entry.get("source_data")
    if isinstance(source, Mapping) and "audiocap_id" in source:  # under this the pair set has it
        files.append(f"{source['audiocap_id']}.wav")
    return Named(modality, tuple(files), text_of(turn, "caption").strip() or None)


T2M = Preparation("t2m", read_json, names, record)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("t2m", __doc__ or "", "image_t2x.json, video_t2x.json, audio_t2x.json", val=0.01)
    return prepare(T2M, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
