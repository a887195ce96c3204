"""Files that ask for far more memory than they have bytes: refused, or read with little. Limits are in MiB."""

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from anyany.media import clips, sounds
from anyany.media.clips import decode_clip
from anyany.media.pictures import MAX_PIXELS, decode_picture
from anyany.media.sounds import decode_sound
from tests.media.files import clip_file, fault_of, greys, memory_taken, png, png_chunk, saved, sound_file, taken

# Where the header of a picture of 16 x 16 holds its width and height.
SIZES = {
    "PNG": (b"IHDR", 4, ">II"),
    "GIF": (b"GIF8", 6, "<HH"),
    "BMP": (b"BM", 18, "<ii"),
    "JPEG": (b"\xff\xc0", 5, ">HH"),
}


def picture_that_says(format_name: str, side: int) -> bytes:
    data = bytearray(saved(Image.new("RGB", (16, 16)), format_name))
    if format_name == "TIFF":
        entries = [(struct.pack("<HHII", tag, 4, 1, 16), struct.pack("<HHII", tag, 4, 1, side)) for tag in (256, 257)]
        return bytes(data).replace(*entries[0]).replace(*entries[1])
    mark, offset, form = SIZES[format_name]
    struct.pack_into(form, data, data.index(mark) + offset, side, side)
    if format_name == "PNG":
        data[8:33] = png_chunk(b"IHDR", bytes(data[16:29]))
    return bytes(data)


@pytest.mark.parametrize("format_name", [*SIZES, "TIFF"])
@pytest.mark.parametrize("side", [8_001, 10_000, 40_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_is_refused_by_its_header(format_name, side):
    data = picture_that_says(format_name, side)
    assert side * side > MAX_PIXELS
    assert picture_that_says(format_name, 16) == saved(Image.new("RGB", (16, 16)), format_name)
    assert memory_taken(lambda: fault_of(decode_picture, data)) < 8
    assert fault_of(decode_picture, data).kind == "huge_image"


@pytest.mark.parametrize(("name", "head"), [(b"zTXt", b"\0"), (b"iTXt", b"\1\0\0\0"), (b"iCCP", b"\0")])
def test_a_text_that_unpacks_to_much_is_not_unpacked(name, head):
    body = b"key\0" + head + zlib.compress(bytes(50_000_000), 1)
    data = png(1, 1, 8, 2, bytes(4), png_chunk(name, body))
    assert memory_taken(lambda: fault_of(decode_picture, data)) < 8
    assert fault_of(decode_picture, data).kind == "broken_image"


def test_of_an_animation_one_frame_is_unpacked():
    frames = [Image.new("L", (500, 500), level) for level in range(40)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert memory_taken(lambda: decode_picture(data)) < 8  # all 40 take 10 as grey, 30 as RGB


@pytest.mark.parametrize(
    ("container_name", "codec", "pixel_format"),
    [
        ("mp4", "libx264", "yuv420p"),
        ("mp4", "libx265", "yuv420p"),
        ("mov", "png", "rgb24"),
        ("mov", "prores", "yuv422p10le"),
        ("matroska", "mjpeg", "yuvj420p"),
        ("webm", "libvpx", "yuv420p"),
        ("webm", "libvpx-vp9", "yuv420p"),
        ("avi", "mjpeg", "yuvj420p"),
        ("avi", "mpeg4", "yuv420p"),
        ("mpegts", "libx264", "yuv420p"),
        ("h264", "libx264", "yuv420p"),
        ("gif", "gif", "gray"),
    ],
)
def test_a_clip_above_the_limit_is_refused(container_name, codec, pixel_format, monkeypatch):
    data = clip_file(greys(2, 64, 96), range(2), container_name, codec, pixel_format)
    assert taken(data, 2) == [0, 1]
    limit = 64 * 96 - 1
    monkeypatch.setattr(clips, "MAX_FRAME_PIXELS", limit)
    monkeypatch.setitem(clips.READ_OPTIONS, "max_pixels", str(limit))
    fault = fault_of(decode_clip, data, 2)
    assert fault.kind == "huge_video"
    assert "96 x 64 pixels; at most 6,143 are read" in str(fault)


@pytest.mark.parametrize(
    ("container_name", "codec", "pixel_format"), [("mp4", "libx264", "yuv420p"), ("avi", "mjpeg", "yuvj420p")]
)
def test_a_huge_clip_is_refused_before_a_frame_is_unpacked(container_name, codec, pixel_format):
    frame = torch.zeros(1, 3, 1, 1, dtype=torch.uint8).expand(1, 3, 6_000, 6_000)
    options = {"preset": "ultrafast"} if codec == "libx264" else {}
    data = clip_file(frame, [0], container_name, codec, pixel_format, **options)
    assert memory_taken(lambda: fault_of(decode_clip, data, 8)) < 40  # one frame: 54 as it is coded, 103 as RGB
    assert fault_of(decode_clip, data, 8).kind == "huge_video"


def test_a_frame_above_the_limit_behind_small_ones_is_refused(monkeypatch):
    data = clip_file(greys(2), range(2), "h264") + clip_file(greys(4, 64, 96)[2:], range(2), "h264")
    assert taken(data, 4) == [0, 1, 2, 3]
    monkeypatch.setitem(clips.READ_OPTIONS, "max_pixels", str(64 * 96 - 1))
    assert fault_of(decode_clip, data, 4).kind == "broken_video"


def test_of_a_long_clip_only_the_frames_asked_for_are_held():
    frames = torch.zeros(1, 3, 1, 1, dtype=torch.uint8).expand(400, 3, 240, 320)
    data = clip_file(frames, range(400), preset="ultrafast")
    assert memory_taken(lambda: decode_clip(data, 8)) < 20  # all frames take 88 as RGB


def test_a_clip_of_more_frames_than_an_hour_has_is_refused(monkeypatch):
    monkeypatch.setattr(clips, "MAX_FRAMES", 8)
    assert taken(clip_file(greys(8), range(8)), 8) == list(range(8))
    assert fault_of(decode_clip, clip_file(greys(9), range(9)), 8).kind == "long_video"


def test_channels_cost_no_memory():
    """Silence at the highest rates: 22 KB of FLAC, 82 MiB as floats, one channel 10."""
    sound = np.zeros((192_000 * 14, 8), np.int16)
    data = sound_file(sound, 192_000, "FLAC", "PCM_16")
    assert len(data) < 22_000
    assert memory_taken(lambda: decode_sound(data, 16_000)) < 60


def test_a_sound_of_more_samples_than_are_held_is_refused(monkeypatch):
    monkeypatch.setattr(sounds, "MAX_SAMPLES", 48_000)
    assert len(decode_sound(sound_file(np.zeros(48_000), 48_000, "FLAC"), 16_000)) == 16_000
    assert fault_of(decode_sound, sound_file(np.zeros(96_000), 96_000, "FLAC"), 16_000).kind == "long_audio"
