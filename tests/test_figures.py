import json

import pytest
from scipy.stats import binomtest

from anyany.figures import Figure, from_json, mean, share


def test_eight_of_ten_by_hand():
    # z² = 3.841459: middle (0.8 + z²/20) / (1 + z²/10) = 0.716740, half sqrt(0.016 z² + z⁴/400) / 1.384146 = 0.226578.
    figure = share(8, 10)
    assert (figure.value, figure.n) == (0.8, 10)
    assert figure.low == pytest.approx(0.490162, abs=2e-6)
    assert figure.high == pytest.approx(0.943318, abs=2e-6)


@pytest.mark.parametrize("n", [1, 2, 10, 300, 100_000])
def test_intervals_are_wilsons(n):
    for hits in {0, 1, n // 3, n // 2, n - 1, n}:
        wanted = binomtest(hits, n).proportion_ci(0.95, method="wilson")
        figure = share(hits, n)
        assert figure.low == pytest.approx(wanted.low, abs=1e-7), hits
        assert figure.high == pytest.approx(wanted.high, abs=1e-7), hits


def test_none_and_all_have_an_interval_within_0_and_1():
    # z² / (n + z²) is all that is left where no item, or every item, hits.
    none, every = share(0, 10), share(10, 10)
    assert (none.value, none.low, every.value) == (0.0, 0.0, 1.0)
    assert every.high == pytest.approx(1.0, abs=1e-12)
    assert none.high == pytest.approx(3.841459 / 13.841459, abs=1e-6)
    assert every.low == pytest.approx(10 / 13.841459, abs=1e-6)


def test_hits_and_misses_mirror_each_other():
    for hits in range(18):
        one, other = share(hits, 17), share(17 - hits, 17)
        assert one.low == pytest.approx(1 - other.high)
        assert one.low - 1e-12 <= one.value <= one.high + 1e-12


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (-1, 5), (6, 5), (1, 0)])
def test_impossible_counts_are_refused(hits, n):
    with pytest.raises(ValueError, match=f"{hits} hits of {n} items; expected 0 to n of at least one"):
        share(hits, n)


def test_json_and_text_round():
    figure = Figure(1 / 3, 0.1234564, 0.9876546, 27)
    data = {"value": 0.333333, "low": 0.123456, "high": 0.987655, "n": 27}
    assert json.loads(json.dumps(figure.as_json())) == data
    assert isinstance(figure.as_json()["n"], int)
    assert str(figure) == "0.333 (0.123 to 0.988, n = 27)"
    assert from_json(data) == Figure(0.333333, 0.123456, 0.987655, 27)


def test_a_mean_by_hand():
    # 1, 2, 6: mean 3, variance (4 + 1 + 9) / 2 = 7, standard error sqrt(7 / 3) = 1.527525.
    figure = mean([1.0, 2.0, 6.0])
    assert (figure.value, figure.n) == (3.0, 3)
    assert figure.low == pytest.approx(3 - 1.959964 * 1.527525, abs=1e-5)
    assert figure.high == pytest.approx(3 + 1.959964 * 1.527525, abs=1e-5)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_too_few_values_are_refused(values):
    with pytest.raises(ValueError, match=f"{len(values)} values have no interval; give at least two"):
        mean(values)
