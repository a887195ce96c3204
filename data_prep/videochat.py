"""VideoChat's instructions about clips -> shards of conversations.

    python -m data_prep.videochat --list videochat_instruct_11k.json --media webvid/videos

An entry is ``{"video": ..., "QA": [{"q": ..., "a": ...}, ...]}``, of VideoChat2-IT with an instruction ``i`` before the
first question (and ``image`` where it is about a picture), of Video-ChatGPT ``{"video_id": ..., "q": ..., "a": ...}``;
one with ``conversations`` is read as LLaVA's.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from data_prep import llava
from data_prep.preparation.command import parser_of, prepare
from data_prep.preparation.conversations import Dialogue, Named, mapping_of
from data_prep.preparation.drafts import Draft, LeftOut, text_of
from data_prep.preparation.lists import read_json
from data_prep.preparation.media_folder import MediaFolders
from data_prep.preparation.rows import Preparation


def names(entry: Any) -> tuple[str | None, str | None]:
    return None, _shown(mapping_of(entry))[1]


def record(entry: Mapping[str, Any], media: MediaFolders, keep_text: bool) -> Draft:
    if "start" in entry or "end" in entry:
        stretch = f"{entry.get('start')} to {entry.get('end')} s"
        raise LeftOut("part_of_clip", f"only {stretch} of the clip are meant: cut it, and leave start and end out")
    if "conversations" in entry or "conversation" in entry:
        return llava.record(entry, media, keep_text)
    modality, name = _shown(entry)
    dialogue = Dialogue(media, keep_text)
    shown = [Named(modality, tuple(dict.fromkeys([name, PurePosixPath(name).name])))]  # flat, or in folders of a page
    for asked in _asked(entry):
        question = "\n".join(filter(str.strip, (_optional(asked, "i"), text_of(asked, "q"))))
        dialogue.turn("user", [*shown, question] if question else [])
        dialogue.turn("assistant", [text_of(asked, "a")])
        shown = []
    return dialogue.draft()


def _shown(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Modality and name of what an entry is about."""
    modality = "image" if "image" in entry and "video" not in entry else "video"
    return modality, text_of(entry, modality, "video_id")


def _asked(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    asked = entry.get("QA", [entry] if "q" in entry else [])
    if not isinstance(asked, list) or not asked:
        raise LeftOut("malformed", f"no list of questions under QA among {', '.join(entry)}")
    # The instruction is said once, before the first question, as the published loader has it.
    return [mapping_of(asked[0]), *({**mapping_of(each), "i": ""} for each in asked[1:])]


def _optional(asked: Mapping[str, Any], key: str) -> str:
    return text_of(asked, key) if asked.get(key) else ""


VIDEOCHAT = Preparation("videochat", read_json, names, record)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("videochat", __doc__ or "", "videochat_instruct_11k.json or one of its followers", val=0.01)
    return prepare(VIDEOCHAT, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
