"""Sounds of more timbres and pitches than have names, told by directions of the embedding where words are missing.

Of twelve pairs of a timbre and a pitch nine are named, and a denoiser can learn them one by one: asked for a high buzz,
it makes a high tone. Here it hears twelve more timbres and four more pitches with each other and with those that have
names. Each has a vector of the code to itself, which stands in the embedding where that of the unsaid stands in a
caption's. So what the pair is follows from both, and still nothing names both values of a novel one.

Shape letters: N sounds, S samples, V values without a name, D width of the embedding.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from anyany.microworld.captions import unsaid
from anyany.microworld.levels import LEVELS, sample_scene
from anyany.microworld.scenes import PITCHES, TIMBRES, Sound
from anyany.microworld.sounds import render_sound
from anyany.microworld.words import pick
from anyany.seeds import rng_of
from data_prep.parts.between import mixture
from data_prep.parts.codes import Code
from data_prep.parts.pools import INT16_MAX, TRAINED_ON

WAVES = tuple(mixture(rng_of("parts", "grid", index)) for index in range(12))
PITCHES_HZ = (220.0, 505.0, 1265.0, 3100.0)  # halfway, in octaves, between those that have names, and beyond
Values = tuple[int | None, int | None]  # which timbre and which pitch without a name; None is one that has a name


def beyond_names(number: int, rng: np.random.Generator) -> tuple[Tensor, list[Sound], list[Values]]:
    """int16 ``[N, S]`` with a timbre, a pitch or both without a name, a third each; the scenes without these."""
    num_samples = round(LEVELS[TRAINED_ON[0]].sound_s * LEVELS[TRAINED_ON[0]].sample_rate_hz)
    sounds_NS, scenes, values = torch.empty(number, num_samples, dtype=torch.int16), list[Sound](), list[Values]()
    for sound_S in sounds_NS:
        level, which = LEVELS[pick(rng, TRAINED_ON)], pick(rng, (("timbre",), ("pitch",), ("timbre", "pitch")))
        scene = sample_scene("audio", level, rng)
        assert isinstance(scene, Sound)
        beeps = replace(scene.events[0], timbre=pick(rng, TIMBRES), pitch=pick(rng, PITCHES))
        timbre = int(rng.integers(len(WAVES))) if "timbre" in which else None
        pitch = int(rng.integers(len(PITCHES_HZ))) if "pitch" in which else None
        wave, pitch_hz = None if timbre is None else WAVES[timbre], None if pitch is None else PITCHES_HZ[pitch]
        made_S = render_sound(Sound((beeps,)), level, rng, pitch_hz=pitch_hz, wave=wave)
        sound_S.copy_((made_S * INT16_MAX).round())
        scenes.append(Sound((unsaid(beeps, *which),)))  # type: ignore[arg-type]
        values.append((timbre, pitch))
    return sounds_NS, scenes, values


def directions(values: Sequence[Values], code: Code) -> Tensor:
    """``[N, 1, D]``: what is added to the embeddings of captions that leave these values unsaid."""
    timbre_VD, pitch_VD, _ = code.free_UD.tensor_split([len(WAVES), len(WAVES) + len(PITCHES_HZ)])
    timbre_VD, pitch_VD = timbre_VD - code.tables_VD["timbre"][-1], pitch_VD - code.tables_VD["pitch"][-1]
    nothing_D = torch.zeros(timbre_VD.shape[1])
    added = [
        (nothing_D if timbre is None else timbre_VD[timbre]) + (nothing_D if pitch is None else pitch_VD[pitch])
        for timbre, pitch in values
    ]
    return torch.stack(added).unsqueeze(1)
