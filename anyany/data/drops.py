"""Records that are left out of a source's order: what ``python -m data_prep.verify`` found bad, shard by shard.

A drop list has one JSON line for each verified shard, also for one without bad records::

    {"version": 1, "name": "00000.tar", "digest": "9f..", "num_records": 1000, "captions_alone": [], "bad":
     [{"record": 17, "key": "000000017", "kind": "broken_image", "byte": 52736, "message": "..."}]}

A shard is known by the digest that its index holds, so it may lie anywhere.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from anyany.data.scan import ShardHeader
from anyany.data.urls import listed
from anyany.faults import UserError

log = logging.getLogger(__name__)

VERSION = 1  # of the lines, and of what counts as bad
Drops = Mapping[int, tuple[int, ...]]  # number of a shard in its source -> numbers of its records, ascending
ShardId = tuple[str, int]  # digest, number of records


@dataclass(frozen=True)
class BadRecord:
    """``byte``: where the content of the member at fault begins in the tar."""

    record: int
    key: str
    kind: str
    byte: int
    message: str


@dataclass(frozen=True)
class Verdict:
    """What was found in one shard, all of whose records were looked at.

    ``captions_alone``: good records without any media that are no conversation; only ``dec_align`` can use them, so a
    list for other stages has them among the bad.
    """

    name: str
    digest: str
    num_records: int
    captions_alone: tuple[BadRecord, ...]
    bad: tuple[BadRecord, ...]

    def fits(self, header: ShardHeader) -> bool:
        """Whether it is about the shard as it is indexed now."""
        return bool(self.digest) and (self.digest, self.num_records) == _id_of(header)


def to_line(verdict: Verdict) -> str:
    return json.dumps({"version": VERSION, **asdict(verdict)}) + "\n"


def from_line(line: str) -> Verdict:
    """Raises ValueError for what ``to_line`` did not write."""
    try:
        told = json.loads(line)
        if (version := told.pop("version")) != VERSION:
            raise ValueError(f"it has version {version}, expected {VERSION}")
        alone, bad = (tuple(BadRecord(**each) for each in told.pop(name)) for name in ("captions_alone", "bad"))
        verdict = Verdict(captions_alone=alone, bad=bad, **told)
        numbers = [bad.record for bad in (*verdict.bad, *verdict.captions_alone)]
        if wrong := [number for number in numbers if number not in range(verdict.num_records)]:
            raise ValueError(f"it names record {wrong[0]} of {verdict.num_records}")
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is no verdict on a shard ({error!r})") from error
    if len(set(numbers)) < len(numbers):
        raise ValueError("it names a record twice")
    return verdict


def read_drops(source: str, headers: Sequence[ShardHeader], path: str | Path) -> Drops:
    """What the list leaves out of a source's shards, and says so in the log; shards of other sources are passed over.

    Raises:
        UserError: no such list, a damaged one, or one that does not know every shard as it is indexed now.
    """
    verdicts = _verdicts_on({_id_of(header) for header in headers}, Path(path).expanduser())
    if unknown := [header.url for header in headers if _id_of(header) not in verdicts]:
        raise UserError(
            f"source {source}: drop list {path} does not know {len(unknown)} of its {len(headers)} shards as they are "
            f"now: {listed(unknown)}; {_again(path)}"
        )
    found = [verdicts[_id_of(header)].bad for header in headers]
    kinds = Counter(bad.kind for shard in found for bad in shard)
    told = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()) or "none is bad"
    num_records = sum(header.num_records for header in headers)
    log.info("source %s: %d of %d records left out by %s (%s)", source, kinds.total(), num_records, path, told)
    return {shard: tuple(sorted(bad.record for bad in records)) for shard, records in enumerate(found) if records}


def _verdicts_on(wanted: set[ShardId], path: Path) -> dict[ShardId, Verdict]:
    verdicts: dict[ShardId, Verdict] = {}
    for verdict in _verdicts(path):
        shard = (verdict.digest, verdict.num_records)
        if not verdict.digest or shard not in wanted:
            continue
        if (known := verdicts.setdefault(shard, verdict)).bad != verdict.bad:
            raise UserError(
                f"drop list {path}: {known.name} and {verdict.name} have one digest ({verdict.digest}) but not the "
                "same bad records; write a list for each of them and make them two sources"
            )
    return verdicts


def _verdicts(path: Path) -> Iterator[Verdict]:
    try:
        with open(path, encoding="ascii") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield from_line(line)
                except ValueError as error:
                    raise UserError(f"drop list {path}, line {number}: {error}; {_again(path)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"drop list {path} cannot be read ({error}); {_again(path)}") from error


def _id_of(header: ShardHeader) -> ShardId:
    return header.digest, header.num_records


def _again(path: str | Path) -> str:
    return f"write it anew: `python -m data_prep.verify SHARDS --drop-list {path}`, with the shards of every split"
