from itertools import pairwise

import pytest

from anyany.training.schedules import constant, warmup_cosine


def test_constant():
    assert [constant(step) for step in (0, 7)] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("step", "factor"),
    [(0, 0.25), (1, 0.5), (3, 1.0), (4, 1.0), (8, 0.55), (12, 0.1), (1000, 0.1)],  # the middle: 0.1 + 0.9 / 2
)
def test_warmup_cosine(step, factor):
    assert warmup_cosine(step, max_steps=12, warmup_steps=4, final_factor=0.1) == pytest.approx(factor)


def test_warmup_cosine_falls_after_the_warmup():
    factors = [warmup_cosine(step, max_steps=50, warmup_steps=5) for step in range(5, 51)]
    assert all(later < earlier for earlier, later in pairwise(factors))
    assert factors[-1] == pytest.approx(0)


def test_no_warmup_and_no_steps():
    assert warmup_cosine(0, max_steps=10) == 1.0
    assert warmup_cosine(0, max_steps=0, final_factor=0.5) == 1.0
