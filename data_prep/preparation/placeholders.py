"""Conversations with ``<image>``, ``<video>`` and ``<audio>`` where media belong: their places and the names apart.

A placeholder means something only in an entry that names media of its modality; elsewhere it is text (``<video>`` is a
tag of HTML, too).
"""

import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from anyany.media.table import MEDIA
from data_prep.preparation.conversations import Dialogue, Named, turns_of
from data_prep.preparation.drafts import Draft, LeftOut

PLACEHOLDERS = {f"<{modality}>": modality for modality in MEDIA}
PLACEHOLDER_ADDED = "placeholder_added"
Shown = dict[tuple[str, str], deque[Named]]  # (role, modality) -> the media that its placeholders stand for, in order


def listed(entry: Mapping[str, Any], key: str) -> list[str]:
    """A name, or a list of names, under a key that may be absent.

    Raises:
        LeftOut: ``malformed``.
    """
    value = entry.get(key)
    values = [] if value in (None, "") else [value] if isinstance(value, str) else value
    if not isinstance(values, Sequence) or not all(isinstance(name, str) for name in values):
        raise LeftOut("malformed", f"{key} is {value!r:.80}, expected a name or a list of names")
    return list(values)


def shown_by(entry: Mapping[str, Any]) -> Shown:
    """The media of the reference system's layouts: ``input_<modality>`` for the user; for the assistant
    ``output_<modality>`` with ``<modality>_captions``, or these captions alone.

    Raises:
        LeftOut: ``malformed``, also where files and captions differ in number.
    """
    shown: Shown = {}
    for modality in MEDIA:
        read = [Named(modality, (name,)) for name in listed(entry, f"input_{modality}")]
        names, captions = listed(entry, f"output_{modality}"), listed(entry, f"{modality}_captions")
        if names and captions and len(names) != len(captions):
            raise LeftOut("malformed", f"{len(names)} output_{modality}, {len(captions)} {modality}_captions")
        made = [
            Named(modality, (name,) if name else (), caption)
            for name, caption in zip_longest(names, captions, fillvalue=None)
        ]
        shown |= {(role, modality): deque(media) for role, media in (("user", read), ("assistant", made)) if media}
    return shown


def placed(
    entry: Mapping[str, Any], shown: Shown, dialogue: Dialogue, placeholders: Mapping[str, str] = PLACEHOLDERS
) -> Draft:
    """Each turn with its media where its placeholders stand.

    What the user shows without any placeholder for it goes before the first thing that the user says, as the published
    loaders have it, and is counted as a note.

    Raises:
        LeftOut: ``placeholder_mismatch`` where placeholders and media differ in number.
    """
    turns = [(role, split_at(text, placeholders)) for role, text, _ in turns_of(entry)]
    marks = Counter((role, placeholders[piece]) for role, pieces in turns for piece in pieces if piece in placeholders)
    first = _unplaced(shown, marks)
    num_added = len(first)
    named = {modality for _, modality in shown}
    marks = Counter({side: count for side, count in marks.items() if side[1] in named})
    found = Counter({side: len(media) for side, media in shown.items()})
    if wrong := sorted(side for side in marks | found if marks[side] != found[side]):
        told = "; ".join(f"{role}: {marks[role, m]} placeholders for {found[role, m]} media ({m})" for role, m in wrong)
        raise LeftOut("placeholder_mismatch", told)
    for role, pieces in turns:
        parts = [_filled(piece, role, shown, placeholders) for piece in pieces]
        dialogue.turn(role, [*first, *parts] if role == "user" else parts)
        first = [] if role == "user" else first
    draft = dialogue.draft({"id": entry["id"]} if "id" in entry else None)
    draft.notes += [PLACEHOLDER_ADDED] * num_added
    return draft


def split_at(text: str, placeholders: Mapping[str, str]) -> list[str]:
    """The text cut before and after each placeholder; joined it is the text again."""
    return [piece for piece in re.split(f"({'|'.join(map(re.escape, placeholders))})", text) if piece]


def _unplaced(shown: Shown, marks: Mapping[tuple[str, str], int]) -> list[Named]:
    """The user's media of modalities for which no placeholder stands in any turn, taken out of ``shown``."""
    marked = {modality for (_, modality), count in marks.items() if count}
    sides = [(role, modality) for role, modality in shown if role == "user" and modality not in marked]
    return [named for side in sides for named in shown.pop(side)]


def _filled(piece: str, role: str, shown: Shown, placeholders: Mapping[str, str]) -> str | Named:
    """The next medium of a placeholder; the numbers of both were compared before."""
    media = shown.get((role, placeholders.get(piece, "")))
    return media.popleft() if media else piece
