"""Clips: bytes <-> uint8 tensors, RGB. F: frames, C: the three channels, H, W: height and width in pixels."""

import io
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import torch
from av.container import InputContainer
from av.video.reformatter import Interpolation, VideoReformatter
from torch import Tensor

from anyany.media.table import MediaFault

# Of the presets, superfast is the quickest on small frames (ultrafast spends its time on many more bits). No B-frames
# and no look-ahead: they save bits by waiting, and start a thread. crf: 0 is lossless, 18 looks so, 51 is the worst.
_X264 = {"preset": "superfast", "crf": "12", "x264-params": "bframes=0:rc-lookahead=0:scenecut=0"}
# By default the scaler takes the chroma of every second pixel and doubles it on the way back, which costs 1 dB here.
_CHROMA = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)


def decode_clip(data: bytes, num_frames: int) -> Tensor:
    """Frames taken by time over the whole clip: uint8 [F, 3, H, W] with F = ``num_frames``.

    The clip's duration is cut into F equal intervals, and the frame that is shown in the middle of each is taken. So a
    clip of F frames at a constant rate gives exactly its frames, a shorter one repeats some, and where the frame rate
    varies a frame counts for as long as it is shown. Turned as its rotation says. One thread: the loader has many
    workers, and starting threads for a short clip costs ten times its decoding.

    Raises:
        MediaFault: ``broken_video`` where there is no video stream, or where a part of it does not decode.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}; ask for at least one frame")
    try:
        with av.open(io.BytesIO(data), mode="r") as container:
            if not container.streams.video:
                raise MediaFault("broken_video", f"clip of {len(data)} bytes has no video stream")
            frames_FHWC = np.stack(list(_frames_by_time(container, num_frames)))
    except MediaFault:
        raise
    except (av.FFmpegError, EOFError, ValueError) as error:
        raise MediaFault("broken_video", f"clip of {len(data)} bytes does not decode: {error}") from error
    return torch.from_numpy(frames_FHWC).permute(0, 3, 1, 2).contiguous()


def encode_mp4(frames_FCHW: Tensor, frame_rate_hz: float) -> bytes:
    """H.264 in MP4 (yuv420p, as browsers play it) of a uint8 [F, 3, H, W]; the same frames give the same bytes.

    Raises:
        ValueError: for no frames, another dtype or shape, or an odd height or width, which yuv420p cannot hold.
    """
    num_frames, channels, height, width = frames_FCHW.shape if frames_FCHW.ndim == 4 else (0, 0, 0, 0)
    if frames_FCHW.dtype != torch.uint8 or num_frames < 1 or channels != 3 or height % 2 or width % 2:
        found = f"{frames_FCHW.dtype} {list(frames_FCHW.shape)}"
        raise ValueError(f"frames are {found}; give uint8 [F, 3, H, W] with F of at least 1 and even H and W")
    rate = Fraction(frame_rate_hz).limit_denominator(1001)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=_X264, width=width, height=height)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        to_yuv = VideoReformatter()
        for index, frame_HWC in enumerate(frames_FCHW.permute(0, 2, 3, 1).contiguous().numpy()):
            frame = av.VideoFrame.from_ndarray(frame_HWC, format="rgb24")
            frame = to_yuv.reformat(frame, format="yuv420p", interpolation=_CHROMA, threads=1)
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _frames_by_time(container: InputContainer, num_frames: int) -> Iterator[np.ndarray]:
    """The frames shown in the middle of each of ``num_frames`` equal intervals, as uint8 [H, W, 3]."""
    stream = container.streams.video[0]
    if stream.codec_context is None:  # typed as always there, but not where the codec's name is damaged
        raise ValueError("it has no known codec")
    stream.codec_context.thread_count = 1
    packets = list(container.demux(stream))  # compressed, so small; the last, empty one flushes the decoder
    start, end, has_times = _span(packets)
    middles = [start + (end - start) * Fraction(2 * i + 1, 2 * num_frames) for i in range(num_frames)]
    to_rgb = VideoReformatter()
    shown: av.VideoFrame | None = None
    for index, frame in enumerate(frame for packet in packets for frame in packet.decode()):
        assert isinstance(frame, av.VideoFrame)
        time = frame.pts if has_times and frame.pts is not None else index
        due = sum(middle < time for middle in middles)
        if shown is not None and due:
            yield from [_to_rgb(shown, to_rgb)] * due
            del middles[:due]
        shown = frame
    if shown is None:
        raise ValueError("it has no frames")
    if middles:
        yield from [_to_rgb(shown, to_rgb)] * len(middles)


def _span(packets: list[av.Packet]) -> tuple[int, int, bool]:
    """When the first frame begins and the last ends, and whether that is time: else it is counted in frames."""
    filled = [packet for packet in packets if packet.size]
    times = sorted(packet.pts for packet in filled if packet.pts is not None)
    if not times or len(times) < len(filled) or (len(times) > 1 and times[0] == times[-1]):
        return 0, len(filled), False
    last = next(packet for packet in filled if packet.pts == times[-1])
    usual = (times[-1] - times[0]) // max(1, len(times) - 1)
    return times[0], times[-1] + (last.duration or usual or 1), True


def _to_rgb(frame: av.VideoFrame, to_rgb: VideoReformatter) -> np.ndarray:
    if frame.is_corrupt:
        raise ValueError(f"the frame at {frame.time} s is damaged")
    picture_HWC = to_rgb.reformat(frame, format="rgb24", interpolation=_CHROMA, threads=1).to_ndarray()
    return np.rot90(picture_HWC, round(frame.rotation / 90))  # both counted anticlockwise
