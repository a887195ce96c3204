"""Small media files as real encoders write them, and what their tests share."""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from av.container import OutputContainer
from PIL import Image

from anyany.media.clips import decode_clip
from anyany.media.table import MediaFault

STEP = 25  # grey levels between one frame of ``greys`` and the next
RATE_HZ = 16_000
_X265 = {  # its threads have once waited for each other for ever; B-frames get random times in short clips
    "x265-params": "log-level=none:bframes=0:pools=none:frame-threads=1"
}
_CODEC_OPTIONS = {"libx265": _X265}


def saved(image: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, bits: int, color: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG of what Pillow does not write. ``color``: 0 grey, 2 RGB, 4 grey and alpha, 6 RGBA; rows begin with 0."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
    data = png_chunk(b"IDAT", zlib.compress(rows, 1))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + data + png_chunk(b"IEND", b"")


def picture_file_by_av(samples: np.ndarray, pixel_format: str, codec: str) -> bytes:
    """A PNG or TIFF written by FFmpeg, in a layout of samples that Pillow does not write."""
    frame = av.VideoFrame.from_ndarray(samples, format=pixel_format)
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, pixel_format
    context.time_base, frame.pts = Fraction(1), 0
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))


def greys(num_frames: int, height: int = 32, width: int = 32) -> torch.Tensor:
    """Frame i is plain grey of STEP * i: uint8 [F, 3, H, W]."""
    levels = torch.arange(num_frames, dtype=torch.uint8) * STEP
    return levels[:, None, None, None].expand(num_frames, 3, height, width).contiguous()


def taken(data: bytes, num_frames: int) -> list[int]:
    """Which of ``greys`` each decoded frame is; all must be plain and within 3 levels."""
    frames = decode_clip(data, num_frames).float()
    index = (frames.mean((1, 2, 3)) / STEP).round()
    assert (frames - STEP * index[:, None, None, None]).abs().max() <= 3
    return index.int().tolist()


def clip_file(
    frames: torch.Tensor,
    times: Sequence[int],
    container_name: str = "mp4",
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    rate_hz: int = 4,
    sound: tuple[np.ndarray, int, str] | None = None,
    **options: str,
) -> bytes:
    """The frames ([F, 3, H, W], or 4 with alpha), shown from these times on, in units of 1 / ``rate_hz``.

    A sound is its samples, their rate and the codec.
    """
    buffer, tick, (height, width) = io.BytesIO(), Fraction(1, rate_hz), frames.shape[2:]
    options = _CODEC_OPTIONS.get(codec, {}) | options
    with av.open(buffer, "w", format=container_name) as container:
        stream = container.add_stream(codec, rate=rate_hz, width=width, height=height, options=options)
        stream.pix_fmt, stream.codec_context.time_base, stream.codec_context.thread_count = pixel_format, tick, 1
        packets = [] if sound is None else _sound_packets(container, *sound)
        for moment, frame in zip(times, frames.permute(0, 2, 3, 1).contiguous().numpy(), strict=True):
            shown = av.VideoFrame.from_ndarray(frame, format="rgb24" if frame.shape[2] == 3 else "rgba")
            shown.pts, shown.time_base = moment, tick
            container.mux(stream.encode(shown))
        container.mux([*stream.encode(None), *packets])
    return buffer.getvalue()


def sine(rate_hz: int, hz: float = 537.0, length_s: float = 0.5, peak: float = 0.5) -> np.ndarray:
    return peak * np.sin(2 * np.pi * hz * np.arange(round(rate_hz * length_s)) / rate_hz)


def sound_file(sound_SN: np.ndarray, rate_hz: int, container: str, subtype: str | None = None) -> bytes:
    """[S] or [S, N], written by libsndfile."""
    file = io.BytesIO()
    soundfile.write(file, sound_SN, rate_hz, format=container, subtype=subtype)
    return file.getvalue()


def sound_file_by_av(sound_NS: np.ndarray, rate_hz: int, container: str, codec: str, layout: str = "mono") -> bytes:
    """[N, S] (or [S], one channel), written by FFmpeg."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        output.mux(_sound_packets(output, sound_NS, rate_hz, codec, layout))
    return file.getvalue()


def _sound_packets(
    output: OutputContainer, sound_NS: np.ndarray, rate_hz: int, codec: str, layout: str = "mono"
) -> list[av.Packet]:
    """Of a new stream."""
    stream = output.add_stream(codec, rate=rate_hz, layout=layout)
    stream.bit_rate = 256_000  # at its usual rate FFmpeg's AAC loses whole waves of a lone sine
    samples_NS = np.atleast_2d(sound_NS).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples_NS, format="fltp", layout=layout)
    frame.rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
    size = stream.codec_context.frame_size or 1024
    resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate_hz, frame_size=size)
    pieces = (*resampler.resample(frame), *resampler.resample(None), None)
    return [packet for piece in pieces for packet in stream.encode(piece)]


def fault_of(decode: Callable[..., object], *arguments: object) -> MediaFault:
    with pytest.raises(MediaFault) as caught:
        decode(*arguments)
    return caught.value


def memory_taken(call: Callable[[], object]) -> float:
    """MiB by which the process grew at most during the call."""
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not clear.exists():
        pytest.skip("this system does not measure the peak of a process's memory anew")

    def kilobytes(name: str) -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name))

    clear.write_text("5")
    before = kilobytes("VmRSS")
    call()
    return (kilobytes("VmHWM") - before) / 1024
