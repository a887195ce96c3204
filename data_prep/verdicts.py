"""What is wrong with the records of a shard, found by reading and decoding each of them; kept beside the shard."""

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from anyany.data.drops import BadRecord, Verdict, from_line, to_line
from anyany.data.index import parse_entry, read_lines
from anyany.data.recipes import TEXT_EXTENSIONS, as_it_is, caption_of
from anyany.data.records import Record, RecordReader
from anyany.data.scan import ShardHeader
from anyany.data.store import ShardStore
from anyany.faults import Fault, UserError
from anyany.files import write_whole
from anyany.media.table import MEDIA, MediaSpec, modality_of
from anyany.messages.types import MessageError, media_of
from data_prep.looking.records import is_conversation

CAPTION_ALONE = "caption_alone"


@dataclass(frozen=True)
class Found:
    """What a look at one record found: the fault, if any, and the member that it is in."""

    member: str = ""
    kind: str = ""
    message: str = ""


def verdict_name(url: str) -> str:
    return f"{url}.verified.json"


def kept(header: ShardHeader) -> Verdict | None:
    """The verdict beside a local shard, if there is one and it is of the shard as it is indexed now."""
    path = Path(verdict_name(header.url))
    try:
        if path.stat().st_mtime < os.path.getmtime(header.url):
            return None
        verdict = from_line(path.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        return None
    return verdict if verdict.fits(header) else None


def verify_shard(url: str) -> int:
    """Looks at every record of an indexed local shard and writes the verdict. Returns the number of records.

    Raises:
        UserError: the index does not describe the shard.
    """
    store = ShardStore(Path(tempfile.gettempdir()), max_bytes=1)  # local shards are read where they are
    reader = RecordReader(store)
    try:
        header, lines = read_lines(url, store)
        if lines:
            reader.key(url, 0)  # holds the index against the shard
    except ValueError as error:
        raise UserError(str(error)) from error
    bad: list[BadRecord] = []
    captions_alone: list[BadRecord] = []
    for number, line in enumerate(lines):
        key, members = parse_entry(line)
        found = _found(reader, url, number)
        if found.kind:
            told = captions_alone if found.kind == CAPTION_ALONE else bad
            told.append(BadRecord(number, key, found.kind, members[found.member][0], found.message))
    verdict = Verdict(Path(url).name, header.digest, header.num_records, tuple(captions_alone), tuple(bad))
    write_whole(Path(verdict_name(url)), to_line(verdict))
    return header.num_records


def is_unknown(extension: str) -> bool:
    """Whether a member is neither text nor of a modality."""
    return extension not in TEXT_EXTENSIONS and modality_of(extension) is None


def look(record: Record, read: Callable[[str], bytes]) -> Found:
    """Reads the members of a record that holds none yet, one at a time, as far as the first fault."""
    member = record.names[0]
    try:
        for member in [name for name in record.names if name in TEXT_EXTENSIONS]:
            record.members[member] = read(member)
        named: list[tuple[str, str]] = []
        if is_talk := is_conversation(record):
            member = "json"
            named = [(part.member, part.modality) for part in media_of(as_it_is(record)) if part.member]
        else:
            member = next((name for name in TEXT_EXTENSIONS if name in record.members), record.names[0])
            caption_of(record)
        media = _media_of(record, named)
        for member, modality in media:
            MEDIA[modality].decode(read(member), MediaSpec())
    except Fault as fault:
        return Found(member, fault.kind, str(fault))
    except MessageError as error:
        return Found(member, "bad_messages", f"{record.key}: {error}")
    return Found() if is_talk or media else Found(member, CAPTION_ALONE, f"{record.key}: a caption without a medium")


def _media_of(record: Record, named: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(member, modality) of all media: as the messages name them, the others by the end of their extension."""
    media = list(dict.fromkeys(named))
    rest = {name: modality_of(name) for name in record.names if name not in dict(media)}
    return media + [(name, modality) for name, modality in rest.items() if modality]


def _found(reader: RecordReader, url: str, number: int) -> Found:
    record = reader.read("", url, number, only=())
    try:
        return look(record, lambda member: reader.read("", url, number, only=(member,)).members[member])
    except Exception as error:  # no fault of the data: it ends the run, and whoever mends it needs the place
        error.add_note(f"while looking at record {number} ({record.key!r}) of {url}")
        raise
