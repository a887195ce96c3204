import struct

import numpy as np
import pytest
import torch

from anyany.media.sounds import decode_sound, encode_flac, encode_wav
from anyany.media.table import MEDIA, MediaSpec
from tests.media.files import RATE_HZ, fault_of, sine, sound_file, sound_file_by_av

WAV_SUBTYPES = {"PCM_U8": 1 / 120, "PCM_16": 1e-4, "PCM_24": 1e-6, "PCM_32": 1e-6, "FLOAT": 1e-6}  # largest error


@pytest.mark.parametrize(("subtype", "error"), WAV_SUBTYPES.items())
def test_wav_of_every_width(subtype: str, error: float) -> None:
    sound_S = sine(RATE_HZ)
    read_S = decode_sound(sound_file(sound_S, RATE_HZ, "WAV", subtype), RATE_HZ)
    assert read_S.dtype == torch.float32
    assert read_S.shape == (8_000,)
    assert np.abs(read_S.numpy() - sound_S).max() < error


@pytest.mark.parametrize(("container", "loss"), [("FLAC", 1e-4), ("MP3", 0.05), ("OGG", 0.05)])
def test_compressed(container: str, loss: float) -> None:
    sound_S = sine(RATE_HZ)
    read_S = decode_sound(sound_file(sound_S, RATE_HZ, container), RATE_HZ)
    assert read_S.shape == (8_000,)
    inner = slice(1_000, -2_000)  # lossy coders ring at the sudden ends
    assert np.abs(read_S.numpy() - sound_S)[inner].max() < loss


@pytest.mark.parametrize(("container", "codec", "loss"), [("mp4", "aac", 0.02), ("matroska", "pcm_s16le", 1e-4)])
def test_containers_that_need_av(container: str, codec: str, loss: float) -> None:
    sound_S = sine(RATE_HZ)
    read_S = decode_sound(sound_file_by_av(sound_S, RATE_HZ, container, codec), RATE_HZ).numpy()
    assert 8_000 <= len(read_S) <= 8_000 + 2 * 1024  # aac fills its last frame with silence
    assert np.abs(read_S[2_000:6_000] - sound_S[2_000:6_000]).max() < loss


def test_flac_without_its_length() -> None:
    whole = encode_flac(torch.from_numpy(sine(RATE_HZ)), RATE_HZ)
    data = bytearray(whole)
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    assert decode_sound(bytes(data), RATE_HZ).equal(decode_sound(whole, RATE_HZ))


def test_channels_are_averaged() -> None:
    left_S, right_S = sine(RATE_HZ, 500.0), sine(RATE_HZ, 900.0)
    data = sound_file(np.stack([left_S, right_S], axis=1), RATE_HZ, "WAV", "FLOAT")
    torch.testing.assert_close(decode_sound(data, RATE_HZ).double(), torch.from_numpy((left_S + right_S) / 2))


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_resampled_sine_is_the_sine_at_the_new_rate(rate_hz: int) -> None:
    read_S = decode_sound(sound_file(sine(rate_hz, 700.0, 1.0), rate_hz, "WAV", "FLOAT"), RATE_HZ)
    assert abs(len(read_S) - RATE_HZ) <= 1
    expected_S = sine(RATE_HZ, 700.0, 1.0)
    assert np.abs(read_S.numpy()[500:15_500] - expected_S[500:15_500]).max() < 2e-3


def test_what_lies_above_the_new_nyquist_rate_is_filtered_out() -> None:
    read_S = decode_sound(sound_file(sine(48_000, 11_000.0, 1.0), 48_000, "WAV", "FLOAT"), RATE_HZ)
    assert read_S[500:-500].abs().max() < 0.5 * 10 ** (-50 / 20)  # would fold to 5 kHz


def test_16_bit_samples_come_back_exactly() -> None:
    pcm_S = np.random.default_rng(0).integers(-32768, 32768, 4_000)
    sound_S = torch.from_numpy(pcm_S / 32768.0).float()
    for encode in (encode_flac, encode_wav):
        data = encode(sound_S, RATE_HZ)
        assert decode_sound(data, RATE_HZ).equal(sound_S)
        assert encode(sound_S, RATE_HZ) == data


def test_encoding_clips_overshoots() -> None:
    read_S = decode_sound(encode_wav(torch.tensor([1.5, -1.5, 0.5]), RATE_HZ), RATE_HZ)
    assert read_S.tolist() == [32767 / 32768, -1.0, 0.5]


@pytest.mark.parametrize(
    "sound_S", [torch.zeros(0), torch.zeros(2, 8), torch.zeros(8, dtype=torch.int16), torch.tensor([0.0, torch.nan])]
)
def test_what_is_no_sound_is_not_encoded(sound_S: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="give"):
        encode_flac(sound_S, RATE_HZ)


@pytest.mark.parametrize(
    "data", [b"", sound_file(np.zeros(0), RATE_HZ, "WAV"), sound_file(np.zeros(0), RATE_HZ, "FLAC")]
)
def test_empty(data: bytes) -> None:
    assert fault_of(decode_sound, data, RATE_HZ).kind == "empty_audio"


@pytest.mark.parametrize(
    "data", [b"x", b"RIFF", b"fLaC", b"OggS", b"ID3", b"\0\0\0\x20ftypM4A ", np.random.default_rng(0).bytes(5_000)]
)
def test_garbage(data: bytes) -> None:
    assert fault_of(decode_sound, data, RATE_HZ).kind == "broken_audio"


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.8])
def test_cut_off(container: str, share: float) -> None:
    data = sound_file(sine(RATE_HZ, length_s=3.0), RATE_HZ, container)
    assert fault_of(decode_sound, data[: int(len(data) * share)], RATE_HZ).kind == "broken_audio"


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6])
def test_cut_off_containers(share: float) -> None:
    noise_S = np.random.default_rng(0).uniform(-0.5, 0.5, 32_000)
    for data in (
        sound_file_by_av(noise_S, RATE_HZ, "mp4", "aac"),
        sound_file_by_av(noise_S, RATE_HZ, "matroska", "pcm_s16le"),
    ):
        assert fault_of(decode_sound, data[: int(len(data) * share)], RATE_HZ).kind == "broken_audio"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(value: float) -> None:
    sound_S = sine(RATE_HZ)
    sound_S[100] = value
    assert fault_of(decode_sound, sound_file(sound_S, RATE_HZ, "WAV", "FLOAT"), RATE_HZ).kind == "broken_audio"


def test_a_sound_above_an_hour_is_refused() -> None:
    fault = fault_of(decode_sound, sound_file(np.zeros(3_601 * 1_000), 1_000, "FLAC"), RATE_HZ)
    assert fault.kind == "long_audio"
    assert "3601 s" in str(fault)


def test_a_rate_that_no_recording_has_is_refused() -> None:
    data = bytearray(encode_wav(torch.zeros(100), RATE_HZ))
    data[24:28] = struct.pack("<I", 3)
    assert fault_of(decode_sound, bytes(data), RATE_HZ).kind == "broken_audio"


def test_the_table_of_media_decodes_at_the_rate_of_its_spec() -> None:
    data = encode_flac(torch.from_numpy(sine(RATE_HZ)), RATE_HZ)
    assert MEDIA["audio"].decode(data, MediaSpec(sample_rate_hz=8_000)).shape == (4_000,)
