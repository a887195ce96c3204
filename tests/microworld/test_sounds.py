from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.signal import butter, fftconvolve, lfilter, sosfilt
from torch import Tensor

from anyany.media.sounds import decode_sound, encode_flac
from anyany.microworld.levels import LEVELS, all_things, sample_scene
from anyany.microworld.oracles.sounds import read_events, read_sound
from anyany.microworld.scenes import Beeps, Scene, Sound, Unreadable, compare
from anyany.microworld.sounds import render_sound
from anyany.seeds import rng_of

RATE_HZ = 16_000
NUM_SAMPLES = 2 * RATE_HZ
Rng = np.random.Generator


def flac(sound_S: Tensor, rng: Rng) -> Tensor:
    return decode_sound(encode_flac(sound_S, RATE_HZ), RATE_HZ)


def noisy(sound_S: Tensor, rng: Rng) -> Tensor:
    """White noise at a signal-to-noise ratio of 20 dB over the whole sound."""
    return sound_S + float(sound_S.square().mean().sqrt()) / 10 * torch.from_numpy(rng.standard_normal(len(sound_S)))


def blurred(sound_S: Tensor, rng: Rng) -> Tensor:
    """Low-passed at 6 kHz, with a room whose echo decays in 30 ms and has a fifth of the direct sound's energy."""
    response = np.exp(-np.arange(2_400) / 480) * rng.standard_normal(2_400) * 0.03
    response[0] = 1.0
    low_S = sosfilt(butter(4, 6_000, fs=RATE_HZ, output="sos"), sound_S.numpy())
    return torch.from_numpy(fftconvolve(low_S, response)[: len(sound_S)])


def syllables(rng: Rng) -> np.ndarray:
    """[S]: a loudness that comes and goes some four times a second."""
    loudness_S, at = np.zeros(NUM_SAMPLES), int(rng.integers(2_000))
    while (length := int(rng.uniform(1_500, 4_500))) + at < NUM_SAMPLES:
        loudness_S[at : at + length] = np.hanning(length) * rng.uniform(0.3, 1.0)
        at += length + int(rng.uniform(500, 4_000))
    return loudness_S


def coloured_noise(rng: Rng, slope: float) -> np.ndarray:
    """[S] in -1..1: noise whose amplitude falls with frequency to the power of -slope."""
    spectrum = np.fft.rfft(rng.standard_normal(NUM_SAMPLES))
    noise_S = np.fft.irfft(spectrum * np.maximum(np.arange(len(spectrum)), 1.0) ** -slope)
    return noise_S / np.abs(noise_S).max()


def sine(rng: Rng) -> np.ndarray:
    return np.sin(2 * np.pi * rng.uniform(100, 6_000) / RATE_HZ * np.arange(NUM_SAMPLES))


def pixel_rows(rng: Rng, repeats: int) -> np.ndarray:
    """The bytes of a picture of discs, row after row, over and over."""
    y, x = np.mgrid[:32, :32]
    picture = np.full((32, 32, 3), rng.integers(256, size=3), dtype=np.float64)
    for _ in range(rng.integers(1, 5)):
        centre_y, centre_x, radius = *rng.uniform(0, 32, 2), rng.uniform(3, 8)
        picture[(y - centre_y) ** 2 + (x - centre_x) ** 2 < radius**2] = rng.integers(256, size=3)
    return np.resize(np.repeat(picture.ravel() / 127.5 - 1, repeats), NUM_SAMPLES)


GARBAGE: dict[str, Callable[[Rng], np.ndarray]] = {
    "silence": lambda rng: np.zeros(NUM_SAMPLES),
    "white noise": lambda rng: rng.standard_normal(NUM_SAMPLES) * rng.uniform(1e-4, 0.3),
    "pink noise": lambda rng: coloured_noise(rng, 0.5),
    "random walk": lambda rng: np.cumsum(rng.standard_normal(NUM_SAMPLES)) / 500,
    "constant sine": sine,
    "clipped square": lambda rng: np.clip(100 * sine(rng), -1, 1),
    "clipped noise": lambda rng: np.clip(20 * coloured_noise(rng, 0.5), -1, 1),
    "too short": lambda rng: rng.standard_normal(int(rng.integers(1, 3_000))),
    "clicks": lambda rng: (rng.random(NUM_SAMPLES) < 1e-3) * rng.standard_normal(NUM_SAMPLES),
    "white syllables": lambda rng: syllables(rng) * rng.standard_normal(NUM_SAMPLES) / 4,
    "pink syllables": lambda rng: syllables(rng) * coloured_noise(rng, 0.5),
    "brown syllables": lambda rng: syllables(rng) * coloured_noise(rng, 1.0),
    "wandering noise": lambda rng: (
        lfilter([0.01], [1, -0.99], rng.standard_normal(NUM_SAMPLES)) * coloured_noise(rng, 0)
    ),
    "pixel rows": lambda rng: pixel_rows(rng, 1),
    "stretched pixel rows": lambda rng: pixel_rows(rng, 4),
}


def shares_right(level: str, change: Callable[[Tensor, Rng], Tensor], num_items: int) -> dict[str, float]:
    """The share of items in which each attribute was read right; a quarter of them hold novel pairs."""
    hits: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for index in range(num_items):
        scene = sample_scene("audio", LEVELS[level], rng_of("scene", level, index), novel=index % 4 == 0)
        sound_S = render_sound(_sound(scene), LEVELS[level], rng_of("sound", level, index))
        for name, is_right in compare(scene, read_sound(change(sound_S, rng_of("change", index)))).items():
            hits[name.split(".")[-1]] += is_right
            asked[name.split(".")[-1]] += 1
    assert set(asked) == {*LEVELS[level].said["audio"], "count"}
    return {name: hits[name] / asked[name] for name in asked}


def _sound(scene: Scene) -> Sound:
    assert isinstance(scene, Sound)
    return scene


def one_event(timbre: str, pitch: str, length: str, glide: str, seed: object = 0) -> np.ndarray:
    """The samples of a single event, cut out by a plain threshold on its smoothed envelope."""
    scene = Sound((Beeps(1, timbre, pitch, length, glide),))
    sound_S = render_sound(scene, LEVELS["standard"], rng_of(seed)).numpy()
    envelope_S = np.convolve(np.abs(sound_S), np.ones(160) / 160, mode="same")
    is_on_S = np.flatnonzero(envelope_S > envelope_S.max() / 4)
    return sound_S[is_on_S[0] : is_on_S[-1] + 1]


def crossings_hz(sound_S: np.ndarray) -> float:
    """The frequency of a sine by counting where it rises through zero."""
    return np.count_nonzero((sound_S[:-1] < 0) & (sound_S[1:] >= 0)) / len(sound_S) * RATE_HZ


def centre_hz(sound_S: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(sound_S)) ** 2
    return float(power @ np.fft.rfftfreq(len(sound_S), 1 / RATE_HZ) / power.sum())


@pytest.mark.parametrize("level", LEVELS)
def test_a_sound_is_that_of_its_level_and_of_its_seed(level: str) -> None:
    scene = _sound(sample_scene("audio", LEVELS[level], rng_of("scene")))
    first_S, again_S, other_S = (render_sound(scene, LEVELS[level], rng_of(seed)) for seed in (1, 1, 2))
    assert first_S.dtype == torch.float32
    assert first_S.shape == (LEVELS[level].sound_s * RATE_HZ,)
    assert 0.1 < first_S.abs().max() < 1
    assert encode_flac(first_S, RATE_HZ) == encode_flac(again_S, RATE_HZ)
    assert not first_S.equal(other_S)


@pytest.mark.parametrize(("pitch", "hz"), [("low", 320), ("middle", 800), ("high", 2_000)])
def test_pitch_of_a_tone_by_counting_its_zeros(pitch: str, hz: float) -> None:
    for seed in range(5):
        assert crossings_hz(one_event("tone", pitch, "long", "flat", seed)) == pytest.approx(hz, rel=0.11)


@pytest.mark.parametrize(("timbre", "measure"), [("tone", crossings_hz), ("hiss", centre_hz)])
@pytest.mark.parametrize("pitch", ["low", "middle", "high"])
def test_a_glide_goes_about_half_an_octave_between_its_halves(timbre: str, measure: Callable, pitch: str) -> None:
    for glide, octaves in {"flat": 0.0, "rising": 0.5, "falling": -0.5}.items():
        measured = []
        for seed in range(5):
            event_S = one_event(timbre, pitch, "long", glide, seed)
            middle = len(event_S) // 2
            measured.append(np.log2(measure(event_S[middle:]) / measure(event_S[:middle])))
        assert np.mean(measured) == pytest.approx(octaves, abs=0.15)


def test_lengths() -> None:
    for timbre in ("tone", "buzz", "hiss", "chirp"):
        assert len(one_event(timbre, "middle", "short", "flat")) / RATE_HZ == pytest.approx(0.16, abs=0.025)
        assert len(one_event(timbre, "middle", "long", "flat")) / RATE_HZ == pytest.approx(0.32, abs=0.035)


def test_timbres_by_where_their_power_lies() -> None:
    """A tone's lies at its pitch, a buzz's well above, a hiss's spread around it; a chirp swings about it."""
    for seed in range(5):
        tone_S, buzz_S, hiss_S = (one_event(name, "middle", "long", "flat", seed) for name in ("tone", "buzz", "hiss"))
        spreads = []
        for event_S in (tone_S, hiss_S):
            power, hz = np.abs(np.fft.rfft(event_S)) ** 2, np.fft.rfftfreq(len(event_S), 1 / RATE_HZ)
            power = power * (hz < 2_000)
            spreads.append(np.sqrt(power @ (hz - power @ hz / power.sum()) ** 2 / power.sum()))
        assert spreads[0] < 60 < 150 < spreads[1]
        assert centre_hz(buzz_S) > 1.8 * centre_hz(tone_S)
        chirp_S = one_event("chirp", "middle", "long", "flat", seed)
        pieces_hz = [crossings_hz(piece_S) for piece_S in np.array_split(chirp_S, 16)]  # four a cycle
        turns = np.count_nonzero(np.diff(np.sign(np.array(pieces_hz) - np.mean(pieces_hz))))
        assert turns >= 6  # four cycles cross their mean eight times
        assert max(pieces_hz) / min(pieces_hz) > 1.3


def test_number_and_order_by_silences() -> None:
    scene = Sound((Beeps(4, "buzz", "low", None, "flat"), Beeps(3, "tone", "high", None, "flat")))
    for seed in range(5):
        sound_S = render_sound(scene, LEVELS["hard"], rng_of(seed)).numpy()
        blocks = sound_S.reshape(-1, 320)  # of 20 ms
        loud = np.sqrt((blocks**2).mean(axis=1)) > 0.02
        starts = np.flatnonzero(loud[1:] & ~loud[:-1]) + 1
        assert len(starts) == 7
        centres_hz = [crossings_hz(sound_S[(start + 2) * 320 : (start + 6) * 320]) for start in starts]
        assert min(centres_hz[4:]) > 1_800 > 0.6 * min(centres_hz[4:]) > 0
        silent = [end_to_start for end_to_start in np.diff(np.flatnonzero(loud)) if end_to_start > 1]
        assert len(silent) == 6
        assert min(silent) >= 5  # at least 0.1 s apart


def test_events_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"does not fit into 2\.0 s"):
        render_sound(Sound((Beeps(5, "tone", "low", "long"),)), LEVELS["standard"], rng_of(0))


def test_a_free_length_is_one_with_which_all_events_fit() -> None:
    scene = Sound((Beeps(6, "tone", "low"), Beeps(1, "buzz", "low")))
    lengths = set()
    for seed in range(40):
        read = read_sound(render_sound(scene, LEVELS["hard"], rng_of(seed)))
        assert all(compare(scene, read).values())
        lengths.add(tuple(beeps.length for beeps in _sound(read).events))  # type: ignore[arg-type]
    assert lengths == {("short", "short"), ("short", "long"), ("long", "short")}


@pytest.mark.parametrize("level", ["easy", "standard"])
def test_everything_that_a_level_can_say_is_read_back(level: str, record_property: Callable) -> None:
    things = list(all_things("audio", LEVELS[level]))
    record_property("found", f"{len(things)} sounds of level {level}")
    assert len(things) > 30
    for thing in things:
        scene = Sound((thing,))  # type: ignore[arg-type]
        assert all(compare(scene, read_sound(render_sound(scene, LEVELS[level], rng_of(thing)))).values()), thing


CHANGES = [(flac, 0.99), (noisy, 0.95), (blurred, 0.95)]


@pytest.mark.parametrize(("change", "least"), CHANGES)
@pytest.mark.parametrize("level", LEVELS)
def test_attributes_are_read_right(level: str, change: Callable, least: float) -> None:
    shares = shares_right(level, change, 150)
    assert min(shares.values()) >= least, shares


@pytest.mark.slow
@pytest.mark.parametrize(("change", "least"), CHANGES)
@pytest.mark.parametrize("level", LEVELS)
def test_attributes_are_read_right_on_1000(level: str, change: Callable, least: float) -> None:
    shares = shares_right(level, change, 1_000)
    assert min(shares.values()) >= least, shares


def unreadable_share(kind: str, num_draws: int) -> float:
    sounds = (torch.from_numpy(GARBAGE[kind](rng_of(kind, draw))) for draw in range(num_draws))
    return sum(isinstance(read_sound(sound_S), Unreadable) for sound_S in sounds) / num_draws


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_unreadable(kind: str) -> None:
    assert unreadable_share(kind, 40) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_unreadable_in_200_draws(kind: str) -> None:
    assert unreadable_share(kind, 200) >= 0.99


def beeps_by_hand(*events: tuple[float, float], rate_hz: int = RATE_HZ) -> Tensor:
    """Plain sines without noise: (Hz at the start, Hz at the end), each 0.16 s long, 0.2 s apart, from 0.1 s on."""
    sound_S = np.zeros(round(rate_hz * (0.2 + 0.36 * len(events))))
    for index, (first_hz, last_hz) in enumerate(events):
        start, length = round((0.1 + 0.36 * index) * rate_hz), round(0.16 * rate_hz)
        phase_S = 2 * np.pi * np.cumsum(np.geomspace(first_hz, last_hz, length)) / rate_hz
        sound_S[start : start + length] = 0.3 * np.sin(phase_S)
    return torch.from_numpy(sound_S)


def test_sines_made_by_hand() -> None:
    read = read_sound(beeps_by_hand((300, 300), (300, 300), (1_500, 2_900), (800, 800)))
    low, high, middle = (
        Beeps(number, "tone", pitch, "short", glide)
        for number, pitch, glide in ((2, "low", "flat"), (1, "high", "rising"), (1, "middle", "flat"))
    )
    assert read == Sound((low, high, middle))


def test_events_that_disagree_leave_the_attribute_open() -> None:
    assert read_sound(beeps_by_hand((600, 1_100), (1_100, 600))) == Sound((Beeps(2, "tone", "middle", "short", None),))


def test_events_come_with_their_times() -> None:
    events = read_events(beeps_by_hand((800, 800), (800, 800), (800, 800)))
    assert not isinstance(events, Unreadable)
    assert [event.start_s for event in events] == pytest.approx([0.1, 0.46, 0.82], abs=0.021)


def test_a_sound_at_another_rate() -> None:
    read = read_sound(beeps_by_hand((2_000, 2_000), rate_hz=48_000), 48_000)
    assert read == Sound((Beeps(1, "tone", "high", "short", "flat"),))


def test_what_is_no_sound_is_unreadable() -> None:
    for sound_S in (torch.zeros(2, NUM_SAMPLES), torch.zeros(0), torch.full((NUM_SAMPLES,), torch.nan)):
        assert isinstance(read_sound(sound_S), Unreadable)
