"""Pictures as cameras, scanners and designers leave them: what a person would see of each."""

import struct

import numpy as np
import pytest
import torch
from PIL import Image

from anyany.media.pictures import decode_picture
from tests.media.files import fault_of, picture_file_by_av, png, png_chunk, saved

WHITE, RED, BLUE = [255, 255, 255], [255, 0, 0], [0, 0, 255]
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


def pixels(data: bytes) -> list[list[list[int]]]:
    """[H][W] of RGB, as plain numbers."""
    return decode_picture(data).permute(1, 2, 0).tolist()


def blocks(height: int = 2, width: int = 3, side: int = 1) -> np.ndarray:
    """Squares of random colours [H, W, 3]; of side 16 they come through JPEG."""
    colors = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return colors.repeat(side, 0).repeat(side, 1)


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def first_row(data: bytes) -> list[int]:
    """The first channel of a grey picture's first row."""
    row = pixels(data)[0]
    assert all(red == green == blue for red, green, blue in row)
    return [red for red, _, _ in row]


def sixteen(*values: int) -> np.ndarray:
    return np.array([values], dtype=np.uint16)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(format_name, orientation):
    lossless = {"lossless": True} if format_name == "WEBP" else {}
    data = saved(Image.fromarray(blocks()), format_name, exif=exif_of(orientation), **lossless)
    assert pixels(data) == TURNED[orientation](blocks()).tolist()


@pytest.mark.parametrize("format_name", ["JPEG", "MPO", "AVIF"])
def test_a_phone_s_picture_is_upright(format_name):
    stored = blocks(side=16)
    second = {"save_all": True, "append_images": [Image.new("RGB", (48, 32))]} if format_name == "MPO" else {}
    data = saved(Image.fromarray(stored), format_name, exif=exif_of(6), quality=95, **second)
    decoded = decode_picture(data).permute(1, 2, 0).numpy()[8::16, 8::16]
    assert np.abs(decoded.astype(int) - np.rot90(blocks(), -1)).max() <= 12


def test_the_orientation_in_xmp_counts_where_exif_has_none():
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    assert decode_picture(saved(Image.fromarray(blocks()), "JPEG", xmp=xmp)).shape == (3, 3, 2)


@pytest.mark.parametrize(
    "exif",
    [
        exif_of(0),
        exif_of(9),
        b"Exif\0\0",
        b"Exif\0\0garbage",
        b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\2\0\0\0\1\6\0\0\0",  # as text
    ],
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_picture_with_a_useless_orientation_stays_as_it_is_stored(exif):
    assert pixels(saved(Image.fromarray(blocks()), "PNG", exif=exif)) == blocks().tolist()


def test_transparency_lies_over_white():
    half_black = Image.new("RGBA", (1, 1), (0, 0, 0, 51))  # 20 % black over white: 0.8 * 255 = 204
    assert pixels(saved(half_black, "PNG")) == [[[204, 204, 204]]]
    assert pixels(saved(half_black, "WEBP", lossless=True)) == [[[204, 204, 204]]]
    assert pixels(saved(Image.new("LA", (1, 1), (0, 51)), "PNG")) == [[[204, 204, 204]]]
    assert pixels(saved(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG", transparency=(9, 8, 7))) == [[WHITE]]
    deep = np.array([[[0, 0, 0, 0x3333]]], dtype=np.uint16)  # 20 % too
    assert pixels(picture_file_by_av(deep, "rgba64be", "png")) == [[[204, 204, 204]]]
    assert pixels(picture_file_by_av(deep.astype("<u2"), "rgba64le", "tiff")) == [[[204, 204, 204]]]
    assert first_row(png(2, 1, 16, 0, b"\0\0\0\x80\0", png_chunk(b"tRNS", b"\0\0"))) == [255, 128]
    assert first_row(png(8, 1, 1, 0, b"\0\xf0", png_chunk(b"tRNS", b"\0\0"))) == [255] * 8


def two_colors() -> Image.Image:
    """A red and a blue pixel, by a palette."""
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putpixel((1, 0), 1)
    return image


@pytest.mark.parametrize(
    ("format_name", "transparency", "expected"),
    [
        ("PNG", None, [RED, BLUE]),
        ("GIF", None, [RED, BLUE]),
        ("TIFF", None, [RED, BLUE]),
        ("PNG", 1, [RED, WHITE]),
        ("GIF", 1, [RED, WHITE]),
        ("PNG", b"\xcc\0", [[255, 51, 51], WHITE]),  # 80 % red
    ],
)
def test_palettes(format_name, transparency, expected):
    options = {} if transparency is None else {"transparency": transparency}
    assert pixels(saved(two_colors(), format_name, **options)) == [expected]


def test_a_palette_with_alpha_beside_it():
    image = two_colors()
    image.putalpha(Image.frombytes("L", (2, 1), b"\xcc\0"))
    assert image.mode == "PA"
    assert pixels(saved(image, "TIFF")) == [[[255, 51, 51], WHITE]]


def test_few_bits_are_spread_over_all_levels():
    assert first_row(saved(Image.frombytes("1", (8, 1), b"\xa0"), "PNG")) == [255, 0, 255, 0, 0, 0, 0, 0]
    assert first_row(saved(Image.frombytes("1", (8, 1), b"\xa0"), "TIFF")) == [255, 0, 255, 0, 0, 0, 0, 0]
    assert first_row(png(4, 1, 2, 0, b"\0\x1b")) == [0, 85, 170, 255]
    assert first_row(png(2, 1, 4, 0, b"\0\x0f")) == [0, 255]
    assert first_row(b"P5 3 1 1023\n" + struct.pack(">3H", 0, 512, 1023)) == [0, 128, 255]


def test_sixteen_bits_and_floats_are_scaled_not_clipped():
    grey = Image.fromarray(sixteen(0, 0x8000, 0xFFFF))
    real = Image.fromarray(np.array([[-0.5, 0.0, 0.5, 1.0, 7.0]], dtype=np.float32))
    for data in (saved(grey, "PNG"), saved(grey, "TIFF"), saved(grey, "TIFF", big_tiff=True), saved(grey, "JPEG2000")):
        assert first_row(data) == [0, 128, 255]
    assert first_row(saved(real, "TIFF")) == [0, 0, 128, 255, 255]
    high_first = Image.frombytes("I;16B", (3, 1), struct.pack(">3H", 0, 0x8000, 0xFFFF))
    assert first_row(saved(high_first, "TIFF")) == [0, 128, 255]


@pytest.mark.parametrize(("codec", "pixel_format"), [("png", "rgb48be"), ("tiff", "rgb48le")])
def test_sixteen_bits_a_colour(codec, pixel_format):
    deep = np.array([[[0, 0x8000, 0xFFFF], [0x0100, 0xFE00, 0x7FFF]]], dtype=np.uint16)
    assert pixels(picture_file_by_av(deep, pixel_format, codec)) == [[[0, 128, 255], [1, 254, 127]]]


def tiff_with(tag: int, old: int, new: int, values: np.ndarray) -> bytes:
    """A TIFF as Pillow writes it, with one number of its header changed."""
    data, entry = saved(Image.fromarray(values), "TIFF"), struct.pack("<HHI", tag, 3, 1)
    assert data.count(entry + struct.pack("<H", old)) == 1
    return data.replace(entry + struct.pack("<H", old), entry + struct.pack("<H", new))


def test_scanners_tiffs():
    assert first_row(tiff_with(262, 1, 0, sixteen(0, 0x8000, 0xFFFF))) == [255, 127, 0]  # 0 is white
    assert first_row(tiff_with(262, 1, 0, np.array([[0, 128, 255]], np.uint8))) == [255, 127, 0]
    assert first_row(tiff_with(258, 16, 12, np.array([[0x0F80, 0x00FF]], np.uint16))) == [128, 255]  # 800 FFF packed


@pytest.mark.parametrize("values", [np.array([[0, 70_000]], np.int32), np.array([[0.5, np.nan]], np.float32)])
def test_what_has_no_known_white_is_refused(values):
    assert fault_of(decode_picture, saved(Image.fromarray(values), "TIFF")).kind == "broken_image"


@pytest.mark.parametrize("format_name", ["JPEG", "TIFF"])
@pytest.mark.parametrize(
    ("ink", "expected"),  # (1 - ink)(1 - black)
    [((255, 0, 0, 0), [0, 255, 255]), ((0, 0, 0, 255), [0, 0, 0]), ((0, 51, 102, 51), [204, 163, 122])],
)
def test_cmyk(format_name, ink, expected):
    cmyk = Image.new("CMYK", (16, 16), ink)
    options = {"quality": 95} if format_name == "JPEG" else {}
    data = saved(cmyk, format_name, icc_profile=b"a profile that is not applied", **options)
    assert (b"Adobe" in data) == (format_name == "JPEG")  # the mark of inverted ink
    assert np.abs(np.array(pixels(data)) - expected).max() <= 3
    assert pixels(data) == pixels(saved(cmyk, format_name, **options))


def test_cmyk_as_photoshop_saves_it():
    """YCCK: the inks go through JPEG's colour transform as if they were RGB, and black beside them."""
    ycc = Image.new("RGB", (16, 16), (200, 100, 50)).convert("YCbCr").split()
    stored = [channel.point(lambda value: 255 - value) for channel in (*ycc, Image.new("L", (16, 16), 204))]
    data = bytearray(saved(Image.merge("CMYK", stored), "JPEG", quality=95))
    data[data.index(b"Adobe") + 11] = 2  # the transform
    assert np.abs(np.array(pixels(bytes(data))) - [(255 - value) * 0.8 for value in (200, 100, 50)]).max() <= 3


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_first_frame_of_several(format_name):
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    lossless = {"lossless": True} if format_name == "WEBP" else {}
    data = saved(first, format_name, save_all=True, append_images=[second, first], **lossless)
    assert np.abs(np.array(pixels(data)) - RED).max() <= 4


def test_a_first_frame_that_covers_part_of_the_canvas():
    data = bytearray(saved(two_colors(), "GIF"))
    data[6:10] = struct.pack("<HH", 4, 3)  # the canvas
    place = data.index(b",\0\0\0\0") + 1
    data[place : place + 4] = struct.pack("<HH", 1, 2)
    assert pixels(bytes(data)) == [[WHITE] * 4, [WHITE] * 4, [WHITE, RED, BLUE, WHITE]]
    layer = Image.new("RGBA", (4, 3))
    layer.putpixel((1, 2), (*RED, 255))
    layer.putpixel((2, 2), (*BLUE, 255))
    webp = saved(layer, "WEBP", save_all=True, append_images=[Image.new("RGBA", (4, 3), "blue")], lossless=True)
    assert pixels(webp) == pixels(bytes(data))


def test_progressive_and_padded_jpegs():
    stored = Image.fromarray(blocks(side=16))
    plain = saved(stored, "JPEG", quality=95)
    progressive = saved(stored, "JPEG", quality=95, progressive=True)
    assert torch.equal(decode_picture(progressive), decode_picture(plain))  # the same coefficients in another order
    for rest in (bytes(1000), b"<html>", plain):
        assert torch.equal(decode_picture(plain + rest), decode_picture(plain))
    assert fault_of(decode_picture, progressive[: len(progressive) // 2]).kind == "broken_image"
    assert fault_of(decode_picture, progressive[:-2]).kind == "broken_image"


def test_a_picture_that_is_a_program_is_not_run():
    fault = fault_of(decode_picture, saved(Image.new("RGB", (4, 4)), "EPS"))
    assert fault.kind == "broken_image"
    assert "cannot be read as JPEG, PNG" in str(fault)
