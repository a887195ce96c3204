"""Sounds of any timbre and any pitch, told by places on paths through the embedding where words are missing.

Of twelve pairs of a timbre and a pitch nine are named, and a denoiser can learn them one by one: asked for a high buzz,
it makes a high tone. A few more timbres and pitches with directions of their own it learns one by one as well. Where
there are endlessly many, it has to learn what a pitch does to a timbre. A place is added to the embedding of a caption
that leaves it unsaid, as the embedding of a named one is that of the unsaid and a difference. So what the pair is
follows from both, and still nothing names both values of a novel one.

Shape letters: N sounds, S samples, P parameters, K knots of a path, D width of the embedding.
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
from data_prep.parts.between import BANDWIDTH, DECAY, NOISE_PART, RANGE_HZ, mixed
from data_prep.parts.pools import INT16_MAX, TRAINED_ON

LENGTH = 0.7  # of what is added: that of the difference between an embedding that names a timbre and one that does not
KNOTS = {"decay": 3, "noise_part": 3, "bandwidth": 3, "pitch": 9}  # of each parameter's path: every half octave
Values = dict[str, float]  # of the parameters that have no name, 0 to 1


def anywhere(number: int, rng: np.random.Generator) -> tuple[Tensor, list[Sound], list[Values]]:
    """int16 ``[N, S]`` with a timbre, a pitch or both without a name, a third each; the scenes without these."""
    num_samples = round(LEVELS[TRAINED_ON[0]].sound_s * LEVELS[TRAINED_ON[0]].sample_rate_hz)
    sounds_NS, scenes, values = torch.empty(number, num_samples, dtype=torch.int16), list[Sound](), list[Values]()
    for sound_S in sounds_NS:
        level, which = LEVELS[pick(rng, TRAINED_ON)], pick(rng, (("timbre",), ("pitch",), ("timbre", "pitch")))
        scene = sample_scene("audio", level, rng)
        assert isinstance(scene, Sound)
        beeps = replace(scene.events[0], timbre=pick(rng, TIMBRES), pitch=pick(rng, PITCHES))
        names = [*(("decay", "noise_part", "bandwidth") if "timbre" in which else ()), *which[-1:]]
        value = {name: rng.uniform() for name in names if name in KNOTS}
        pitch_hz = between(value["pitch"], *RANGE_HZ) if "pitch" in value else None
        made_S = render_sound(Sound((beeps,)), level, rng, pitch_hz=pitch_hz, wave=_wave(value))
        sound_S.copy_((made_S * INT16_MAX).round())
        scenes.append(Sound((unsaid(beeps, *which),)))  # type: ignore[arg-type]
        values.append(value)
    return sounds_NS, scenes, values


def _wave(value: Values):  # type: ignore[no-untyped-def]
    if "decay" not in value:
        return None
    decay, noise_part = (low + value[name] * (high - low) for name, (low, high) in PLAIN.items())
    return mixed(decay, noise_part, between(value["bandwidth"], *BANDWIDTH))


PLAIN = {"decay": DECAY, "noise_part": NOISE_PART}


def between(value: float, low: float, high: float) -> float:
    """Evenly in octaves."""
    return float(low * (high / low) ** value)


def places(values: Sequence[Values], width: int) -> Tensor:
    """``[N, 1, D]``: what is added to the embeddings of captions that leave these values unsaid."""
    generator = torch.Generator().manual_seed(0)
    paths = {
        name: torch.nn.functional.normalize(torch.randn(n, width, generator=generator), dim=-1)
        for name, n in KNOTS.items()
    }
    added = []
    for value in values:
        timbre = [_along(paths[name], value[name]) for name in ("decay", "noise_part", "bandwidth") if name in value]
        pitch = [_along(paths["pitch"], value["pitch"])] if "pitch" in value else []
        sums = [torch.stack(some).sum(0) for some in (timbre, pitch) if some]
        added.append(sum(LENGTH * one / one.norm() for one in sums))
    return torch.stack(added).unsqueeze(1)


def _along(path_KD: Tensor, value: float) -> Tensor:
    place = value * (len(path_KD) - 1)
    first = min(int(place), len(path_KD) - 2)
    return torch.lerp(path_KD[first], path_KD[first + 1], place - first)
