import numpy as np
import pytest

from anyany.seeds import choice_of, digest_of, rng_of


def test_names_and_where_they_end_decide():
    assert digest_of("a", 1) == digest_of("a", "1")
    assert len({digest_of("ab", "c"), digest_of("a", "bc"), digest_of("abc"), digest_of("c", "ab")}) == 4


def test_digests_are_the_same_for_ever():
    # From Python's hashlib by hand: blake2b of 16 bytes over "5:image" and "1:7" joined by 0x1f.
    import hashlib

    assert digest_of("image", 7) == hashlib.blake2b(b"5:image\x1f1:7", digest_size=16).digest()


def test_generators_follow_their_names():
    draws = [rng_of(*names).random(4) for names in (("a", 0), ("a", 0), ("a", 1), ("b", 0))]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert len({tuple(draw) for draw in draws}) == 3


def test_choices_spread_over_the_options():
    counts = np.bincount([choice_of(range(5), "key", n) for n in range(5000)], minlength=5)
    assert abs(counts - 1000).max() < 5 * np.sqrt(1000)


@pytest.mark.parametrize("name", ["caf\udce9", "a\x1fb", "猫", ""])
def test_any_name_will_do(name):
    assert len(digest_of(name)) == 16
