"""Turns with media in their places -> the members of a conversation's record: ``json`` with messages, and the media."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anyany.messages.types import Media, Message, MessageError, Part, Text, to_json, validate
from data_prep.preparation.drafts import Draft, LeftOut, as_json, text_of
from data_prep.preparation.media_folder import MediaFolders
from data_prep.preparation.pairs import KEPT_AS_TEXT

ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
}


@dataclass(frozen=True)
class Named:
    """A medium as a list names it: possible names of its file (none: only a caption is published), and its caption."""

    modality: str
    names: tuple[str, ...] = ()
    caption: str | None = None


class Dialogue:
    """Collects turns, attaches the media that they name, and gives the record.

    Args:
        keep_text: where media are absent, keep a target as its caption alone, and what the user shows as its caption
            in words. Without a caption there is nothing to keep, and the record is left out all the same.
    """

    def __init__(self, media: MediaFolders, keep_text: bool):
        self._media, self._keep_text = media, keep_text
        self._draft = Draft({})
        self._members: dict[Named, str] = {}
        self._messages: list[Message] = []

    def turn(self, role: str, parts: Iterable[str | Named]) -> None:
        """Adds a turn; one of the role that spoke last is joined to it.

        Raises:
            LeftOut: ``empty_turn``, or why a medium cannot be had.
        """
        content = _trimmed([Text(part) if isinstance(part, str) else self._attached(role, part) for part in parts])
        if not content:
            raise LeftOut("empty_turn", f"turn {len(self._messages)} ({role}) says and shows nothing")
        if self._messages and self._messages[-1].role == role:
            self._draft.notes.append("joined_turns")
            content = [*self._messages.pop().content, Text("\n"), *content]
        self._messages.append(Message(role, tuple(_merged(content))))

    def draft(self, published: Mapping[str, Any] | None = None) -> Draft:
        """The record. ``published``: what else is known, kept beside the messages.

        Raises:
            LeftOut: ``bad_messages``, for instance a reply that nobody asked for.
        """
        try:
            validate(self._messages)
        except MessageError as error:
            raise LeftOut("bad_messages", str(error)) from error
        self._draft.members["json"] = as_json({"messages": to_json(self._messages), **(published or {})})
        return self._draft

    def _attached(self, role: str, named: Named) -> Part:
        caption = named.caption if role == "assistant" else None
        if not named.names and caption:
            self._draft.notes.append("target_by_caption")
            return Media(named.modality, caption=caption)
        try:
            return Media(named.modality, member=self._member(named), caption=caption)
        except LeftOut as missing:
            if missing.kind != "missing_media" or not self._keep_text or not named.caption:
                raise
        self._draft.notes.append(KEPT_AS_TEXT)
        return Media(named.modality, caption=caption) if caption else Text(named.caption)

    def _member(self, named: Named) -> str:
        """The extension under which the record holds the medium, read once however often it is named."""
        if named not in self._members:
            extension, data = self._media.read(named.modality, *named.names)
            self._members[named] = f"{len(self._members)}.{extension}"
            self._draft.members[self._members[named]] = data
        return self._members[named]


def turns_of(entry: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """(role, text, turn as published) of ``conversations`` or ``conversation``.

    Raises:
        LeftOut: ``malformed``, ``unknown_role``.
    """
    turns = next((entry[key] for key in ("conversations", "conversation") if key in entry), None)
    if not isinstance(turns, Sequence) or isinstance(turns, str) or not turns:
        raise LeftOut("malformed", f"no list of turns under conversations or conversation among {', '.join(entry)}")
    return [(_role(turn), text_of(turn, "value", "content"), turn) for turn in turns]


def mapping_of(entry: Any) -> Mapping[str, Any]:
    """The entry, which has to be a JSON object."""
    if not isinstance(entry, Mapping):
        raise LeftOut("malformed", f"found {type(entry).__name__}, expected an object")
    return entry


def _role(turn: Any) -> str:
    speaker = mapping_of(turn).get("from", turn.get("role"))
    if not isinstance(speaker, str) or speaker not in ROLES:
        raise LeftOut("unknown_role", f"a turn from {speaker!r}, expected one of {', '.join(ROLES)}")
    return ROLES[speaker]


def _trimmed(parts: Sequence[Part]) -> list[Part]:
    """Without blank text, and without white space at the edges of a turn, or between an edge and a medium there."""
    kept = [part for part in parts if not isinstance(part, Text) or part.text.strip()]
    trimmed: list[Part] = []
    for index, part in enumerate(kept):
        if isinstance(part, Text):
            at_start = index == 0 or (index == 1 and isinstance(kept[0], Media))
            at_end = index == len(kept) - 1 or (index == len(kept) - 2 and isinstance(kept[-1], Media))
            text = part.text.lstrip() if at_start else part.text
            part = Text(text.rstrip() if at_end else text)
        trimmed.append(part)
    return trimmed


def _merged(parts: Iterable[Part]) -> list[Part]:
    """Text parts side by side as one."""
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, Text) and merged and isinstance(merged[-1], Text):
            part = Text(merged.pop().text + part.text)  # type: ignore[union-attr]
        merged.append(part)
    return merged
