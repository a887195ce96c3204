"""What the headers of media tell, without decoding a picture or a sample: sizes, lengths and rates, as named numbers.

A probe answers for the head of a file and not for the rest: what decodes to an error later has a good header.
"""

import io
import struct
from collections.abc import Iterator
from fractions import Fraction

import av
import soundfile
from av.video.stream import VideoStream
from PIL import ExifTags, Image, UnidentifiedImageError

from anyany.media.clips import MAX_FRAME_PIXELS, READ_OPTIONS
from anyany.media.pictures import FORMATS, MAX_PIXELS
from anyany.media.table import MediaFault

_NO_DECODER = {"codec_whitelist": "none"}
_SOUND_OPTIONS = {"format_whitelist": "mov,matroska,flac", **_NO_DECODER}  # a playlist would open other files
_TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
_UNKNOWN_LENGTH = 1 << 62  # libsndfile's number of samples where a header gives none is above this


def probe_picture(data: bytes) -> dict[str, float]:
    """Width and height as a person sees the picture. A PNG whose orientation stands behind its pixels counts as stored.

    Raises:
        MediaFault: ``broken_image``, or ``huge_image`` where decoding would refuse it for its size.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size[::-1] if _is_picture_turned(image) else image.size
    except Image.DecompressionBombError as error:
        raise MediaFault("huge_image", f"picture of {len(data)} bytes: {error}; scale it down") from error
    except UnidentifiedImageError as error:
        message = f"picture of {len(data)} bytes that begins with {data[:16]!r} is none of {', '.join(FORMATS)}"
        raise MediaFault("broken_image", f"{message}; fetch it again") from error
    except Exception as error:  # as in decoding: Pillow's readers raise a dozen kinds
        raise MediaFault("broken_image", f"picture of {len(data)} bytes has no readable header: {error}") from error
    if width * height > MAX_PIXELS:
        raise MediaFault("huge_image", f"picture of {width} x {height} pixels; at most {MAX_PIXELS:,}, scale it down")
    return {"width_px": width, "height_px": height}


def probe_clip(data: bytes) -> dict[str, float]:
    """Width and height as shown, seconds, and the mean frames a second, from the times of its packets.

    The rotation is read from MP4 and MOV, not from Matroska.

    Raises:
        MediaFault: ``broken_video``, or ``huge_video`` where decoding would refuse it for its size.
    """
    try:
        width, height, length_s, num_frames = _probe_clip(data, READ_OPTIONS | _NO_DECODER)
        if not width:  # a bare stream of H.264 has no header but the one that its decoder reads
            width, height, length_s, num_frames = _probe_clip(data, READ_OPTIONS)
    except (av.FFmpegError, EOFError, ValueError, struct.error) as error:
        if isinstance(error, MediaFault):
            raise
        raise MediaFault("broken_video", f"clip of {len(data)} bytes has no readable header: {error}") from error
    if not width:
        raise MediaFault("broken_video", f"clip of {len(data)} bytes tells no size; fetch it again")
    if width * height > MAX_FRAME_PIXELS:
        message = f"clip of {width} x {height} pixels; at most {MAX_FRAME_PIXELS:,} are read, scale it down"
        raise MediaFault("huge_video", message)
    return {"width_px": width, "height_px": height, "length_s": length_s, "frame_rate_hz": num_frames / length_s}


def probe_sound(data: bytes) -> dict[str, float]:
    """Seconds, samples a second and channels.

    Raises:
        MediaFault: ``broken_audio``, or ``empty_audio`` where there are no samples.
    """
    if not data:
        raise MediaFault("empty_audio", "sound of 0 bytes; write the file again")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate_hz, channels, num_samples = file.samplerate, file.channels, file.frames
            length_s = num_samples / rate_hz if num_samples < _UNKNOWN_LENGTH else None
    except soundfile.LibsndfileError:
        length_s = None
    if length_s is None:
        rate_hz, channels, length_s = _probe_by_av(data)
    if not length_s:
        raise MediaFault("empty_audio", "sound without samples; leave it out or record it again")
    return {"length_s": length_s, "sample_rate_hz": rate_hz, "num_channels": channels}


def _is_picture_turned(image: Image.Image) -> bool:
    if image.format == "TIFF":
        return False  # Pillow turns its size itself
    try:
        return Image.Image.getexif(image).get(ExifTags.Base.Orientation) in _TURNED  # PNG's own getexif would decode
    except Exception:  # EXIF of wrong bytes, of as many kinds: decoding too takes such a picture as it is stored
        return False


def _probe_clip(data: bytes, options: dict[str, str]) -> tuple[int, int, float, int]:
    """(width, height, seconds, number of frames); the size is 0 where its container does not tell it."""
    with av.open(io.BytesIO(data), mode="r", options=options, metadata_errors="replace") as container:
        if not container.streams.video:
            raise MediaFault("broken_video", f"clip of {len(data)} bytes has no video stream")
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size and not packet.is_discard]
        context = stream.codec_context  # typed as always there, but not where the codec's name is damaged
        size = (0, 0) if context is None else (context.width, context.height)
        width, height = size[::-1] if _is_clip_turned(data, stream.id) else size
        return width, height, _length_of(stream, packets), len(packets)


def _length_of(stream: VideoStream, packets: list[av.Packet]) -> float:
    """Seconds from the first frame's start to the end of the last one shown."""
    if not packets:
        raise ValueError("it has no frames")
    usual_s = 1 / (stream.average_rate or stream.guessed_rate or Fraction(25))
    times = [packet.pts for packet in packets if packet.pts is not None]
    if len(times) < len(packets) or not stream.time_base or (len(times) > 1 and min(times) == max(times)):
        return float(usual_s * len(packets))
    last = max(packets, key=lambda packet: packet.pts or 0)
    last_s = last.duration * stream.time_base if last.duration else usual_s
    return float((max(times) - min(times)) * stream.time_base + last_s)


def _is_clip_turned(data: bytes, track: int) -> bool:
    """Whether the display matrix of an MP4's track exchanges width and height (ISO/IEC 14496-12, section 8.3.2)."""
    if data[4:8] != b"ftyp":
        return False
    for name, start in _boxes(data, 0, len(data)):
        if name != b"tkhd":
            continue
        is_wide = data[start] == 1  # version 1 has times of 64 bits
        (number,) = struct.unpack_from(">I", data, start + (20 if is_wide else 12))
        if number == track:
            a, b = struct.unpack_from(">ii", data, start + (52 if is_wide else 40))
            return abs(b) > abs(a)
    return False


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int]]:
    """(name, start of the content) of the boxes of an MP4, and of those within ``moov`` and ``trak``."""
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        content = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        stop = start + size if size else end
        if stop < content:
            raise ValueError(f"its box {name!r} of {size} bytes is damaged")
        yield name, content
        if name in (b"moov", b"trak"):
            yield from _boxes(data, content, min(stop, end))
        start = stop


def _probe_by_av(data: bytes) -> tuple[int, int, float]:
    """(samples a second, channels, seconds) of what libsndfile cannot tell: MP4, Matroska, a FLAC without a length."""
    try:
        with av.open(io.BytesIO(data), mode="r", options=_SOUND_OPTIONS, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise MediaFault("broken_audio", f"container of {len(data)} bytes without a sound track")
            track = container.streams.audio[0]
            context = track.codec_context  # None where the codec's name is damaged
            if context is None or not context.sample_rate or not track.time_base:
                raise MediaFault("broken_audio", f"container of {len(data)} bytes tells no codec, rate or clock")
            num_ticks = sum(packet.duration or 0 for packet in container.demux(track))
            return context.sample_rate, context.channels, float(num_ticks * track.time_base)
    except av.FFmpegError as error:
        raise MediaFault("broken_audio", f"sound of {len(data)} bytes has no readable header: {error}") from error
