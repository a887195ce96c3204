"""Probes against what decodes: sizes, lengths and rates of files from real encoders, and what is no header."""

import io
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from anyany.media.clips import decode_clip, encode_mp4
from anyany.media.pictures import decode_picture
from anyany.media.sounds import decode_sound, encode_flac
from anyany.media.table import MEDIA, MediaFault, modality_of
from anyany.seeds import rng_of

RATE_HZ = 16_000
probe_picture, probe_clip, probe_sound = (MEDIA[modality].probe for modality in ("image", "video", "audio"))


def picture(format_name: str, mode: str = "RGB", **options: object) -> bytes:
    """40 pixels wide, 30 high, before any turning."""
    file = io.BytesIO()
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))
    noise.convert(mode).save(file, format_name, **options)
    return file.getvalue()


def turned(format_name: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return picture(format_name, exif=exif)


def clip(
    times: list[int], container_name: str = "mp4", codec: str = "libx264", rotation: int = 0, **options: str
) -> bytes:
    """Frames 64 wide and 32 high, shown from these times on, in quarters of a second."""
    file = io.BytesIO()
    muxer = {name: value for name, value in options.items() if name == "movflags"}
    with av.open(file, "w", format=container_name, options=muxer) as container:
        rest = {name: value for name, value in options.items() if name not in muxer}
        stream = container.add_stream(codec, rate=4, width=64, height=32, options=rest)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 4)
        if rotation:
            stream.set_display_rotation(rotation)
        for moment in times:
            frame = av.VideoFrame.from_ndarray(np.full((32, 64, 3), 20 * moment % 256, np.uint8), format="rgb24")
            frame.pts, frame.time_base = moment, Fraction(1, 4)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def sound(container: str, rate_hz: int = RATE_HZ, channels: int = 1, length_s: float = 1.5, **options: str) -> bytes:
    noise_SN = np.random.default_rng(0).uniform(-0.3, 0.3, (round(rate_hz * length_s), channels))
    file = io.BytesIO()
    soundfile.write(file, noise_SN, rate_hz, format=container, **options)
    return file.getvalue()


def sound_by_av(container: str, codec: str, rate_hz: int, channels: int, length_s: float = 1.5) -> bytes:
    layout = {1: "mono", 2: "stereo"}[channels]
    noise_NS = np.random.default_rng(0).uniform(-0.3, 0.3, (channels, round(rate_hz * length_s))).astype(np.float32)
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout=layout)
        frame = av.AudioFrame.from_ndarray(noise_NS, format="fltp", layout=layout)
        frame.rate = rate_hz
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate_hz, frame_size=1024)
        for piece in (*resampler.resample(frame), *resampler.resample(None), None):
            output.mux(stream.encode(piece))
    return file.getvalue()


def kind_of(probe, data: bytes) -> str:
    with pytest.raises(MediaFault) as caught:
        probe(data)
    return caught.value.kind


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_measured_as_their_orientation_turns_them(format_name, orientation):
    data = turned(format_name, orientation)
    width, height = (30, 40) if orientation >= 5 else (40, 30)
    assert probe_picture(data) == {"width_px": width, "height_px": height}
    assert decode_picture(data).shape == (3, height, width)


@pytest.mark.parametrize(
    ("format_name", "mode"),
    [("PNG", "P"), ("PNG", "I;16"), ("PNG", "LA"), ("GIF", "P"), ("JPEG", "CMYK"), ("JPEG", "L"), ("BMP", "RGB")],
)
def test_pictures_of_many_kinds(format_name, mode):
    data = picture(format_name, "L" if mode == "I;16" else mode)
    if mode == "I;16":
        file = io.BytesIO()
        Image.fromarray(np.zeros((30, 40), np.uint16)).save(file, "PNG")
        data = file.getvalue()
    assert probe_picture(data) == {"width_px": 40, "height_px": 30}
    assert decode_picture(data).shape == (3, 30, 40)


def test_an_animation_has_the_size_of_its_canvas():
    file = io.BytesIO()
    frames = [Image.new("RGB", (40, 30), color) for color in ("red", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert probe_picture(file.getvalue()) == {"width_px": 40, "height_px": 30}


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_no_pixel_is_decoded(format_name, monkeypatch):
    data = picture(format_name)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail("decoded"))
    assert probe_picture(data) == {"width_px": 40, "height_px": 30}


def test_exif_of_wrong_bytes_leaves_a_picture_as_it_is_stored():
    data = picture("JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert probe_picture(data) == {"width_px": 40, "height_px": 30}
    assert decode_picture(data).shape == (3, 30, 40)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8_001, 10_000, 40_000])
def test_what_is_too_large_to_decode_is_a_fault_by_its_header(side):
    data = bytearray(picture("BMP"))
    data[18:26] = struct.pack("<ii", side, side)
    assert kind_of(probe_picture, bytes(data)) == "huge_image"
    with pytest.raises(MediaFault, match="scale it down"):
        decode_picture(bytes(data))


@pytest.mark.parametrize("data", [b"", b"text", bytes(1000), b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0" + bytes(9)])
def test_no_picture(data):
    assert kind_of(probe_picture, data) == "broken_image"


@pytest.mark.parametrize("rotation", [0, 90, 180, 270, -90])
@pytest.mark.parametrize("container_name", ["mp4", "mov"])
def test_clips_are_measured_as_their_rotation_turns_them(rotation, container_name):
    data = clip([0, 1, 2, 3], container_name, rotation=rotation)
    width, height = (32, 64) if rotation % 180 else (64, 32)
    assert probe_clip(data) == {"width_px": width, "height_px": height, "length_s": 1.0, "frame_rate_hz": 4.0}
    assert decode_clip(data, 1).shape == (1, 3, height, width)


def test_a_rotation_behind_a_box_of_64_bits_is_found():
    data = clip([0, 1], rotation=90)
    moov = data.index(b"moov") - 4
    moved = data[:moov] + struct.pack(">I4sQ", 1, b"free", 16) + data[moov:]
    assert probe_clip(moved)["height_px"] == 64


def test_the_matrix_of_the_sound_track_turns_no_picture():
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        tracks = [container.add_stream("aac", rate=RATE_HZ, layout="mono"), container.add_stream("libx264", rate=4)]
        tracks[1].width, tracks[1].height, tracks[1].pix_fmt = 64, 32, "yuv420p"
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.rate = RATE_HZ
        black = av.VideoFrame.from_ndarray(np.zeros((32, 64, 3), np.uint8), format="rgb24")
        for track, frame in zip(tracks, (silence, black), strict=True):
            container.mux([*track.encode(frame), *track.encode(None)])
    data = bytearray(file.getvalue())
    matrix = data.index(b"tkhd") + 4 + 40  # of the first track
    data[matrix : matrix + 8] = struct.pack(">ii", 0, 1 << 16)
    assert probe_clip(bytes(data)) == {"width_px": 64, "height_px": 32, "length_s": 0.25, "frame_rate_hz": 4.0}


@pytest.mark.parametrize("container_name", ["mp4", "matroska"])
@pytest.mark.parametrize(
    ("times", "length_s"), [([0, 6, 7], 2.0), ([100, 101, 102, 103], 1.0), ([0, 1, 2, 10], 2.75), ([0], 0.25)]
)
def test_length_and_mean_rate_follow_from_when_frames_are_shown(times, length_s, container_name):
    found = probe_clip(clip(times, container_name))
    assert found["length_s"] == pytest.approx(length_s, abs=0.002)  # Matroska counts milliseconds
    assert found["frame_rate_hz"] == pytest.approx(len(times) / length_s, rel=0.01)


@pytest.mark.parametrize(
    ("container_name", "codec"),
    [("h264", "libx264"), ("avi", "mpeg4"), ("webm", "libvpx-vp9"), ("mpegts", "libx264"), ("flv", "libx264")],
)
def test_other_containers(container_name, codec):
    found = probe_clip(clip(list(range(8)), container_name, codec))
    assert (found["width_px"], found["height_px"]) == (64, 32)
    if container_name != "h264":  # which has no times: 25 frames a second are taken as usual
        assert found["length_s"] == pytest.approx(2.0, abs=0.01)
        assert found["frame_rate_hz"] == pytest.approx(4.0, rel=0.01)


def test_b_frames_and_pieces_change_nothing():
    whole = probe_clip(clip(list(range(10))))
    assert whole["length_s"] == 2.5
    assert probe_clip(clip(list(range(10)), **{"x264-params": "bframes=2:b-adapt=0:scenecut=0"})) == whole
    assert probe_clip(clip(list(range(10)), movflags="frag_keyframe+empty_moov")) == whole


def test_no_frame_is_decoded():
    data = bytearray(clip([0, 1, 2, 3]))
    whole = probe_clip(bytes(data))
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    with pytest.raises(MediaFault):
        decode_clip(bytes(data), 4)
    assert probe_clip(bytes(data)) == whole


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize("data", [b"", b"text", bytes(5000), PLAYLIST, sound("WAV"), clip([0, 1])[:400]])
def test_no_clip(data):
    assert kind_of(probe_clip, data) == "broken_video"


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_U8"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("FLAC", None), ("OGG", None), ("MP3", None)],
)
def test_sounds_that_soundfile_reads(container, subtype, rate_hz, channels):
    data = sound(container, rate_hz, channels, subtype=subtype)
    assert probe_sound(data) == {"length_s": 1.5, "sample_rate_hz": rate_hz, "num_channels": channels}
    assert len(decode_sound(data, rate_hz)) == 1.5 * rate_hz


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("container", "codec", "rate_hz"),
    [("mp4", "aac", 44_100), ("ipod", "aac", 48_000), ("matroska", "pcm_s16le", 16_000), ("webm", "libopus", 48_000)],
)
def test_sounds_that_av_reads(container, codec, rate_hz, channels):
    data = sound_by_av(container, codec, rate_hz, channels)
    found = probe_sound(data)
    assert (found["sample_rate_hz"], found["num_channels"]) == (rate_hz, channels)
    assert found["length_s"] == pytest.approx(1.5, abs=2 * 1024 / rate_hz)  # aac fills its last frame
    assert found["length_s"] * rate_hz == pytest.approx(len(decode_sound(data, rate_hz)), abs=2 * 1024)


def test_a_flac_that_was_written_to_a_pipe():
    data = bytearray(encode_flac(torch.zeros(24_000), RATE_HZ))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    assert probe_sound(bytes(data)) == {"length_s": 1.5, "sample_rate_hz": RATE_HZ, "num_channels": 1}


@pytest.mark.parametrize("data", [b"", sound("WAV", length_s=0.0)])
def test_sounds_without_samples(data):
    assert kind_of(probe_sound, data) == "empty_audio"


def test_a_title_in_another_encoding_does_no_harm():
    data = sound_by_av("mp4", "aac", RATE_HZ, 1)
    assert data.count(b"Lavf") == 1
    latin = data.replace(b"Lavf", b"Caf\xe9")  # who wrote the file, as its metadata tell
    assert probe_sound(latin) == probe_sound(data)


@pytest.mark.parametrize("data", [b"x", b"RIFF", b"fLaC", b"ID3", bytes(5000), PLAYLIST, clip([0, 1])])
def test_no_sound(data):
    assert kind_of(probe_sound, data) == "broken_audio"


@pytest.mark.parametrize(
    ("modality", "whole"),
    [
        ("image", turned("JPEG", 6)),
        ("video", encode_mp4(torch.zeros(4, 3, 32, 32, dtype=torch.uint8), 4)),
        ("audio", sound("FLAC", length_s=0.1)),
        ("audio", sound_by_av("mp4", "aac", RATE_HZ, 1, 0.1)),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_damaged_heads_are_told_or_faults(modality, whole):
    rng = rng_of("damaged heads")
    faults = 0
    for _ in range(300):
        data = bytearray(whole[: rng.integers(1, len(whole) + 1)] if rng.random() < 0.5 else whole)
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(0, 256)
        try:
            found = MEDIA[modality].probe(bytes(data))
        except MediaFault:
            faults += 1
        else:
            assert all(np.isfinite(value) and value >= 0 for value in found.values())
    assert 5 < faults < 300


@pytest.mark.parametrize(
    ("extension", "modality"),
    [("jpg", "image"), ("0.jpg", "image"), ("a.b.mp4", "video"), ("flac", "audio"), ("txt", None), ("jpg.npy", None)],
)
def test_modality_of_an_extension(extension, modality):
    assert modality_of(extension) == modality
