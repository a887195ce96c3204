"""Pictures: what odd files decode to, what is refused, and that encoding is faithful and repeatable."""

import io
import pickle
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from anyany.media.pictures import MAX_PIXELS, decode_picture, encode_jpeg, encode_png
from anyany.media.table import MediaFault

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
# What a viewer does with a stored picture, by EXIF orientation (TIFF 6.0, tag 274).
TURNED = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: stored[::-1, ::-1],
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}


def noise_HW3(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def saved(image: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def pixels(data: bytes) -> list[list[list[int]]]:
    """[H][W] of RGB, as plain numbers."""
    return decode_picture(data).permute(1, 2, 0).tolist()


def smooth(height: int, width: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(0, 200, height), torch.linspace(0, 200, width), indexing="ij")
    return torch.stack([x, y, 200 - x]).to(torch.uint8)


def test_png_comes_back_exactly():
    picture = torch.from_numpy(noise_HW3(5, 7)).permute(2, 0, 1)
    decoded = decode_picture(encode_png(picture))
    assert decoded.dtype == torch.uint8
    assert decoded.is_contiguous()
    assert torch.equal(decoded, picture)


def test_jpeg_is_close_and_keeps_the_chroma_of_single_pixels():
    red_dot = torch.zeros(3, 16, 16, dtype=torch.uint8)
    red_dot[0, 5, 6] = 255  # at half resolution of chroma a quarter of its redness would be left
    decoded = decode_picture(encode_jpeg(red_dot)).int()
    assert decoded[0, 5, 6] - decoded[2, 5, 6] > 200
    assert (decode_picture(encode_jpeg(smooth(32, 48))).int() - smooth(32, 48).int()).abs().max() <= 6


@pytest.mark.parametrize("encode", [encode_jpeg, encode_png])
def test_same_picture_same_bytes(encode):
    assert encode(smooth(32, 32)) == encode(smooth(32, 32).clone())


@pytest.mark.parametrize("wrong", [torch.zeros(3, 4, 4), torch.zeros(4, 4, 3, dtype=torch.uint8)])
def test_encoding_refuses_what_is_no_picture(wrong):
    with pytest.raises(ValueError, match=r"give uint8 \[3, H, W\]"):
        encode_png(wrong)


@pytest.mark.parametrize("orientation", TURNED)
def test_exif_orientation_is_applied(orientation):
    stored = noise_HW3(2, 3)
    exif = Image.Exif()
    exif[274] = orientation
    data = saved(Image.fromarray(stored), "PNG", exif=exif)
    assert pixels(data) == TURNED[orientation](stored).tolist()


def test_transparency_lies_over_white():
    half_black = Image.new("RGBA", (1, 1), (0, 0, 0, 51))  # 20 % black over white: 0.8 * 255 = 204
    grey = Image.new("LA", (1, 1), (100, 0))
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    assert pixels(saved(half_black, "PNG")) == [[[204, 204, 204]]]
    assert pixels(saved(grey, "PNG")) == [[[255, 255, 255]]]
    assert pixels(saved(palette, "PNG")) == [[[255, 0, 0], [0, 0, 255]]]
    assert pixels(saved(palette, "PNG", transparency=1)) == [[[255, 0, 0], [255, 255, 255]]]
    opaque = Image.new("RGB", (1, 1), (9, 8, 7))
    assert pixels(saved(opaque, "PNG", transparency=(9, 8, 7))) == [[[255, 255, 255]]]


def test_sixteen_bits_and_floats_are_scaled_not_clipped():
    deep = Image.fromarray(np.array([[0, 0x8000, 0xFFFF]], dtype=np.uint16))
    real = Image.fromarray(np.array([[0.0, 0.5, 1.0]], dtype=np.float32))
    for data in (saved(deep, "PNG"), saved(deep, "TIFF"), saved(real, "TIFF")):
        assert [pixel[0] for pixel in pixels(data)[0]] == [0, 128, 255]


def test_cmyk_and_grey_become_rgb():
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    assert np.allclose(pixels(saved(cyan, "JPEG", quality=95)), [0, 255, 255], atol=3)
    assert pixels(saved(Image.new("L", (1, 1), 77), "PNG")) == [[[77, 77, 77]]]
    assert pixels(saved(Image.new("1", (1, 1), 1), "PNG")) == [[[255, 255, 255]]]


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation(format_name):
    first, second = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))
    lossless = {"lossless": True} if format_name == "WEBP" else {}
    data = saved(first, format_name, save_all=True, append_images=[second], **lossless)
    assert pixels(data)[0][0] == [255, 0, 0]


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("kept", [0.0, 0.05, 0.5, 0.9])
def test_cut_off_pictures_are_faults(format_name, kept):
    data = saved(Image.fromarray(noise_HW3(64, 64)), format_name)
    assert decode_picture(data).shape == (3, 64, 64)
    with pytest.raises(MediaFault) as caught:
        decode_picture(data[: int(kept * len(data))])
    assert caught.value.kind == "broken_image"
    assert pickle.loads(pickle.dumps(caught.value)).kind == "broken_image"


@pytest.mark.parametrize("data", [b"", b"not a picture", bytes(1000), b"\xff\xd8\xff\xe0" + bytes(100)])
def test_garbage_is_a_fault(data):
    with pytest.raises(MediaFault, match=f"picture of {len(data)} bytes"):
        decode_picture(data)


@pytest.mark.parametrize("side", [8_001, 10_000, 40_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_by_their_header(side):
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    assert side * side > MAX_PIXELS
    with pytest.raises(MediaFault) as caught:
        decode_picture(data)
    assert caught.value.kind == "huge_image"
