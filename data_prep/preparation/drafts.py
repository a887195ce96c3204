"""One entry of a published list on its way to a record of a shard."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anyany.faults import Fault
from anyany.messages.types import is_text
from anyany.seeds import digest_of

MAX_KEY = 80  # characters: a tar header has room for a hundred, of which the extensions need some
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


class LeftOut(Fault):
    """Why an entry becomes no record. ``kind`` is what reports count it under."""


@dataclass(frozen=True)
class Row:
    """An entry as published and its place in the list, counted from 0; ``fault``: what is known against it already."""

    list_name: str
    number: int
    key: str
    data: Any
    fault: LeftOut | None = None


@dataclass
class Draft:
    """The members of a record to be, by extension, and what was mended or kept in another form, by kind."""

    members: dict[str, bytes]
    notes: list[str] = field(default_factory=list)


def safe_key(name: str) -> str:
    """A key that is a plain file name without a dot: WebDataset cuts keys at dots, and folders can lead out of a place.

    A name that has to change keeps a digest of what it was, so that different names stay different keys.
    """
    plain = _UNSAFE.sub("_", name)[:MAX_KEY]
    return plain if plain == name and name else f"{plain[: MAX_KEY - 9]}-{digest_of('key', name).hex()[:8]}"


def text_of(entry: Mapping[str, Any], *keys: str) -> str:
    """The text under the first of the keys that the entry has, as published.

    Raises:
        LeftOut: ``malformed`` without such a key or with something else under it, ``bad_text`` for half a character.
    """
    key = next((key for key in keys if key in entry), None)
    if key is None:
        raise LeftOut("malformed", f"no {' or '.join(keys)} among {', '.join(map(str, entry)) or 'no keys'}")
    text = entry[key]
    if not isinstance(text, str):
        raise LeftOut("malformed", f"{key} is {type(text).__name__}, expected text")
    if not is_text(text):
        raise LeftOut("bad_text", f"{key} holds half of a character")
    return text


def as_json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, default=str).encode(errors="backslashreplace")
