"""Pictures: what comes back of what was encoded, what is refused, and that encoding is repeatable."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from anyany.media.pictures import decode_picture, encode_jpeg, encode_png
from anyany.media.table import MediaFault
from tests.media.files import saved

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")


def noise_HW3(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


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
