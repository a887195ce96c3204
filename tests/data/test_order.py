from collections import Counter

import numpy as np
import pytest

from anyany.data.order import SourceOrder

SIZES = [7, 0, 5, 11, 1, 4]


def order(seed=0, window_shards=2, shuffle=True, sizes=SIZES):
    return SourceOrder("source", sizes, seed, window_shards, shuffle)


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
