"""Records of indexed shards as a person looks at them: their text, their media, and each fault beside what is whole."""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from anyany.data.index import parse_entry, read_headers, read_lines
from anyany.data.recipes import as_it_is, caption_of
from anyany.data.records import Record, RecordReader
from anyany.data.scan import Members, ShardHeader
from anyany.data.store import ShardStore
from anyany.data.urls import expand_urls
from anyany.faults import Fault, UserError
from anyany.media.table import modality_of
from anyany.messages.types import Conversation, Media, Message, MessageError, Text, media_of
from data_prep.index import local

if TYPE_CHECKING:
    import numpy as np

Place = tuple[str, int]  # a shard and the number of a record in it
T = TypeVar("T")


@dataclass(frozen=True)
class Look:
    """What a record shows: a caption or messages, the bytes of its members, or the faults that stand in their way."""

    url: str
    index: int
    key: str
    members: dict[str, bytes] = field(default_factory=dict)
    caption: str | None = None
    messages: Conversation = ()
    faults: tuple[Fault, ...] = ()

    @cached_property
    def media(self) -> dict[str, str]:
        """Modality by the extension of a member: as the messages name it, else by its end."""
        found = {name: modality for name in self.members if (modality := modality_of(name))}
        return found | {part.member: part.modality for part in media_of(self.messages) if part.member}

    @property
    def text(self) -> str:
        """The caption, or all text of the messages, a line a part."""
        if self.caption is not None:
            return self.caption
        return "\n".join(part.text for message in self.messages for part in message.content if isinstance(part, Text))


def opened(patterns: Sequence[str]) -> list[ShardHeader]:
    """The headers of the local shards that the patterns name.

    Raises:
        UserError: a pattern names nothing, a shard is remote, or has no index that fits.
    """
    try:
        return read_headers(local(expand_urls(patterns)))
    except (ValueError, FileNotFoundError) as error:
        raise UserError(str(error)) from error


def local_store() -> ShardStore:
    return ShardStore(Path(tempfile.gettempdir()), max_bytes=1)  # local shards are read where they are


def entries(header: ShardHeader) -> Iterator[tuple[str, Members]]:
    """Key and members of each record of a local shard, from its index alone.

    Raises:
        UserError: the index is damaged.
    """
    try:
        _, lines = read_lines(header.url, local_store())
        yield from map(parse_entry, lines)
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        again = f"python -m data_prep.index --force {header.url}"
        raise UserError(f"the index of {header.url} is damaged ({error}): run `{again}`") from error


def chosen(headers: Sequence[ShardHeader], num_records: int, rng: "np.random.Generator | None") -> list[Place]:
    """At most so many records in the order of the shards: the first ones, or drawn without a preference."""
    total = sum(header.num_records for header in headers)
    num_records = min(num_records, total)
    numbers = range(num_records) if rng is None else sorted(rng.choice(total, num_records, replace=False).tolist())
    places, first = [], 0
    remaining = iter(headers)
    header = next(remaining, None)
    for number in numbers:
        while header and number >= first + header.num_records:
            first += header.num_records
            header = next(remaining, None)
        assert header is not None
        places.append((header.url, number - first))
    return places


def look(reader: RecordReader, place: Place) -> Look:
    """Reads a record; what is wrong with it is told in the look.

    Raises:
        UserError: the index does not describe the shard.
    """
    url, index = place
    try:
        key = reader.key(url, index)
    except ValueError as error:
        raise UserError(str(error)) from error
    record = attempt(reader.read, "", url, index)
    if isinstance(record, Fault):
        return Look(url, index, key, faults=(record,))
    try:
        if is_conversation(record):
            return Look(url, index, key, record.members, messages=as_it_is(record))
        return Look(url, index, key, record.members, caption=caption_of(record))
    except MessageError as error:
        return Look(url, index, key, record.members, faults=(Fault("bad_messages", str(error)),))
    except Fault as fault:
        return Look(url, index, key, record.members, faults=(fault,))


def is_conversation(record: Record) -> bool:
    """Whether its json holds messages, or is so broken that only reading it as one tells why."""
    if "json" not in record.members:
        return False
    try:
        content = json.loads(record.members["json"])
    except (ValueError, RecursionError):
        return True
    return not isinstance(content, dict) or "messages" in content


def said(message: Message) -> str:
    """The text of a message with its media in their places: ``Here it is: [image 0.jpg: a goat]``."""
    return " ".join(part.text.strip() if isinstance(part, Text) else _named(part) for part in message.content)


def attempt(function: Callable[..., T], *arguments: object) -> T | Fault:
    """What the function gives, or the fault of the data that it met."""
    try:
        return function(*arguments)
    except Fault as fault:
        return fault


def _named(part: Media) -> str:
    """A medium by its place in the record; a target also by its caption."""
    where = f"{part.modality} {part.member or 'by its caption alone'}"
    return f"[{where}: {part.caption}]" if part.caption else f"[{where}]"
