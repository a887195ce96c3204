"""Randomness that follows from names, so that the same names give the same draw on every machine."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def digest_of(*names: object) -> bytes:
    """16 bytes that depend on every name and on where one ends and the next begins."""
    text = "\x1f".join(f"{len(str(name))}:{name}" for name in names)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def rng_of(*names: object) -> np.random.Generator:
    """A generator seeded by the names. Philox is counter-based: seeding it costs the same for any key."""
    key = np.frombuffer(digest_of(*names), dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def seed_of(*names: object) -> int:
    """A seed that every generator of torch takes: 56 bits."""
    return int.from_bytes(digest_of(*names)[:7], "little")


def choice_of(options: Sequence[T], *names: object) -> T:
    """The option that the names pick; cheaper than a generator where one draw is all that is needed."""
    return options[int.from_bytes(digest_of(*names)[:8], "little") % len(options)]
