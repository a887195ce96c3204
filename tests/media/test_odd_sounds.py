"""Sounds as recorders, archives and shops leave them: what a person would hear of each, when, and at which pitch."""

import struct

import numpy as np
import pytest

from anyany.media.sounds import decode_sound
from anyany.media.table import MediaFault
from tests.media.files import RATE_HZ, clip_file, greys, sine, sound_file, sound_file_by_av

SOUND_S = sine(RATE_HZ)  # 0.5 s


def off(data: bytes, expected_S: np.ndarray = SOUND_S) -> float:
    """How far the decoded sound is from the expected one, but for the ends, where lossy coders ring."""
    read_S = decode_sound(data, RATE_HZ).numpy()
    assert len(expected_S) <= len(read_S) <= len(expected_S) + 1024  # AAC and Opus in MP4 fill their last frame
    return float(np.abs(read_S[: len(expected_S)] - expected_S)[500:-2000].max())


def level_db(sound_S: np.ndarray) -> float:
    """Loudness but for the ends, against that of ``sine``."""
    return float(20 * np.log10(np.sqrt((sound_S[1_000:-1_000] ** 2).mean()) / (0.5 / np.sqrt(2))))


@pytest.mark.parametrize(
    ("container", "subtype", "loss"),
    [
        ("WAV", "PCM_U8", 1 / 120),
        ("WAV", "ULAW", 0.02),
        ("WAV", "MS_ADPCM", 0.02),
        ("WAVEX", "PCM_24", 1e-6),
        ("RF64", "PCM_16", 1e-4),
        ("AIFF", "PCM_24", 1e-6),
        ("AU", "PCM_16", 1e-4),
        ("CAF", "PCM_16", 1e-4),
        ("FLAC", "PCM_24", 1e-6),
        ("FLAC", "PCM_S8", 1 / 120),
        ("OGG", "VORBIS", 0.05),
        ("MP3", "MPEG_LAYER_III", 0.05),
    ],
)
def test_the_bytes_tell_what_a_file_is_and_not_its_name(container, subtype, loss):
    assert off(sound_file(SOUND_S, RATE_HZ, container, subtype)) < loss


@pytest.mark.parametrize(
    ("container", "codec", "rate_hz", "loss"),
    [
        ("ipod", "aac", 44_100, 0.02),
        ("ipod", "alac", 44_100, 2e-3),
        ("mp4", "libopus", 48_000, 0.03),
        ("webm", "libopus", 48_000, 0.03),
        ("matroska", "flac", 44_100, 2e-3),
        ("mov", "pcm_s16le", 44_100, 2e-3),
        ("ogg", "libopus", 48_000, 0.03),
        ("mp3", "libmp3lame", 44_100, 0.03),
    ],
)
def test_what_a_coder_puts_before_the_beginning_is_taken_off(container, codec, rate_hz, loss):
    """AAC begins with 1,024 samples of its own, Opus with 312, MP3 with 1,105; 20 of them would be off by 0.5 here."""
    data = sound_file_by_av(sine(rate_hz, 600.0, 1.0), rate_hz, container, codec)
    assert off(data, sine(RATE_HZ, 600.0, 1.0)) < loss


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


@pytest.mark.parametrize(("place", "counted"), [("before", True), ("after", True), ("after", False)])
def test_wav_with_more_chunks(place, counted):
    """A writer that adds a chunk behind the samples may forget to count it."""
    data = sound_file(SOUND_S, RATE_HZ, "WAV")
    more = chunk(b"LIST", b"INFO" + chunk(b"ISFT", b"Lavf58.29.100")) + chunk(b"junk", bytes(1001))
    place = 36 if place == "before" else len(data)
    size = len(data) - 8 + (len(more) if counted else 0)
    assert off(data[:4] + struct.pack("<I", size) + data[8:place] + more + data[place:]) < 1e-4


@pytest.mark.parametrize("unknown", [0xFFFFFFFF, 0x7FFFFFFF + 37])
def test_wav_whose_writer_could_not_seek(unknown):
    data = sound_file(SOUND_S, RATE_HZ, "WAV")
    sizes = struct.pack("<I", unknown), struct.pack("<I", unknown - 36)
    assert off(data[:4] + sizes[0] + data[8:40] + sizes[1] + data[44:]) < 1e-4


def id3(picture: bytes) -> bytes:
    """An ID3v2.3 tag with a cover (sizes of the tag in 7 bits a byte)."""
    body = b"\0image/jpeg\0\3\0" + picture
    frame = b"APIC" + struct.pack(">IH", len(body), 0) + body
    size = len(frame)
    return b"ID3\3\0\0" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127]) + frame


@pytest.mark.parametrize("size", [0, 500, 300_000])
def test_mp3_with_tags(size):
    music = sound_file(SOUND_S, RATE_HZ, "MP3")
    cover = np.random.default_rng(0).bytes(size).replace(b"\xff", b"\xfe")
    assert off(id3(cover) + music + b"TAG" + b"title".ljust(125)) < 0.05


def test_opposite_phases_are_silence():
    assert decode_sound(sound_file(np.stack([SOUND_S, -SOUND_S], 1), RATE_HZ, "FLAC"), RATE_HZ).abs().max() == 0


@pytest.mark.parametrize("container", ["WAVEX", "FLAC", "OGG"])
def test_six_channels_count_alike(container):
    channels_SN = np.stack([SOUND_S, 0 * SOUND_S, SOUND_S, 0 * SOUND_S, SOUND_S, 0 * SOUND_S], axis=1)
    assert off(sound_file(channels_SN, RATE_HZ, container), SOUND_S / 2) < (0.02 if container == "OGG" else 1e-4)


@pytest.mark.parametrize(("layout", "channels"), [("stereo", 2), ("5.1", 6)])
def test_channels_of_aac(layout, channels):
    channels_NS = np.zeros((channels, 44_100))
    channels_NS[0] = sine(44_100, 600.0, 1.0)
    data = sound_file_by_av(channels_NS, 44_100, "ipod", "aac", layout)
    assert off(data, sine(RATE_HZ, 600.0, 1.0) / channels) < 0.02


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_pitch_and_loudness_stay_at_another_rate(rate_hz):
    for hz in (100.0, 1_000.0, min(0.4 * rate_hz, 6_400.0)):
        read_S = decode_sound(sound_file(sine(rate_hz, hz, 1.0), rate_hz, "WAV", "FLOAT"), RATE_HZ).numpy()
        assert len(read_S) == RATE_HZ
        assert np.abs(np.fft.rfft(read_S)).argmax() == hz  # one bin a hertz
        assert abs(level_db(read_S)) < 0.1


@pytest.mark.parametrize("rate_hz", [22_050, 44_100, 48_000])
@pytest.mark.parametrize("hz", [9_600, 10_500])
def test_what_the_new_rate_cannot_hold_does_not_come_back_as_another_pitch(rate_hz, hz):
    read_S = decode_sound(sound_file(sine(rate_hz, hz, 1.0), rate_hz, "WAV", "FLOAT"), RATE_HZ).numpy()
    assert level_db(read_S) < -50


@pytest.mark.parametrize(
    ("container", "picture_codec", "pixel_format", "codec", "rate_hz"),
    [
        ("mp4", "libx264", "yuv420p", "aac", 44_100),
        ("matroska", "libx264", "yuv420p", "libopus", 48_000),
        ("webm", "libvpx-vp9", "yuv420p", "libopus", 48_000),
        ("mov", "png", "rgb24", "pcm_s16le", 44_100),
    ],
)
@pytest.mark.parametrize(("pictures_s", "sound_s"), [(3, 1), (1, 3)])
def test_the_sound_of_a_clip(container, picture_codec, pixel_format, codec, rate_hz, pictures_s, sound_s):
    """Pictures that last longer are no sign of a sound that was cut off."""
    times, sound = range(4 * pictures_s), (sine(rate_hz, 600.0, sound_s), rate_hz, codec)
    data = clip_file(greys(len(times)), times, container, picture_codec, pixel_format, sound=sound)
    assert off(data, sine(RATE_HZ, 600.0, sound_s)) < 0.03


def test_overshoots_of_a_lossy_coder_are_clipped():
    square_S = np.sign(sine(RATE_HZ, 440.0))
    read_S = decode_sound(sound_file(square_S, RATE_HZ, "OGG"), RATE_HZ)
    assert read_S.abs().max() == 1.0


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "libopus")])
def test_damaged_files_are_heard_or_faults(container, codec):
    """A byte changed anywhere gives samples or a MediaFault, never another error."""
    whole = sound_file_by_av(sine(16_000, length_s=0.1)[None], 16_000, container, codec)
    rng = np.random.default_rng(0)
    outcomes = set()
    for place in rng.integers(0, len(whole), 300).tolist():
        data = bytearray(whole)
        data[place] ^= int(rng.integers(1, 256))
        try:
            outcomes.add(decode_sound(bytes(data), 16_000).isfinite().all().item())
        except MediaFault as fault:
            outcomes.add(fault.kind)
    assert {True, "broken_audio"} <= outcomes <= {True, "broken_audio", "long_audio", "empty_audio"}
