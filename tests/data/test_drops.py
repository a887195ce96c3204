import json
import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from anyany.data import recipes
from anyany.data.drops import read_drops
from anyany.data.index import write_index
from anyany.data.plan import Plan
from anyany.data.sources import open_source
from anyany.faults import UserError
from anyany.messages.collate import Hole
from data_prep import verify
from tests.data.shards import pair_records, write_shard
from tests.data.stream_shards import FAULTY

SIZES = [9, 7, 12, 3]
DROPPED = {0: [2, 8], 2: [0, 1, 2, 11], 3: [0, 1, 2]}  # of the last shard all


@pytest.fixture
def shards(tmp_path) -> list[Path]:
    paths = []
    for number, size in enumerate(SIZES):
        paths.append(write_shard(tmp_path / f"{number}.tar", pair_records(size, first=100 * number)))
        write_index(paths[-1])
    return paths


def entry(shard: Path, records=(), **changes) -> dict:
    header = write_index(shard)
    told = {"key": "k", "kind": "broken_image", "byte": 512, "message": "it is broken"}
    bad = [{"record": record, **told} for record in records]
    entry = {"version": 1, "name": shard.name, "digest": header.digest, "num_records": header.num_records}
    return {**entry, "captions_alone": [], "bad": bad, **changes}


def write_list(path: Path, entries: list[dict]) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


@pytest.fixture
def drop_list(shards, tmp_path) -> Path:
    entries = [entry(shard, DROPPED.get(number, ())) for number, shard in enumerate(shards)]
    entries[0]["bad"].reverse()
    entries[2]["bad"][1]["kind"] = "empty_caption"
    return write_list(tmp_path / "bad.jsonl", entries[::-1])


def source(shards, drop_list=None):
    return open_source("s", [str(shard) for shard in shards], recipes.as_it_is, drop_list=drop_list)


def planned(one: Plan, epoch: int) -> list[tuple[int, int]]:
    return [(ref.shard, ref.record) for b in range(one.num_blocks) for row in one.block(epoch, b) for ref in row]


def test_a_plan_draws_each_other_record_once_an_epoch(shards, drop_list):
    one = source(shards, drop_list)
    assert one.drops == {shard: tuple(records) for shard, records in DROPPED.items()}
    wanted = [(s, r) for s, size in enumerate(SIZES) for r in range(size) if r not in DROPPED.get(s, [])]
    assert one.num_records == len(wanted) == 22
    plan = Plan([one.order(0, window_shards=2)], 4, block_samples=5)
    assert plan.draws == [22]
    assert plan.num_steps(3) == 18
    for epoch in range(3):
        assert Counter(planned(plan, epoch)) == Counter(wanted)
    assert planned(plan, 0) != planned(plan, 1)
    assert planned(Plan([one.order(0, shuffle=False)], 4, shuffle=False), 0) == wanted


def test_shares_follow_from_what_is_left(shards, drop_list):
    orders = [source(shards, drop_list).order(0), replace(source(shards), name="t").order(0)]
    assert Plan(orders, 4).draws == [22, 31]
    assert Plan(orders, 4, weights=[1, 1]).draws == [27, 26]  # of 53


def test_lists_that_differ_are_streams_that_differ(shards, tmp_path):
    def stream(**dropped):
        entries = [entry(shard, dropped.get(f"shard{n}", ())) for n, shard in enumerate(shards)]
        one = source(shards, write_list(tmp_path / "bad.jsonl", entries))
        return one.digest, Plan([one.order(0)], 4).fingerprint()

    without = source(shards)
    assert stream() == (without.digest, Plan([without.order(0)], 4).fingerprint())  # nothing is left out
    streams = [stream(), stream(shard0=[1]), stream(shard0=[2]), stream(shard1=[1]), stream(shard0=[1, 2])]
    assert len({digest for digest, _ in streams}) == 5
    assert len({json.dumps(fingerprint) for _, fingerprint in streams}) == 5
    assert stream(shard0=[1]) == streams[1]


def test_what_is_left_out_is_told(shards, drop_list, caplog):
    with caplog.at_level(logging.INFO):
        source(shards, drop_list)
    told = f"source s: 9 of 31 records left out by {drop_list} (broken_image 8, empty_caption 1)"
    assert [record.getMessage() for record in caplog.records] == [told]


def test_shards_are_known_by_digest_wherever_they_lie(shards, drop_list, tmp_path):
    (tmp_path / "else").mkdir()
    shards[2].rename(tmp_path / "else" / "other.tar")
    Path(f"{shards[2]}.index.jsonl").rename(tmp_path / "else" / "other.tar.index.jsonl")
    # The list's other shards belong to other splits.
    one = source([tmp_path / "else" / "other.tar", shards[1]], drop_list)
    assert one.drops == {0: tuple(DROPPED[2])}
    assert one.num_records == 8 + 7


def test_a_list_that_does_not_know_the_shards_is_refused(shards, drop_list, tmp_path):
    again = r"`python -m data_prep.verify SHARDS --drop-list .*bad.jsonl`, with the shards of every split"
    new = write_shard(tmp_path / "new.tar", pair_records(2))
    write_index(new)
    with pytest.raises(UserError, match=rf"source s: .* does not know 1 of its 5 shards .*: .*new\.tar; .*{again}"):
        source([*shards, new], drop_list)
    write_shard(shards[1], pair_records(SIZES[1], first=500))
    write_index(shards[1], force=True)
    with pytest.raises(UserError, match=rf"does not know 1 of its 4 shards as they are now: .*1\.tar; .*{again}"):
        source(shards, drop_list)
    counted = write_list(tmp_path / "counted.jsonl", [entry(shards[0], num_records=SIZES[0] + 1)])
    with pytest.raises(UserError, match="does not know 1 of its 1 shards"):
        source(shards[:1], counted)
    with pytest.raises(UserError, match=r"drop list .*none\.jsonl cannot be read .*none\.jsonl`"):
        source(shards, tmp_path / "none.jsonl")
    with pytest.raises(UserError, match="cannot be read"):
        source(shards, tmp_path)


def test_an_index_without_a_digest_is_in_no_list(shards, tmp_path):
    header = replace(write_index(shards[0]), digest="")
    path = write_list(tmp_path / "bad.jsonl", [entry(shards[0], digest="")])
    with pytest.raises(UserError, match="does not know 1 of its 1 shards"):
        read_drops("s", [header], path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "it has version 2, expected 1"),
        ({"odd": 1}, "it is no verdict on a shard"),
        ({"bad": [{"record": 0}]}, "it is no verdict on a shard"),
        ({"bad": 3}, "it is no verdict on a shard"),
        ({"num_records": "9"}, "it is no verdict on a shard"),
        ({"num_records": 4}, "it names record 8 of 4"),
    ],
)
def test_a_damaged_list_is_refused_with_its_line(shards, tmp_path, changes, message):
    path = write_list(tmp_path / "bad.jsonl", [entry(shards[1]), entry(shards[0], [2, 8], **changes)])
    with pytest.raises(UserError, match=rf"bad\.jsonl, line 2: {message}.*write it anew"):
        source(shards[:2], path)


@pytest.mark.parametrize("records", [[9], [-1], [0.5], ["1"], [None], [3, 3]])
def test_records_that_cannot_be_are_refused(shards, tmp_path, records):
    with pytest.raises(UserError, match=r"line 1: it names (record|a record twice)"):
        source(shards[:1], write_list(tmp_path / "bad.jsonl", [entry(shards[0], records)]))


@pytest.mark.parametrize("line", ["", "[1]", "7", "{}", "{", "[" * 100_000, "é"])
def test_what_is_no_list_is_refused(shards, tmp_path, line):
    path = tmp_path / "bad.jsonl"
    path.write_text(f"{line}\n")
    with pytest.raises(UserError, match=r"bad\.jsonl.*write it anew"):
        source(shards, path)


def test_shards_that_cannot_be_told_apart_must_agree(shards, tmp_path):
    one, other = entry(shards[0], [1]), entry(shards[0], [2], name="other.tar")
    with pytest.raises(UserError, match=r"0\.tar and other\.tar have one digest .* make them two sources"):
        source(shards[:1], write_list(tmp_path / "bad.jsonl", [one, other]))
    agreeing = write_list(tmp_path / "bad.jsonl", [one, {**one, "name": "other.tar"}])
    assert source(shards[:1], agreeing).drops == {0: (1,)}


def test_a_source_without_any_good_record_is_refused(shards, tmp_path):
    path = write_list(tmp_path / "bad.jsonl", [entry(shards[3], range(3))])
    with pytest.raises(UserError, match="'s' has no records in 1 shards: its drop list leaves out all 3; leave it out"):
        source(shards[3:], path).order(0)


def test_what_verify_leaves_the_stream_can_read(samples, stream_shards, tmp_path):
    """But for one kind: a picture that is missing from a pair leaves a caption, which is good for ``dec_align``."""
    path = tmp_path / "bad.jsonl"
    verify.main([str(stream_shards / "*.tar"), "--drop-list", str(path), "--workers", "1"])
    pairs = samples.sources[0]
    dropping = open_source("pairs", str(stream_shards / "pairs-*.tar"), pairs.recipe, drop_list=path)
    samples = replace(samples, sources=[dropping])
    rows = Plan([dropping.order(0)], 1).block(0, 0)
    read = [samples.read(ref) for row in rows for ref in row]
    gone = {f"pair{n:04d}" for n, kind in FAULTY.items() if kind != "missing_member"}
    assert {one.key for one in read} == {f"pair{n:04d}" for n in range(60)} - gone
    assert [(one.key, one.kind) for one in read if isinstance(one, Hole)] == [("pair0031", "missing_member")]
    assert dropping.num_records == pairs.num_records - 2 == len(read)


def test_lengths_are_those_of_the_records_that_are_left(samples, stream_shards, tmp_path):
    from anyany.data.lengths import LengthTables

    path = tmp_path / "bad.jsonl"
    verify.main([str(stream_shards / "*.tar"), "--drop-list", str(path), "--workers", "1"])
    dropping = open_source("pairs", str(stream_shards / "pairs-*.tar"), samples.sources[0].recipe, drop_list=path)
    samples = replace(samples, sources=[dropping])
    lengths = LengthTables(samples.sources, samples.reader, samples.vocabulary, tmp_path)
    rows = Plan([dropping.order(0)], 4, lengths=lengths, max_tokens=200).block(0, 0)
    for row in rows:
        read = [samples.read(ref) for ref in row]
        found = [length for length, one in zip(lengths(row), read, strict=True) if not isinstance(one, Hole)]
        assert found == [len(one.rendered) for one in read if not isinstance(one, Hole)]
    assert sum(map(len, rows)) == 58
