"""A scene's sound: events in time order, each with a timbre, a pitch, a length and a glide, with silence between them.

Whatever a scene leaves unsaid is drawn: a free length, the exact pitch within its band, start, gap, loudness, a little
noise. An unsaid glide is flat. All detail is coarse enough for a log-mel spectrogram of 64 bins at 100 frames a second.

Shape letters: S samples.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from scipy.fft import fftfreq, ifft
from scipy.ndimage import uniform_filter1d
from torch import Tensor

from anyany.microworld.levels import Level
from anyany.microworld.scenes import LENGTHS, Beeps, Sound

# The bands lie 1.3 octaves apart, so that pitch, which is that of an event's middle, stays clear of jitter and glides.
PITCH_HZ = {"low": 320.0, "middle": 800.0, "high": 2000.0}
PITCH_JITTER = 0.08
GLIDE_OCTAVES = {"flat": 0.0, "rising": 1.0, "falling": -1.0}  # from start to end
LENGTH_S = {"short": (0.15, 0.17), "long": (0.30, 0.34)}
WARBLE_OCTAVES = 0.4  # of a chirp, up and down
WARBLE_CYCLE_S = 0.08  # as fast as the 64 ms window of a mel spectrogram still follows
HISS_BANDWIDTH = 0.3  # standard deviation of a hiss's power around its pitch, as a fraction of the pitch
HARMONICS_TO_HZ = 7_200.0  # a buzz has all harmonics up to here, the k-th with amplitude k ** -0.5
GAP_S = (0.11, 0.25)
EDGE_S = 0.05  # silence before the first event and after the last, at the least
FADE_S = 0.012
LOUDNESS = (0.08, 0.2)  # root mean square of the events of a scene
NOISE = (0.0005, 0.002)  # root mean square of the background


@dataclass(frozen=True)
class Event:
    """One beep with nothing left open."""

    timbre: str
    pitch_hz: float
    length_s: float
    glide_octaves: float


Wave = Callable[[Event, int, np.random.Generator], np.ndarray]  # event, rate in Hz, rng -> [S]


def render_sound(
    scene: Sound, level: Level, rng: np.random.Generator, pitch_hz: float | None = None, wave: Wave | None = None
) -> Tensor:
    """float32 [S] in -1..1 with S = ``level.sound_s * level.sample_rate_hz``.

    Args:
        pitch_hz: of all events, in place of the pitches that the scene names.
        wave: what makes an event's sound, in place of its timbre.

    Raises:
        ValueError: the events do not fit into the level's sound, even with the shortest gaps.
    """
    rate_hz = level.sample_rate_hz
    events = list(_events(scene, level.sound_s, rng, pitch_hz))
    spare_s = level.sound_s - _shortest_s([event.length_s for event in events])
    num_gaps = max(len(events) - 1, 1)
    gap_s = rng.uniform(GAP_S[0], min(GAP_S[1], GAP_S[0] + spare_s / num_gaps))
    start_s = EDGE_S + rng.uniform(0.0, max(spare_s - (gap_s - GAP_S[0]) * (len(events) - 1), 0.0))
    sound_S = rng.standard_normal(round(level.sound_s * rate_hz), dtype=np.float32) * np.float32(rng.uniform(*NOISE))
    loudness = np.exp(rng.uniform(*np.log(LOUDNESS)))
    for event in events:
        wave_S = render_event(event, rate_hz, rng, wave) * loudness * rng.uniform(0.9, 1.1)
        start = round(start_s * rate_hz)
        sound_S[start : start + len(wave_S)] += wave_S
        start_s += event.length_s + gap_s
    return torch.from_numpy(np.clip(sound_S, -1.0, 1.0))


def render_event(event: Event, rate_hz: int, rng: np.random.Generator, wave: Wave | None = None) -> np.ndarray:
    """[S]: the event alone, with a root mean square of about 1."""
    wave_S = (wave or timbre_wave)(event, rate_hz, rng)
    fade_S = np.sin(np.linspace(0.0, np.pi / 2, round(FADE_S * rate_hz))) ** 2
    wave_S[: len(fade_S)] *= fade_S
    wave_S[-len(fade_S) :] *= fade_S[::-1]
    return wave_S


def timbre_wave(event: Event, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """[S]: what the event's timbre sounds like, without an end."""
    frequency_S = frequencies(event, rate_hz)
    phase_S = rng.uniform(0.0, 2 * np.pi) + 2 * np.pi * np.cumsum(frequency_S) / rate_hz
    if event.timbre == "hiss":
        wave_S = narrow_noise(len(phase_S), HISS_BANDWIDTH * event.pitch_hz, rate_hz, rng)
        return np.sqrt(2.0) * (wave_S * np.exp(1j * phase_S)).real
    if event.timbre == "buzz":
        table = _buzz_period(int(HARMONICS_TO_HZ / frequency_S.max()))
        return table[(phase_S * (len(table) / (2 * np.pi))).astype(np.int64) % len(table)]
    return np.sqrt(2.0) * np.sin(phase_S)


def frequencies(event: Event, rate_hz: int) -> np.ndarray:
    """float64 [S], Hz: the fundamental (the centre, for a hiss) at each sample."""
    num_samples = round(event.length_s * rate_hz)
    done_S = (np.arange(num_samples) + 0.5) / num_samples
    octaves_S = event.glide_octaves * (done_S - 0.5)
    if event.timbre == "chirp":  # whole cycles of a cosine have neither a mean nor a slope
        octaves_S = octaves_S + WARBLE_OCTAVES * np.cos(2 * np.pi * round(event.length_s / WARBLE_CYCLE_S) * done_S)
    return event.pitch_hz * 2.0**octaves_S


def _events(scene: Sound, sound_s: float, rng: np.random.Generator, pitch_hz: float | None) -> Iterator[Event]:
    for beeps, length in zip(scene.events, _draw_lengths(scene, sound_s, rng), strict=True):
        length_s = rng.uniform(*LENGTH_S[length])
        middle_hz = PITCH_HZ[beeps.pitch] if pitch_hz is None else pitch_hz
        drawn_hz = middle_hz * rng.uniform(1 - PITCH_JITTER, 1 + PITCH_JITTER)
        for _ in range(beeps.number):
            yield Event(beeps.timbre, drawn_hz, length_s, GLIDE_OCTAVES[beeps.glide or "flat"])


def _draw_lengths(scene: Sound, sound_s: float, rng: np.random.Generator) -> tuple[str, ...]:
    """A length for each kind of event: the one said, or any with which all of them fit."""
    options = [
        lengths
        for lengths in product(*((beeps.length,) if beeps.length else LENGTHS for beeps in scene.events))
        if _shortest_s(_longest(scene.events, lengths)) <= sound_s
    ]
    if not options:
        raise ValueError(f"{scene} does not fit into {sound_s} s; ask for fewer or shorter events")
    return options[rng.integers(len(options))]


def _longest(events: tuple[Beeps, ...], lengths: tuple[str, ...]) -> list[float]:
    return [LENGTH_S[name][1] for beeps, name in zip(events, lengths, strict=True) for _ in range(beeps.number)]


def _shortest_s(lengths_s: list[float]) -> float:
    return sum(lengths_s) + (len(lengths_s) - 1) * GAP_S[0] + 2 * EDGE_S


def narrow_noise(num_samples: int, bandwidth_hz: float, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """complex128 [S]: noise around 0 Hz, its power held even over 30 ms so that a hiss is one event and not several."""
    spectrum_S = rng.standard_normal(2 * num_samples).view(np.complex128)  # white noise, whose spectrum is white noise
    spectrum_S *= np.exp(-((fftfreq(num_samples, 1 / rate_hz) / bandwidth_hz) ** 2) / 4)
    noise_S = ifft(spectrum_S)
    power_S = uniform_filter1d(np.abs(noise_S) ** 2, round(0.03 * rate_hz), mode="nearest")
    return noise_S / np.sqrt(power_S)


@lru_cache
def _buzz_period(num_harmonics: int) -> np.ndarray:
    """float64 [4096]: one period of a buzz, with a root mean square of 1."""
    order = np.arange(1, num_harmonics + 1)
    period = (order**-0.5) @ np.sin(np.outer(order, np.linspace(0.0, 2 * np.pi, 4096, endpoint=False)))
    return period / np.sqrt(np.mean(period**2))
