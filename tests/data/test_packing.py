import random

import pytest

from anyany.data.packing import pack


def best_fit_decreasing(lengths, budget):
    """The plain loop: look at every row."""
    rows, rooms = [], []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        fitting = [(room, r) for r, room in enumerate(rooms) if room >= lengths[index]]
        if fitting and lengths[index] <= budget:
            room, row = min(fitting, key=lambda found: found[0])
        else:
            room, row = max(budget, lengths[index]), len(rows)
            rows.append([])
            rooms.append(room)
        rows[row].append(index)
        rooms[row] -= lengths[index]
    return rows


def fill(rows, lengths):
    return sorted(sorted(lengths[i] for i in row) for row in rows)


def test_by_hand():
    rows = pack([5, 7, 3, 10, 5], max_tokens=10)
    assert fill(rows, [5, 7, 3, 10, 5]) == [[3, 7], [5, 5], [10]]


@pytest.mark.parametrize("seed", range(30))
def test_as_good_as_the_plain_loop_and_nothing_lost(seed):
    rng = random.Random(seed)
    lengths = [rng.randint(0, 60) for _ in range(rng.randint(0, 300))]
    rows = pack(lengths, 64)
    assert sorted(i for row in rows for i in row) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in row) <= 64 for row in rows)
    assert len(rows) == len(best_fit_decreasing(lengths, 64))


def test_what_is_too_long_gets_a_row_of_its_own():
    assert fill(pack([100, 4, 4], max_tokens=10), [100, 4, 4]) == [[4, 4], [100]]


def test_little_is_wasted():
    rng = random.Random(0)
    lengths = [rng.randint(20, 120) for _ in range(4096)]
    assert sum(lengths) / (len(pack(lengths, 512)) * 512) > 0.99
