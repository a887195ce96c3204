"""Sounds that are told by half: of any pitch, told without it, and of any timbre, told without it.

The microworld has four timbres and three pitches, and three of the twelve pairs are novel. From the other nine a part
learns that a hiss is low or high and a buzz is neither: it takes a middle hiss, which it has never heard, for a high
one. These sounds say that any timbre has any pitch, as a change of pitch or of colour does wherever parts learn from
few sounds. So a part hears what a novel pair sounds like, but nothing ever names both its values.

Shape letters: N sounds, S samples, H harmonics.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from anyany.microworld.captions import unsaid
from anyany.microworld.levels import LEVELS, sample_scene
from anyany.microworld.scenes import PITCHES, TIMBRES, Beeps, Sound
from anyany.microworld.sounds import HARMONICS_TO_HZ, Event, Wave, frequencies, narrow_noise, render_sound
from anyany.microworld.words import pick
from data_prep.parts.pools import INT16_MAX, TRAINED_ON

Sounds = Callable[[int, np.random.Generator], tuple[Tensor, list[Sound]]]  # int16 [N, S], and what is told
RANGE_HZ = (200.0, 3_200.0)  # evenly in octaves
# Of mixtures: harmonic k has amplitude k ** -DECAY (a buzz 0.5, a tone endless), noise has a part of the power and a
# bandwidth as a fraction of the pitch (a hiss has all, and 0.3).
DECAY, NOISE_PART, BANDWIDTH = (0.5, 3.0), (0.0, 1.0), (0.03, 0.35)


def unpitched(number: int, rng: np.random.Generator) -> tuple[Tensor, list[Sound]]:
    """int16 ``[N, S]``, and the scenes without their pitches."""

    def render(scene: Sound, level_name: str) -> Tensor:
        pitch_hz = float(np.exp(rng.uniform(*np.log(RANGE_HZ))))
        return render_sound(scene, LEVELS[level_name], rng, pitch_hz=pitch_hz)

    return _told_without("pitch", number, rng, render)


def unpaired(number: int, rng: np.random.Generator) -> tuple[Tensor, list[Sound]]:
    """int16 ``[N, S]`` of any timbre that has a name at any pitch that has one, and the scenes without one of both."""

    def render(scene: Sound, level_name: str) -> Tensor:
        other = replace(scene.events[0], timbre=pick(rng, TIMBRES), pitch=pick(rng, PITCHES))
        told.append(other)
        return render_sound(Sound((other,)), LEVELS[level_name], rng)

    told: list[Beeps] = []
    sounds_NS, _ = _told_without("pitch", number, rng, render)
    return sounds_NS, [Sound((unsaid(beeps, pick(rng, ("timbre", "pitch"))),)) for beeps in told]  # type: ignore[arg-type]


def untimbred(number: int, rng: np.random.Generator) -> tuple[Tensor, list[Sound]]:
    """int16 ``[N, S]``, and the scenes without their timbres."""

    def render(scene: Sound, level_name: str) -> Tensor:
        return render_sound(scene, LEVELS[level_name], rng, wave=mixture(rng))

    return _told_without("timbre", number, rng, render)


def _told_without(
    name: str, number: int, rng: np.random.Generator, render: Callable[[Sound, str], Tensor]
) -> tuple[Tensor, list[Sound]]:
    num_samples = round(LEVELS[TRAINED_ON[0]].sound_s * LEVELS[TRAINED_ON[0]].sample_rate_hz)
    sounds_NS, scenes = torch.empty(number, num_samples, dtype=torch.int16), []
    for sound_S in sounds_NS:
        level_name = pick(rng, TRAINED_ON)
        scene = sample_scene("audio", LEVELS[level_name], rng)
        assert isinstance(scene, Sound)
        sound_S.copy_((render(scene, level_name) * INT16_MAX).round())
        scenes.append(Sound((unsaid(scene.events[0], name),)))  # type: ignore[arg-type]
    return sounds_NS, scenes


def mixture(rng: np.random.Generator) -> Wave:
    """A timbre between those that have a name: harmonics and noise, the same for all events of a sound."""
    decay, noise_part = rng.uniform(*DECAY), rng.uniform(*NOISE_PART)
    bandwidth = float(np.exp(rng.uniform(*np.log(BANDWIDTH))))

    def wave(event: Event, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
        frequency_S = frequencies(Event("tone", event.pitch_hz, event.length_s, event.glide_octaves), rate_hz)
        phase_S = rng.uniform(0.0, 2 * np.pi) + 2 * np.pi * np.cumsum(frequency_S) / rate_hz
        order_H1 = np.arange(1, int(HARMONICS_TO_HZ / frequency_S.max()) + 1)[:, None]
        harmonics_S = (order_H1**-decay * np.sin(order_H1 * phase_S)).sum(0)
        noise_S = narrow_noise(len(phase_S), bandwidth * event.pitch_hz, rate_hz, rng) * np.exp(1j * phase_S)
        parts = (harmonics_S, 1 - noise_part), (noise_S.real, noise_part)
        return sum(np.sqrt(share / np.mean(part**2)) * part for part, share in parts)

    return wave
