"""Clips: which frames are taken by time, what is refused, and that encoding is faithful and repeatable."""

import io
import wave

import av
import numpy as np
import pytest
import torch

from anyany.media.clips import decode_clip, encode_mp4
from anyany.media.table import MediaFault
from anyany.seeds import rng_of
from tests.media.files import greys, taken


@pytest.mark.parametrize("num_given", [1, 2, 3, 7, 8, 10])
@pytest.mark.parametrize("num_asked", [1, 2, 5, 8, 16])
def test_frames_in_the_middle_of_equal_intervals(num_given, num_asked):
    middles = [(i + 0.5) * num_given / num_asked for i in range(num_asked)]  # in frames
    expected = [int(middle) for middle in middles]
    assert taken(encode_mp4(greys(num_given), 4), num_asked) == expected


def test_as_many_frames_as_there_are_come_back_as_they_were():
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, 256, (8, 1, 4, 4), generator=generator, dtype=torch.uint8)
    frames = blocks.repeat_interleave(8, 2).repeat_interleave(8, 3).expand(8, 3, 32, 32).contiguous()
    decoded = decode_clip(encode_mp4(frames, 4), 8)
    assert decoded.dtype == torch.uint8
    assert decoded.is_contiguous()
    assert ((decoded.float() - frames.float()) ** 2).mean() < 255**2 / 10**3.8  # 38 dB


def wav() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16_000))
    return buffer.getvalue()


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.7])
def test_cut_off_clips_are_faults(kept):
    data = encode_mp4(greys(8), 4)
    with pytest.raises(MediaFault) as caught:
        decode_clip(data[: int(kept * len(data))], 8)
    assert caught.value.kind == "broken_video"


@pytest.mark.parametrize("data", [b"", b"no clip", bytes(5000), wav()], ids=["empty", "text", "zeros", "sound alone"])
def test_garbage_and_sounds_are_faults(data):
    with pytest.raises(MediaFault, match=f"clip of {len(data)} bytes") as caught:
        decode_clip(data, 8)
    assert caught.value.kind == "broken_video"


def test_overwritten_pictures_are_faults():
    data = bytearray(encode_mp4(greys(8), 4))
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    with pytest.raises(MediaFault, match="clip of"):
        decode_clip(bytes(data), 8)


def test_no_frames_asked_for_is_refused():
    with pytest.raises(ValueError, match="num_frames is 0"):
        decode_clip(encode_mp4(greys(2), 4), 0)


def test_same_frames_same_bytes_that_browsers_play():
    data = encode_mp4(greys(8), 4)
    assert data == encode_mp4(greys(8).clone(), 4)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 4
        assert stream.duration * stream.time_base == 2


@pytest.mark.parametrize(
    "wrong", [greys(2).float(), greys(2)[0], greys(2, 31, 32), greys(2, 32, 31), greys(0), greys(2)[:, :1]]
)
def test_encoding_refuses_what_is_no_clip(wrong):
    with pytest.raises(ValueError, match=r"give uint8 \[F, 3, H, W\]"):
        encode_mp4(wrong, 4)


def test_damaged_clips_are_clips_or_faults():
    """Bytes changed at random: whatever comes of it, it is a clip or a MediaFault."""
    rng = rng_of("damaged clips")
    whole = encode_mp4(torch.from_numpy(rng.integers(0, 255, (4, 3, 32, 32), dtype=np.uint8)), 4)
    faults = 0
    for _ in range(400):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            data[place] = rng.integers(0, 256)
        try:
            assert decode_clip(bytes(data), 4).shape[0] == 4
        except MediaFault:
            faults += 1
    assert faults > 20
