"""Pairs of sounds: what a vocoder hears, and the nearest to it that it can make.

Of steady frames a vocoder without memory makes the same samples frame after frame: partials at multiples of the frame
rate, and nothing between. Shown a buzz with its partials elsewhere, it takes for each the multiple that lies nearest,
and what comes out has no pitch; or, where short windows judge, any multiple. What is wanted of it therefore has its
steady pitches at multiples already: the same sound, as it would be at that pitch. All its partials are then multiples
too, and windows may be as long as it takes to tell them apart.

Shape letters: N sounds, S samples.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from anyany.microworld.levels import LEVELS, sample_scene
from anyany.microworld.scenes import PITCHES, TIMBRES, Sound
from anyany.microworld.sounds import Event, Wave, render_sound, timbre_wave
from anyany.microworld.words import pick
from data_prep.parts.between import RANGE_HZ
from data_prep.parts.invented import invented
from data_prep.parts.multiples import nearest_multiple
from data_prep.parts.pools import TRAINED_ON
from data_prep.parts.training import Draw

INVENTED = 1 / 5  # of the sounds
NAMED = 2 / 3  # of the pitches of the others, which have any timbre; the rest lie anywhere


def heard_and_wanted(number: int, rate_hz: int, step_hz: float, draw: Draw) -> tuple[Tensor, Tensor]:
    """``[N, S]`` each, within -1 and 1. A quarter of the events has some of another sound over them.

    Args:
        step_hz: what wanted steady pitches are multiples of; see ``nearest_multiple``.
    """
    num_invented = round(INVENTED * number)
    pairs = [_events(step_hz, draw.rng) for _ in range(number - num_invented)]
    heard_NS, wanted_NS = (torch.stack(sounds).to(draw.device) for sounds in zip(*pairs, strict=True))
    gain_N1 = (2 * draw.uniform(len(pairs), 1) - 1.5).clamp(min=0)
    heard_NS, wanted_NS = ((some + gain_N1 * some.roll(1, dims=0)).clamp(-1, 1) for some in (heard_NS, wanted_NS))
    begun = draw.generator.get_state()
    more_NS = invented(num_invented, heard_NS.shape[1], rate_hz, draw)
    draw.generator.set_state(begun)  # the same sounds once more
    more_wanted_NS = invented(num_invented, heard_NS.shape[1], rate_hz, draw, step_hz)
    return torch.cat([heard_NS, more_NS]), torch.cat([wanted_NS, more_wanted_NS])


def _events(step_hz: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    level = LEVELS[pick(rng, TRAINED_ON)]
    scene = sample_scene("audio", level, rng)
    assert isinstance(scene, Sound)
    sound = Sound((replace(scene.events[0], timbre=pick(rng, TIMBRES), pitch=pick(rng, PITCHES)),))
    pitch_hz = None if rng.random() < NAMED else float(np.exp(rng.uniform(*np.log(RANGE_HZ))))
    seed = int(rng.integers(2**62))
    heard, wanted = (
        render_sound(sound, level, np.random.default_rng(seed), pitch_hz, wave)
        for wave in (None, at_multiples(step_hz))
    )
    return heard, wanted


def at_multiples(step_hz: float) -> Wave:
    """A timbre's own wave, with a pitch that stays the same moved to the nearest multiple."""

    def wave(event: Event, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
        if event.timbre in ("tone", "buzz") and not event.glide_octaves:
            moved_hz = nearest_multiple(torch.tensor(event.pitch_hz), step_hz)
            event = replace(event, pitch_hz=float(moved_hz))
        return timbre_wave(event, rate_hz, rng)

    return wave
