"""MosIT's dialogues with media on both sides -> shards of conversations.

    python -m data_prep.mosit --list mosit.json --media mosit --keep-text

Turns hold ``<Image>name</Image>`` (Video, Audio likewise) where a medium belongs, and ``image_list`` and its like the
captions by name. A mark may hold a description in place of a name: then there is only this caption. The media were
never published; ``--keep-text`` keeps captions as targets, and in words what the user shows. The demonstrations
(``T_*.txt``, lines of ``Human:`` and ``GPT:``) and the form that the reference system prepares are taken too.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anyany.media.table import MEDIA
from data_prep.preparation.command import parser_of, prepare
from data_prep.preparation.conversations import Dialogue, Named, mapping_of, turns_of
from data_prep.preparation.drafts import Draft, LeftOut, text_of
from data_prep.preparation.lists import read_json
from data_prep.preparation.media_folder import MediaFolders
from data_prep.preparation.placeholders import placed, shown_by
from data_prep.preparation.rows import Preparation

_TAG = "|".join(MEDIA)
_MARK = re.compile(rf"<({_TAG})>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_LEFT_TAG = re.compile(rf"</?({_TAG})>", re.IGNORECASE)
_FILE = re.compile(r"[\w./-]+\.\w{2,4}")
_SPEAKER = re.compile(r"(Human|GPT)\s*[:\uFF1A]\s*", re.IGNORECASE)  # the second is a colon of full width
_BETWEEN = re.compile(r"-{4,}\s*|Dialogue \d+:?\s*", re.IGNORECASE)


def entries(path: Path) -> Iterator[Any]:
    return read_demonstrations(path) if path.suffix == ".txt" else read_json(path)


def names(entry: Any) -> tuple[str | None, str | None]:
    mapping_of(entry)
    return None, None


def record(entry: Mapping[str, Any], media: MediaFolders, keep_text: bool) -> Draft:
    dialogue, shown = Dialogue(media, keep_text), shown_by(entry)
    if shown:
        return placed(entry, shown, dialogue)
    captions = dict(_captions(entry))
    unmarked = set(captions)
    for role, text, _ in turns_of(entry):
        parts = list(_parts(text, captions))
        unmarked -= {(part.modality, name) for part in parts if isinstance(part, Named) for name in part.names}
        dialogue.turn(role, parts)
    draft = dialogue.draft()
    draft.notes += ["unmarked_media"] * len(unmarked)
    return draft


def read_demonstrations(path: Path) -> Iterator[dict[str, Any] | LeftOut]:
    """Dialogues of a text file, divided by lines of dashes; a line without a speaker goes on with what was said."""
    dialogues: list[list[str]] = [[]]
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        if _BETWEEN.fullmatch(line.strip()):
            dialogues.append([])
        elif line.strip():
            dialogues[-1].append(line.strip())
    for lines in filter(None, dialogues):
        turns: list[dict[str, str]] = []
        for line in lines:
            if speaker := _SPEAKER.match(line):
                turns.append({"from": speaker[1].lower(), "value": line[speaker.end() :]})
            elif turns:
                turns[-1]["value"] += f"\n{line}"
        first_is_said = _SPEAKER.match(lines[0])
        yield {"conversation": turns} if first_is_said else LeftOut("malformed", f"nobody says {lines[0]!r:.80}")


def _captions(entry: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], str]]:
    """Captions by modality and name."""
    for modality in MEDIA:
        listed = entry.get(f"{modality}_list") or []
        if not isinstance(listed, list):
            raise LeftOut("malformed", f"{modality}_list is {type(listed).__name__}, expected a list")
        for each in map(mapping_of, listed):
            yield (modality, text_of(each, f"{modality}_name")), text_of(each, "caption")


def _parts(text: str, captions: Mapping[tuple[str, str], str]) -> Iterator[str | Named]:
    """The text between marks, and what the marks name."""
    end = 0
    for mark in _MARK.finditer(text):
        yield _checked(text[end : mark.start()])
        modality, content = mark[1].lower(), mark[2].strip()
        if not content:
            raise LeftOut("broken_mark", f"nothing inside {mark[0]!r}")
        is_name = (modality, content) in captions or _FILE.fullmatch(content)
        caption = captions.get((modality, content)) or (None if is_name else content)
        yield Named(modality, (content,) if is_name else (), caption)
        end = mark.end()
    yield _checked(text[end:])


def _checked(text: str) -> str:
    if tag := _LEFT_TAG.search(text):
        raise LeftOut("broken_mark", f"{tag[0]} without its other half in {text!r:.120}")
    return text


MOSIT = Preparation("mosit", entries, names, record)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("mosit", __doc__ or "", "mosit.json, or demonstrations (T_*.txt)", val=0.01)
    return prepare(MOSIT, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
