from collections import Counter

import numpy as np
import pytest

from anyany.data.order import SourceOrder

SIZES = [7, 0, 5, 11, 1, 4]


def order(seed=0, window_shards=2, shuffle=True, sizes=SIZES, drops=None):
    return SourceOrder("source", sizes, seed, window_shards, shuffle, drops=drops)


@pytest.mark.parametrize("window_shards", [1, 2, 3, 100])
def test_every_pass_takes_each_record_once(window_shards):
    one = order(window_shards=window_shards)
    everything = {(shard, record) for shard, size in enumerate(SIZES) for record in range(size)}
    for pass_ in range(3):
        taken = Counter(one.take(pass_ * 28, (pass_ + 1) * 28))
        assert set(taken) == everything
        assert set(taken.values()) == {1}


def test_any_stretch_is_the_same_however_it_is_reached():
    whole = list(order().take(0, 100))
    one = order()
    for start in range(0, 90, 7):
        assert list(one.take(start, start + 9)) == whole[start : start + 9]


def test_passes_and_seeds_differ():
    passes = [list(order(seed).take(28 * p, 28 * p + 28)) for seed in (0, 1) for p in (0, 1)]
    assert len({tuple(p) for p in passes}) == 4


def test_without_shuffling_it_is_the_order_on_disk():
    wanted = [(shard, record) for shard, size in enumerate(SIZES) for record in range(size)]
    assert list(order(shuffle=False).take(0, 28)) == wanted


def test_a_stretch_touches_few_shards():
    one = order(window_shards=4, sizes=[100] * 50)
    assert all(len({shard for shard, _ in one.take(start, start + 400)}) <= 8 for start in range(0, 4600, 100))


def test_records_are_spread_over_their_window():
    positions = [
        p for p, (shard, _) in enumerate(order(window_shards=10, sizes=[100] * 10).take(0, 1000)) if shard == 0
    ]
    assert abs(np.mean(positions) - 499.5) < 100  # the standard error is 29


def test_an_empty_source_is_refused():
    with pytest.raises(ValueError, match="source 'source' has no records in 2 shards"):
        order(sizes=[0, 0])


def test_the_order_is_what_it_was():
    """Checkpoints go on in it: these are the numbers of the first version."""
    wanted = "01 00 03 05 21 20 04 40 50 51 20 52 23 22 53 21"
    for drops in (None, {}):
        assert " ".join(f"{shard}{record}" for shard, record in order(drops=drops).take(20, 36)) == wanted
    assert SourceOrder("source", [3, 4], 0).digest == "075a02d62ce7625442372b5d6c4d9d21"


DROPS = {0: (1, 6), 3: tuple(range(11)), 4: (0,)}


@pytest.mark.parametrize("window_shards", [1, 2, 3, 100])
def test_what_is_dropped_does_not_occur(window_shards):
    one = order(window_shards=window_shards, drops=DROPS)
    left = {(s, r) for s, size in enumerate(SIZES) for r in range(size) if r not in DROPS.get(s, ())}
    assert one.num_records == len(left) == 14
    for pass_ in range(3):
        taken = Counter(one.take(pass_ * 14, (pass_ + 1) * 14))
        assert set(taken) == left
        assert set(taken.values()) == {1}
    whole = list(one.take(0, 42))
    for start in range(36):
        assert list(one.take(start, start + 6)) == whole[start : start + 6]


def test_without_shuffling_what_is_left_keeps_its_numbers():
    wanted = [(0, r) for r in (0, 2, 3, 4, 5)] + [(2, r) for r in range(5)] + [(5, r) for r in range(4)]
    assert list(order(shuffle=False, drops=DROPS).take(0, 14)) == wanted


def test_what_is_dropped_is_in_the_digest():
    digests = [order(drops=drops).digest for drops in (None, {0: (1,)}, {0: (2,)}, {2: (1,)})]
    assert len(set(digests)) == 4
    assert order(drops={}).digest == digests[0]


def test_a_source_of_which_all_is_dropped_is_refused():
    with pytest.raises(ValueError, match="no records in 2 shards: its drop list leaves out all 3; leave it out"):
        order(sizes=[2, 1], drops={0: (0, 1), 1: (0,)})
