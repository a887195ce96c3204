"""Sounds between the pitches that have a name, told without their pitch.

The microworld has four timbres and three pitches, and three of the twelve pairs are novel. From the other nine a part
learns that a hiss is low or high and a buzz is neither: it takes a middle hiss, which it has never heard, for a high
one. These sounds say that any timbre has any pitch. Around a pitch that makes a novel pair with a timbre that timbre is
left out, so the pair itself stays unheard.

Shape letters: N sounds, S samples.
"""

import math

import numpy as np
import torch
from torch import Tensor

from anyany.microworld.captions import unsaid
from anyany.microworld.levels import LEVELS, NOVEL_PAIRS, sample_scene
from anyany.microworld.scenes import Sound
from anyany.microworld.sounds import PITCH_HZ, render_sound
from anyany.microworld.words import pick
from data_prep.parts.pools import INT16_MAX, TRAINED_ON

RANGE_HZ = (200.0, 3_200.0)
CLEARANCE_OCTAVES = 0.25  # from the pitch of a novel pair; jitter takes half of it
UNHEARD = {pair.first[1]: PITCH_HZ[pair.second[1]] for pair in NOVEL_PAIRS if pair.first[0] == "timbre"}


def unpitched(number: int, rng: np.random.Generator) -> tuple[Tensor, list[Sound]]:
    """int16 ``[N, S]``, and the scenes without their pitches."""
    sounds, scenes = [], []
    for _ in range(number):
        level = LEVELS[pick(rng, TRAINED_ON)]
        scene = sample_scene("audio", level, rng)
        (beeps,) = scene.things
        sound_S = render_sound(scene, level, rng, pitch_hz=any_pitch(beeps.timbre, rng))  # type: ignore[union-attr, arg-type]
        sounds.append((sound_S * INT16_MAX).round().to(torch.int16))
        scenes.append(Sound((unsaid(beeps, "pitch"),)))  # type: ignore[arg-type]
    return torch.stack(sounds), scenes


def any_pitch(timbre: str, rng: np.random.Generator) -> float:
    """Hz, evenly in octaves."""
    while True:
        pitch_hz = float(np.exp(rng.uniform(*np.log(RANGE_HZ))))
        unheard_hz = UNHEARD.get(timbre)
        if unheard_hz is None or abs(math.log2(pitch_hz / unheard_hz)) > CLEARANCE_OCTAVES:
            return pitch_hz
