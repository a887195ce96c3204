"""Reads a scene back from a sound: events, cut out by their energy, are held against pictures of all kinds of event.

A picture is a power spectrogram with a logarithmic frequency axis. What a kind of event should look like is worked out
from its instantaneous frequency, not rendered. The kind whose picture has the highest cosine is what was heard, and a
sound whose events resemble none of them is unreadable.

Shape letters: S samples, T frames, K frequency bands, B frequency bins, P pictures, C columns of a picture.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, product

import numpy as np
from scipy.fft import rfft
from scipy.ndimage import uniform_filter1d
from torch import Tensor

from anyany.media.sounds import resample
from anyany.microworld.scenes import GLIDES, LENGTHS, TIMBRES, Beeps, Sound, Unreadable
from anyany.microworld.sounds import (
    GLIDE_OCTAVES,
    HARMONICS_TO_HZ,
    HISS_BANDWIDTH,
    LENGTH_S,
    PITCH_HZ,
    WARBLE_CYCLE_S,
    WARBLE_OCTAVES,
)

RATE_HZ = 16_000
HOP, WINDOW, FFT = 160, 512, 2_048
BANDS_PER_OCTAVE = 18
BAND_WIDTH = np.log(2.0) / BANDS_PER_OCTAVE  # as a fraction of a band's frequency
BAND_HZ = 160.0 * 2.0 ** (np.arange(97) / BANDS_PER_OCTAVE)  # up to 6.4 kHz
LOBE_HZ = 19.0  # standard deviation of the window's main lobe, in power
PITCH_STEPS = np.arange(-7, 8) / 18  # octaves around each pitch at which pictures are made
TRACK_STEPS = 4  # of a picture's frequency track within a frame
MIN_SOUND_S, MAX_SOUND_S = 0.25, 60.0
MIN_RANGE = 10.0 ** (12.0 / 10)  # of the loudest frame over the background, in power
MIN_EVENT_S, MAX_EVENT_S = 0.07, 0.5  # what is shorter is a click, and not heard; what is longer is no event
# Measured: each event of a rendering has 0.84 or more, sounds through a rough vocoder 0.78 in the mean; noise in
# syllables, however shaped, comes to a mean of 0.77 at most.
MIN_FIT, MIN_MEAN_FIT = 0.7, 0.775


@dataclass(frozen=True)
class Heard:
    """One event as read: its kind, when, and the cosine to the picture of that kind."""

    timbre: str
    pitch: str
    length: str
    glide: str
    start_s: float
    fit: float


def read_sound(sound_S: Tensor, sample_rate_hz: int = RATE_HZ) -> Sound | Unreadable:
    """The scene in samples [S] of -1..1. Events in a run of one timbre and pitch are one kind; its length or glide is
    None where they disagree on it.
    """
    events = read_events(sound_S, sample_rate_hz)
    if isinstance(events, Unreadable):
        return events
    runs = [list(run) for _, run in groupby(events, key=lambda event: (event.timbre, event.pitch))]
    return Sound(tuple(_beeps(run) for run in runs))


def read_events(sound_S: Tensor, sample_rate_hz: int = RATE_HZ) -> list[Heard] | Unreadable:
    """The events in time order, or why the sound holds none that can be told."""
    length_s = sound_S.numel() / sample_rate_hz
    if sound_S.ndim != 1 or not MIN_SOUND_S <= length_s <= MAX_SOUND_S:
        return Unreadable(f"sound {list(sound_S.shape)} of {length_s:.2f} s; expected {MIN_SOUND_S} to {MAX_SOUND_S} s")
    samples_S = resample(sound_S.detach().cpu().float().numpy(), sample_rate_hz, RATE_HZ)
    if not np.isfinite(samples_S).all() or not samples_S.any():
        return Unreadable("silence, or samples that are no numbers")
    power_TK = band_power(samples_S)
    spans = _spans(power_TK.sum(axis=1))
    if isinstance(spans, Unreadable):
        return spans
    background_K = _background(power_TK, spans)
    events = [_heard(np.maximum(power_TK - 1.5 * background_K, 0.0), *span) for span in spans]
    worst, mean_fit = min(events, key=lambda event: event.fit), float(np.mean([event.fit for event in events]))
    if worst.fit < MIN_FIT or mean_fit < MIN_MEAN_FIT:
        found = f"cosine {worst.fit:.2f} at {worst.start_s:.2f} s, {mean_fit:.2f} in the mean"
        return Unreadable(f"the events resemble no kind: {found}; expected {MIN_FIT} and {MIN_MEAN_FIT}")
    return events


def band_power(samples_S: np.ndarray) -> np.ndarray:
    """[T, K]: power by frame and band; the frames are centred on multiples of HOP."""
    padded_S = np.pad(samples_S, WINDOW // 2)
    frames_TS = np.lib.stride_tricks.sliding_window_view(padded_S, WINDOW)[::HOP]
    window_S = np.hanning(WINDOW).astype(np.float32)
    return np.abs(rfft(frames_TS * window_S, FFT)) ** 2 @ _bins_to_bands()


@lru_cache
def _bins_to_bands() -> np.ndarray:
    """float32 [B, K]: triangles that reach a band each way, or a bin where bins lie wider."""
    bins_B = np.arange(FFT // 2 + 1) * RATE_HZ / FFT
    width_K = np.maximum(BAND_HZ * BAND_WIDTH, RATE_HZ / FFT)
    return np.maximum(1.0 - np.abs(bins_B[:, None] - BAND_HZ) / width_K, 0.0).astype(np.float32)


def _spans(power_T: np.ndarray) -> list[tuple[int, int]] | Unreadable:
    """Start and end of each event in frames: where the power passes a quarter of the event's own."""
    power_T = uniform_filter1d(power_T, 3, mode="nearest")
    background, loudest = np.percentile(power_T, 10), power_T.max()
    if loudest < MIN_RANGE * background:
        return Unreadable("no event stands out from its background")
    spans = []
    for start, end in _runs(power_T > max(loudest / 30, 3 * background), max_hole=4):
        level = np.percentile(power_T[start:end], 70)
        inside = np.flatnonzero(power_T[start:end] > level / 4)
        spans.append((start + int(inside[0]), start + int(inside[-1]) + 1))
    spans = [(start, end) for start, end in spans if (end - start) * HOP / RATE_HZ >= MIN_EVENT_S]
    longest_s = max((end - start for start, end in spans), default=0) * HOP / RATE_HZ
    if not spans or longest_s > MAX_EVENT_S:
        found = f"{len(spans)} events, the longest of {longest_s:.2f} s"
        return Unreadable(f"{found}; expected some of {MIN_EVENT_S} to {MAX_EVENT_S} s")
    return spans


def _runs(is_on_T: np.ndarray, max_hole: int) -> list[tuple[int, int]]:
    """The runs of True; holes of up to ``max_hole`` frames within a run are closed."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_on_T, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    is_apart = starts[1:] - ends[:-1] > max_hole
    starts, ends = starts[np.r_[True, is_apart]], ends[np.r_[is_apart, True]]
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _background(power_TK: np.ndarray, spans: list[tuple[int, int]]) -> np.ndarray:
    is_quiet_T = np.ones(len(power_TK), dtype=bool)
    for start, end in spans:
        is_quiet_T[max(start - 4, 0) : end + 4] = False
    return power_TK[is_quiet_T].mean(axis=0) if is_quiet_T.any() else power_TK.min(axis=0)


def _heard(power_TK: np.ndarray, start: int, end: int) -> Heard:
    length_s = (end - start) * HOP / RATE_HZ
    length = min(LENGTHS, key=lambda name: abs(np.log(length_s / np.mean(LENGTH_S[name]))))
    kinds, pictures_PCK = _pictures(length)
    columns = start - 0.5 + (np.arange(pictures_PCK.shape[1]) + 0.5) * (end - start) / pictures_PCK.shape[1]
    cosines_P = pictures_PCK.reshape(len(kinds), -1) @ _normed(_at(power_TK, columns)).ravel()
    best = int(cosines_P.argmax())
    timbre, pitch_hz, glide = kinds[best]
    pitch = min(PITCH_HZ, key=lambda name: abs(np.log(pitch_hz / PITCH_HZ[name])))
    return Heard(timbre, pitch, length, glide, start * HOP / RATE_HZ, float(cosines_P[best]))


def _at(power_TK: np.ndarray, columns_C: np.ndarray) -> np.ndarray:
    """[C, K]: the power between frames, by linear interpolation."""
    columns_C = np.clip(columns_C, 0, len(power_TK) - 1)
    before_C = np.minimum(columns_C.astype(int), len(power_TK) - 2)
    part_C1 = (columns_C - before_C)[:, None]
    return power_TK[before_C] * (1 - part_C1) + power_TK[before_C + 1] * part_C1


def _normed(power_CK: np.ndarray) -> np.ndarray:
    """Amplitudes of unit norm; cells more than 25 dB below the strongest do not count."""
    power_CK = np.where(power_CK > power_CK.max() / 300, power_CK, 0.0)
    return np.sqrt(power_CK / max(power_CK.sum(), 1e-20)).astype(np.float32)


@lru_cache
def _pictures(length: str) -> tuple[list[tuple[str, float, str]], np.ndarray]:
    """Each kind (timbre, pitch in Hz, glide) and float32 [P, C, K]: the amplitudes it should show, of unit norm."""
    length_s = float(np.mean(LENGTH_S[length]))
    pitches_hz = [hz * 2.0**step for hz in PITCH_HZ.values() for step in PITCH_STEPS]
    kinds, pictures = [], []
    for timbre, pitch_hz, glide in product(TIMBRES, pitches_hz, GLIDES):
        for track in _tracks(timbre, pitch_hz, glide, length_s):
            kinds.append((timbre, pitch_hz, glide))
            pictures.append(_normed(_picture(timbre, pitch_hz, track)))
    return kinds, np.stack(pictures)


def _tracks(timbre: str, pitch_hz: float, glide: str, length_s: float) -> list[np.ndarray]:
    """The fundamentals, Hz, TRACK_STEPS a frame, that a kind may have: a chirp may start anywhere in its cycle."""
    num_steps = round(length_s * RATE_HZ / HOP) * TRACK_STEPS
    done = (np.arange(num_steps) + 0.5) / num_steps
    line = GLIDE_OCTAVES[glide] * (done - 0.5)
    if timbre != "chirp":
        return [pitch_hz * 2.0**line]
    turns = length_s / WARBLE_CYCLE_S * done
    return [pitch_hz * 2.0 ** (line + WARBLE_OCTAVES * np.cos(2 * np.pi * (turns + start / 4))) for start in range(4)]


def _picture(timbre: str, pitch_hz: float, track: np.ndarray) -> np.ndarray:
    """[C, K]: power: the lobe of each partial, spread over where its frequency goes within the window."""
    num_partials = int(HARMONICS_TO_HZ / track.max()) if timbre == "buzz" else 1
    spread_hz = np.hypot(LOBE_HZ, HISS_BANDWIDTH * pitch_hz if timbre == "hiss" else 0.0)
    spread_K = np.hypot(spread_hz, BAND_HZ * BAND_WIDTH / 6**0.5)  # a triangle's standard deviation
    power = np.zeros((len(track), len(BAND_HZ)))
    for order in range(1, num_partials + 1):
        power += np.exp(-(((BAND_HZ - order * track[:, None]) / spread_K) ** 2) / 2) / order
    power *= BAND_HZ * BAND_WIDTH / spread_K
    weights = np.hanning(WINDOW * TRACK_STEPS // HOP + 2)[1:-1] ** 2
    padded = np.pad(power, ((len(weights) // 2, len(weights) // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=0)[: len(track)]
    return (windows @ weights)[TRACK_STEPS // 2 :: TRACK_STEPS]


def _beeps(run: list[Heard]) -> Beeps:
    lengths, glides = {event.length for event in run}, {event.glide for event in run}
    agreed = [values.pop() if len(values) == 1 else None for values in (lengths, glides)]
    return Beeps(len(run), run[0].timbre, run[0].pitch, *agreed)
