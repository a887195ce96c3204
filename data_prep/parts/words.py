"""What the parts read: captions of scenes and text samples, drawn anew for every batch, without novel pairs."""

from collections.abc import Iterator, Sequence

import numpy as np

from anyany.microworld.captions import caption, noun
from anyany.microworld.levels import LEVELS, sample_scene
from anyany.microworld.scenes import Scene
from anyany.microworld.texts import KINDS, TextSample
from anyany.microworld.words import chance, pick
from anyany.seeds import rng_of
from data_prep.parts.pools import TRAINED_ON

AS_NOUN = 0.4  # how often a scene is told as it stands after "draw": later an LLM says it that way


def say(scene: Scene, rng: np.random.Generator) -> str:
    """The scene in words, as a caption or as the thing that is asked for."""
    return noun(scene, rng) if chance(rng, AS_NOUN) else caption(scene, rng)


def captions(modalities: Sequence[str], number: int) -> Iterator[str]:
    """Captions for a tokenizer to learn from."""
    rng = rng_of("parts", "captions")
    for _ in range(number):
        level = LEVELS[pick(rng, TRAINED_ON)]
        yield say(sample_scene(pick(rng, modalities), level, rng), rng)


def text_sample(rng: np.random.Generator) -> TextSample:
    """A text of any kind, held-out ones too: what no stage trains on must have been learned to be forgotten."""
    return pick(rng, list(KINDS.values())).draw(LEVELS[pick(rng, TRAINED_ON)], rng, False)
