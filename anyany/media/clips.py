"""Clips: bytes <-> uint8 tensors, RGB. F: frames, C: the three channels, H, W: height and width in pixels."""

import bisect
import io
import itertools
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import torch
from av.container import InputContainer
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image
from torch import Tensor

from anyany.media.pictures import over_white
from anyany.media.table import MediaFault

MAX_FRAME_PIXELS = 8192 * 4320  # 8K: eight such frames take 0.85 GB
MAX_FRAMES = 216_000  # an hour at 60 a second
# FFmpeg tells the format from the bytes. Of those it knows, these hold a clip; a playlist would open other files.
READ_OPTIONS = {
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,gif,h264,hevc",
    "max_pixels": str(MAX_FRAME_PIXELS),
}
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
    varies a frame counts for as long as it is shown. What an edit list leaves out is left out.

    Turned as its rotation says, transparency over white (VP9's is not read), all frames in the size of the first. The
    pixels are those stored: interlaced lines stay together, and pixels that are not square are not stretched. One
    thread: the loader has many workers, and starting threads for a short clip costs ten times its decoding.

    Raises:
        MediaFault: ``broken_video`` where there is no video stream, or where a part of it does not decode;
            ``huge_video`` above ``MAX_FRAME_PIXELS``, ``long_video`` above ``MAX_FRAMES``.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}; ask for at least one frame")
    try:
        with av.open(io.BytesIO(data), mode="r", options=READ_OPTIONS, metadata_errors="replace") as container:
            if not container.streams.video:
                raise MediaFault("broken_video", f"clip of {len(data)} bytes has no video stream")
            _check_size(container.streams.video[0], data)
            return _clip_of(_frames_by_time(container, num_frames), num_frames)
    except MediaFault:
        raise
    except (av.FFmpegError, EOFError, ValueError) as error:
        raise MediaFault("broken_video", f"clip of {len(data)} bytes does not decode: {error}") from error


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


def _check_size(stream: VideoStream, data: bytes) -> None:
    context = stream.codec_context
    if context is None:  # typed as always there, but not where the codec's name is damaged
        raise ValueError("it has no known codec")
    width, height = context.width, context.height
    if not width or not height:  # most decoders forget a size above the limit; the header alone still tells it
        undecoded = {"format_whitelist": READ_OPTIONS["format_whitelist"], "codec_whitelist": "none"}
        with av.open(io.BytesIO(data), mode="r", options=undecoded, metadata_errors="replace") as container:
            width, height = container.streams.video[0].width, container.streams.video[0].height
    if width * height > MAX_FRAME_PIXELS:
        message = f"clip of {width} x {height} pixels; at most {MAX_FRAME_PIXELS:,} are read, scale it down"
        raise MediaFault("huge_video", message)


def _clip_of(frames: Iterator[np.ndarray], num_frames: int) -> Tensor:
    """Frames [H, W, 3] as one [F, 3, H, W], of which there is never a second copy."""
    first = next(frames)
    clip_FCHW = np.empty((num_frames, 3, *first.shape[:2]), np.uint8)
    for index, frame_HWC in enumerate(itertools.chain([first], frames)):
        clip_FCHW[index] = frame_HWC.transpose(2, 0, 1)
    return torch.from_numpy(clip_FCHW)


def _frames_by_time(container: InputContainer, num_frames: int) -> Iterator[np.ndarray]:
    """The frames shown in the middle of each of ``num_frames`` equal intervals, as uint8 [H, W, 3]."""
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    stream.codec_context.options = {"max_pixels": READ_OPTIONS["max_pixels"]}  # a frame may say more than the header
    packets = _packets(container, stream)
    times, end, by_order = _times(packets, stream.codec_context.has_b_frames)
    middles = [times[0] + (end - times[0]) * Fraction(2 * i + 1, 2 * num_frames) for i in range(num_frames)]
    scaler, size = VideoReformatter(), None
    shown: av.VideoFrame | None = None
    for index, frame in enumerate(frame for packet in packets for frame in packet.decode()):
        assert isinstance(frame, av.VideoFrame)
        size = size or (frame.width, frame.height)
        time = times[min(index, len(times) - 1)] if by_order or frame.pts is None else frame.pts
        due = bisect.bisect_left(middles, time)  # how many middles lie before it
        if shown is not None and due:
            yield from [_to_rgb(shown, scaler, size)] * due
            del middles[:due]
        shown = frame
    if shown is None or size is None:
        raise ValueError("it has no frames")
    if middles:
        yield from [_to_rgb(shown, scaler, size)] * len(middles)


def _packets(container: InputContainer, stream: VideoStream) -> list[av.Packet]:
    """All of them, compressed and so small; the last, empty one flushes the decoder."""
    packets = list(itertools.islice(container.demux(stream), MAX_FRAMES + 2))
    if len(packets) > MAX_FRAMES + 1:
        raise MediaFault("long_video", f"clip of more than {MAX_FRAMES:,} frames; cut it into pieces")
    return packets


def _times(packets: list[av.Packet], has_b_frames: bool) -> tuple[list[int], int, bool]:
    """When each frame begins, in order of showing, and the last ends; and whether the frames themselves do not know it.

    Raw H.264 has no times, so they are counted in frames. AVI's follow the order of decoding, which is another where
    there are B-frames.
    """
    filled = [packet for packet in packets if packet.size and not packet.is_discard]
    if not filled:
        raise ValueError("it has no frames")
    stored = [packet.pts for packet in filled if packet.pts is not None]
    times = sorted(stored)
    if len(times) < len(filled) or (len(times) > 1 and times[0] == times[-1]):
        return list(range(len(filled))), len(filled), True
    last = next(packet for packet in filled if packet.pts == times[-1])
    usual = (times[-1] - times[0]) // max(1, len(times) - 1)
    return times, times[-1] + (last.duration or usual or 1), has_b_frames and stored == times


def _to_rgb(frame: av.VideoFrame, scaler: VideoReformatter, size: tuple[int, int]) -> np.ndarray:
    """Upright, and in this (width, height) before it is turned."""
    if frame.is_corrupt:
        raise ValueError(f"the frame at {frame.time} s is damaged")
    has_alpha = any(component.is_alpha for component in frame.format.components)
    picture_HWC = scaler.reformat(
        frame, *size, format="rgba" if has_alpha else "rgb24", interpolation=_CHROMA, threads=1
    ).to_ndarray()
    if has_alpha:
        picture_HWC = np.asarray(over_white(Image.fromarray(picture_HWC)))
    return np.rot90(picture_HWC, round(frame.rotation / 90))  # both counted anticlockwise
