"""Clips: which frames are taken by time, what is refused, and that encoding is faithful and repeatable."""

import io
import struct
import wave
from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from anyany.media.clips import decode_clip, encode_mp4
from anyany.media.table import MediaFault
from anyany.seeds import rng_of

STEP = 25  # grey levels between one frame and the next


def greys(num_frames: int, height: int = 32, width: int = 32) -> torch.Tensor:
    """Frame i is plain grey of STEP * i."""
    levels = torch.arange(num_frames, dtype=torch.uint8) * STEP
    return levels[:, None, None, None].expand(num_frames, 3, height, width).contiguous()


def taken(data: bytes, num_frames: int) -> list[int]:
    """Which of ``greys`` each decoded frame is; all must be plain and within 3 levels."""
    frames = decode_clip(data, num_frames).float()
    index = (frames.mean((1, 2, 3)) / STEP).round()
    assert (frames - STEP * index[:, None, None, None]).abs().max() <= 3
    return index.int().tolist()


def written(
    frames: torch.Tensor, times: list[int], container_name: str, codec: str = "libx264", **options: str
) -> bytes:
    """The frames shown from these times on, in quarters of a second."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container_name) as container:
        stream = container.add_stream(codec, rate=4, width=frames.shape[3], height=frames.shape[2], options=options)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 4)
        for moment, frame in zip(times, frames.permute(0, 2, 3, 1).contiguous().numpy(), strict=True):
            shown = av.VideoFrame.from_ndarray(frame, format="rgb24")
            shown.pts, shown.time_base = moment, Fraction(1, 4)
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))
    return buffer.getvalue()


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


@pytest.mark.parametrize("container_name", ["mp4", "matroska"])
def test_a_frame_counts_for_as_long_as_it_is_shown(container_name):
    data = written(greys(3), [0, 6, 7], container_name)
    shown = taken(data, 8)
    assert shown[:6] == [0] * 6
    assert shown[-1] == 2
    assert shown == sorted(shown)


def test_a_clip_may_begin_late():
    assert taken(written(greys(4), [100, 101, 102, 103], "matroska"), 4) == [0, 1, 2, 3]


@pytest.mark.parametrize(("container_name", "codec"), [("h264", "libx264"), ("avi", "mpeg4"), ("webm", "libvpx-vp9")])
def test_containers_without_times_or_durations(container_name, codec):
    assert taken(written(greys(6), list(range(6)), container_name, codec), 6) == [0, 1, 2, 3, 4, 5]


def test_b_frames_come_in_order_of_showing():
    data = written(greys(10), list(range(10)), "mp4", **{"x264-params": "bframes=2:b-adapt=0:scenecut=0"})
    with av.open(io.BytesIO(data)) as container:
        times = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert times != sorted(times)
    assert taken(data, 10) == list(range(10))


def test_rotation_is_applied():
    frames = torch.full((2, 3, 32, 64), 20, dtype=torch.uint8)
    frames[:, :, :16, :16] = 220  # bright at top left
    data = bytearray(encode_mp4(frames, 4))
    turn = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 32 << 16, 0, 1 << 30)  # a phone held upright
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 36] = turn
    upright = decode_clip(bytes(data), 2)
    assert upright.shape == (2, 3, 64, 32)
    expected = np.rot90(frames.numpy(), -1, axes=(2, 3))  # clockwise: bright at top right
    assert np.abs(upright.numpy().astype(int) - expected).max() <= 20
    assert upright[:, :, :12, 20:].min() > 200


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
