import time
from collections import Counter
from itertools import islice

import pytest

from anyany.data.order import SourceOrder
from anyany.data.plan import Cursor, Plan


class Lengths:
    """Made up, but of the record alone: 5 to 64 tokens."""

    digest = "made up"

    def __call__(self, refs):
        return [(ref.record * 37 + ref.shard * 11 + ref.source * 7) % 60 + 5 for ref in refs]


length_of = Lengths()


def plan(packed=False, sizes=((7, 5, 11), (3, 4)), global_batch=4, block_samples=10, **options):
    orders = [SourceOrder(f"s{i}", source, 0, 2, options.get("shuffle", True)) for i, source in enumerate(sizes)]
    packing = {"lengths": length_of, "max_tokens": 128} if packed else {}
    return Plan(orders, global_batch, block_samples=block_samples, **packing, **options)


def refs(step):
    return [ref for row in step.rows for ref in row]


@pytest.mark.parametrize("packed", [False, True])
def test_an_epoch_takes_each_record_once(packed):
    one = plan(packed)
    for epoch in range(3):
        steps = list(one.steps(Cursor(epoch), num_epochs=epoch + 1))
        taken = Counter(ref for step in steps for ref in refs(step))
        assert len(taken) == 30
        assert set(taken.values()) == {1}


@pytest.mark.parametrize("packed", [False, True])
def test_from_any_cursor_the_same_steps_follow(packed):
    one = plan(packed)
    whole = list(one.steps(num_epochs=3))
    assert [step.index for step in whole] == list(range(len(whole)))
    for number, step in enumerate(whole):
        rest = list(plan(packed).steps(step.after, num_epochs=3))
        assert rest == whole[number + 1 :], number


@pytest.mark.parametrize("packed", [False, True])
def test_the_number_of_steps_is_known(packed):
    one = plan(packed)
    assert one.num_steps(3) == len(list(one.steps(num_epochs=3)))


def test_the_last_step_of_an_epoch_is_short():
    steps = list(plan().steps(num_epochs=1))
    assert [len(step.rows) for step in steps] == [4] * 7 + [2]
    assert steps[-1].after == Cursor(1, 0, 0, 8)


def test_packed_rows_keep_their_budget_and_the_order_of_lengths_is_gone():
    one = plan(packed=True, sizes=((1000,) * 4,), block_samples=2000)
    rows = [row for step in one.steps(num_epochs=1) for row in step.rows]
    totals = [sum(length_of(row)) for row in rows]
    assert max(totals) <= 128
    assert sum(totals) / (128 * len(totals)) > 0.97
    longest = [max(length_of(row)) for row in rows]
    assert longest != sorted(longest, reverse=True)


def test_weights_set_the_shares_of_every_block():
    one = plan(sizes=((1000,), (50,)), weights=[3, 1], block_samples=100)
    assert one.draws == [788, 262]  # 1050 x 3/4 = 787.5, 262.5: the first of equal remainders gets the odd one
    for block in range(one.num_blocks):
        drawn = Counter(row[0].source for row in one.block(0, block))
        assert drawn[0] in (71, 72)
        assert drawn[1] in (23, 24)
    taken = Counter(ref for step in one.steps(num_epochs=1) for ref in refs(step) if ref.source == 1)
    assert set(taken.values()) == {5, 6}  # 262 draws of 50 records: five passes and a part of the sixth


def test_a_weighted_source_goes_on_where_the_last_epoch_left_it():
    one = plan(sizes=((100,), (10,)), weights=[1, 1], draws_per_epoch=14, block_samples=5)
    taken = Counter(ref for step in one.steps(num_epochs=10) for ref in refs(step) if ref.source == 0)
    assert sum(taken.values()) == 70
    assert set(taken.values()) == {1}


def test_epochs_and_seeds_differ():
    firsts = [refs(next(plan(seed=seed).steps(Cursor(epoch)))) for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(first) for first in firsts}) == 4


def test_without_shuffling_sources_come_in_their_order():
    taken = [ref for step in plan(sizes=((3, 2),), shuffle=False).steps(num_epochs=1) for ref in refs(step)]
    assert [(ref.shard, ref.record) for ref in taken] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]


def test_ten_million_records_start_at_once():
    start = time.perf_counter()
    one = plan(sizes=((1000,) * 10_000,), global_batch=64, block_samples=4096)
    far = Cursor(3, 2000, 5, 9)
    first = list(islice(one.steps(far), 3))
    assert time.perf_counter() - start < 2  # measured 0.01 s; without blocks it would be minutes
    assert first[0].after == Cursor(3, 2000, 69, 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"global_batch": 0}, "global_batch is 0"),
        ({"weights": [1.0]}, r"weights \[1.0\] for 2 sources"),
        ({"weights": [1.0, 0.0]}, "give a positive one for each"),
        ({"draws_per_epoch": 5}, "draws_per_epoch without weights"),
        ({"draws_per_epoch": 1, "weights": [1, 1]}, "draws_per_epoch=1 for 2 sources"),
        ({"sizes": ()}, "the mixture has no source"),
        ({"max_tokens": 5}, "packing needs both"),
    ],
)
def test_what_cannot_be_planned_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        plan(**options)


def test_every_source_gets_a_draw_and_the_total_holds():
    one = plan(sizes=((1000,), (1000,), (1000,)), weights=[0.9, 9.55, 9.55], draws_per_epoch=20)
    assert one.draws == [1, 10, 9]
    many = plan(sizes=((10,),) * 5, weights=[1000, 1, 1, 1, 1], draws_per_epoch=6)
    assert many.draws == [2, 1, 1, 1, 1]


def test_fingerprints_tell_the_order_of_sources_and_other_shards_apart():
    def fingerprint(names, digest=""):
        return Plan([SourceOrder(name, [3, 4], 0, digest=digest) for name in names], 4).fingerprint()

    base = fingerprint("ab")
    assert base == fingerprint("ab")
    assert fingerprint("ba") != base != fingerprint("ab", digest="other shards")
    assert plan(packed=True).fingerprint()["lengths"] == "made up"


def test_fingerprints_tell_plans_apart():
    base = plan().fingerprint()
    for options in (
        {"global_batch": 8},
        {"seed": 1},
        {"packed": True},
        {"sizes": ((7, 5), (3, 4))},
        {"weights": [1, 2]},
    ):
        assert plan(**options).fingerprint() != base, options
