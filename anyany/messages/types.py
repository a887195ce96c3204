"""The one form of a sample, of a chat and of a request: messages whose content is a tuple of text and media parts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anyany.media.table import MEDIA

if TYPE_CHECKING:
    from torch import Tensor

ROLES = ("system", "user", "assistant")
_PLACES = ("member", "path", "data", "tensor")
_WRITTEN = ("member", "path", "caption")  # of a media part, in plain data


class MessageError(ValueError):
    """A conversation that cannot be used; says which message, which part and what to do."""


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True, eq=False)
class Media:
    """A picture, clip or sound, held in exactly one way: as a member of its record, a path, bytes or a tensor.

    In an assistant's message it is a target, whose ``caption`` says in words what was asked for; a target may have a
    caption and no media (training against the caption's conditioning alone).
    """

    modality: str
    member: str | None = None
    path: str | None = None
    data: bytes | None = None
    tensor: "Tensor | None" = None
    caption: str | None = None


Part = Text | Media


@dataclass(frozen=True)
class Message:
    role: str
    content: tuple[Part, ...]


Conversation = Sequence[Message]


def user(*parts: Part | str) -> Message:
    """A user's message; bare strings become text parts."""
    return _message("user", parts)


def assistant(*parts: Part | str) -> Message:
    """An assistant's message; bare strings become text parts."""
    return _message("assistant", parts)


def system(*parts: Part | str) -> Message:
    """A system message; bare strings become text parts."""
    return _message("system", parts)


def media_of(messages: Conversation, *roles: str) -> Iterator[Media]:
    """The media parts in order of appearance, of the given roles or of all."""
    for message in messages:
        if not roles or message.role in roles:
            yield from (part for part in message.content if isinstance(part, Media))


def _message(role: str, parts: Sequence[Part | str]) -> Message:
    return Message(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def from_json(data: Any) -> list[Message]:
    """Messages from plain data: ``[{"role": ..., "content": [{"type": "text", "text": ...}, ...]}, ...]``.

    A string as content stands for one text part.

    Raises:
        MessageError: naming the message, the part and the remedy.
    """
    if not isinstance(data, Sequence) or isinstance(data, str | bytes):
        raise MessageError(f"messages: found {type(data).__name__}; give a list of {{role, content}}")
    messages = [_message_from(entry, f"message {index}") for index, entry in enumerate(data)]
    validate(messages)
    return messages


def to_json(messages: Conversation) -> list[dict[str, Any]]:
    """Plain data that ``from_json`` reads. Media held as bytes or tensors have no place in it and are refused."""
    return [{"role": m.role, "content": [_part_to(p, i) for p in m.content]} for i, m in enumerate(messages)]


def validate(messages: Conversation) -> None:
    """Checks what can be told without opening any media.

    Raises:
        MessageError: naming the message, the part and the remedy.
    """
    if not messages:
        raise MessageError("messages: found none; give at least one user message")
    previous = None
    for index, message in enumerate(messages):
        where = f"message {index}"
        if message.role not in ROLES:
            raise MessageError(f"{where}: role {message.role!r}; use one of {', '.join(ROLES)}")
        if message.role == "system" and index:
            raise MessageError(f"{where}: a system message after the first; move it to the front")
        if message.role == previous:
            raise MessageError(f"{where}: two {message.role} messages in a row; join their parts into one")
        if message.role == "assistant" and previous != "user":
            raise MessageError(f"{where}: an assistant message without a user message before it; add the request")
        if not message.content:
            raise MessageError(f"{where} ({message.role}): no parts; give text or media, or leave the message out")
        for number, part in enumerate(message.content):
            _validate_part(part, message.role, f"{where} ({message.role}), part {number}")
        previous = message.role


def _validate_part(part: Part, role: str, where: str) -> None:
    if isinstance(part, Text):
        if not part.text:
            raise MessageError(f"{where}: empty text; leave the part out")
        return
    if part.modality not in MEDIA:
        raise MessageError(f"{where}: type {part.modality!r}; use text or one of {', '.join(MEDIA)}")
    held = [name for name in _PLACES if getattr(part, name) is not None]
    if len(held) > 1:
        raise MessageError(f"{where}: {part.modality} held as {' and '.join(held)}; give exactly one of these")
    if not held and not (role == "assistant" and part.caption):
        remedy = "a caption or one of" if role == "assistant" else "one of"
        raise MessageError(f"{where}: {part.modality} without content; give {remedy} {', '.join(_PLACES)}")
    if role == "system":
        raise MessageError(f"{where}: {part.modality} in a system message; put it into a user message")


def _message_from(entry: Any, where: str) -> Message:
    if not isinstance(entry, Mapping) or not {"role", "content"} <= entry.keys():
        raise MessageError(f"{where}: found {_shown(entry)}; give {{role, content}}")
    content = entry["content"]
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, Sequence):
        raise MessageError(f"{where}: content is {type(content).__name__}; give a list of parts or a string")
    role = str(entry["role"])
    return Message(role, tuple(_part_from(p, f"{where} ({role}), part {i}") for i, p in enumerate(content)))


def _part_from(entry: Any, where: str) -> Part:
    if not isinstance(entry, Mapping) or "type" not in entry:
        raise MessageError(f"{where}: found {_shown(entry)}; give {{type, ...}} with type text or {', '.join(MEDIA)}")
    kind, rest = entry["type"], {key: value for key, value in entry.items() if key != "type"}
    if not isinstance(kind, str):
        raise MessageError(f"{where}: type is {_shown(kind)}; give text or one of {', '.join(MEDIA)}")
    allowed = {"text"} if kind == "text" else set(_WRITTEN)
    if unknown := sorted(set(rest) - allowed):
        raise MessageError(f"{where} ({kind}): unknown key {unknown[0]!r}; use {', '.join(sorted(allowed))}")
    if kind == "text" and "text" not in rest:
        raise MessageError(f"{where} (text): no text; give a string")
    for name, value in rest.items():
        if not (isinstance(value, str) and is_text(value)) and not (value is None and kind != "text"):
            raise MessageError(f"{where} ({kind}): {name} is {_shown(value)}; give a string of whole characters")
    return Text(rest["text"]) if kind == "text" else Media(kind, **rest)


def _part_to(part: Part, index: int) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if part.data is not None or part.tensor is not None:
        raise MessageError(f"message {index}: {part.modality} held in memory cannot be written; store it as a member")
    held = {name: getattr(part, name) for name in _WRITTEN if getattr(part, name) is not None}
    return {"type": part.modality, **held}


def is_text(value: str) -> bool:
    """Whether a string has a UTF-8 form: JSON can hold half of a character, which no tokenizer takes."""
    return not any("\ud800" <= char <= "\udfff" for char in value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
