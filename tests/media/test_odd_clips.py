"""Clips as phones, cameras, cutters and browsers leave them: which frames a person would see, and how they lie."""

import io
import struct

import av
import numpy as np
import pytest
import torch
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter

from anyany.media.clips import decode_clip, encode_mp4
from tests.media.files import STEP, clip_file, fault_of, greys, sine, taken

BT709 = 1
# Top left, top right, bottom left, bottom right.
CORNERS = [[220, 30, 30], [30, 220, 30], [30, 30, 220], [200, 200, 40]]


def corners(height: int = 32, width: int = 64) -> torch.Tensor:
    """One frame with a colour in each corner, [1, 3, H, W]."""
    colors = torch.tensor(CORNERS, dtype=torch.uint8).reshape(2, 2, 3).permute(2, 0, 1)
    return colors.repeat_interleave(height // 2, 1).repeat_interleave(width // 2, 2)[None]


def corners_of(frame: torch.Tensor) -> np.ndarray:
    """The colours [4, 3] in the middle of the quarters of a frame [3, H, W]."""
    height, width = frame.shape[1:]
    return frame[:, height // 4 :: height // 2, width // 4 :: width // 2].reshape(3, 4).T.numpy().astype(int)


@pytest.mark.parametrize(
    ("container_name", "codec", "pixel_format"),
    [
        ("mp4", "libx264", "yuv420p"),
        ("mp4", "libx264", "yuvj420p"),  # all 256 levels
        ("mp4", "libx264", "yuv422p"),
        ("mp4", "libx264", "yuv444p"),
        ("mp4", "libx264", "yuv420p10le"),
        ("mp4", "libx265", "yuv420p"),
        ("mp4", "libx265", "yuv420p10le"),
        ("mp4", "libsvtav1", "yuv420p"),
        ("mov", "libx264", "yuv420p"),
        ("mov", "prores", "yuv422p10le"),
        ("mov", "qtrle", "rgb24"),
        ("matroska", "libx264", "yuv420p"),
        ("webm", "libvpx", "yuv420p"),
        ("webm", "libvpx-vp9", "yuv420p"),
        ("webm", "libvpx-vp9", "yuv444p"),
        ("avi", "mjpeg", "yuvj420p"),
        ("avi", "mpeg4", "yuv420p"),
        ("avi", "rawvideo", "bgr24"),
        ("mpegts", "libx264", "yuv420p"),
        ("flv", "libx264", "yuv420p"),
        ("h264", "libx264", "yuv420p"),
        ("gif", "gif", "gray"),
    ],
)
def test_containers_and_codecs(container_name, codec, pixel_format, monkeypatch):
    monkeypatch.setenv("SVT_LOG", "1")  # silent but for errors
    data = clip_file(greys(8), range(8), container_name, codec, pixel_format)
    assert taken(data, 8) == list(range(8))
    if pixel_format != "gray":
        colors = clip_file(corners().expand(2, -1, -1, -1), range(2), container_name, codec, pixel_format)
        assert np.abs(corners_of(decode_clip(colors, 1)[0]) - CORNERS).max() <= 8


@pytest.mark.parametrize(("tag", "worst"), [(BT709, 3), (0, 40)])
def test_the_colours_are_those_that_the_clip_names(tag, worst):
    """High definition is written with BT.709; a reader that takes it for BT.601, as untagged clips, is off by 28."""
    buffer, frame_HWC = io.BytesIO(), corners()[0].permute(1, 2, 0).contiguous().numpy()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=4, width=64, height=32, options={"crf": "5"})
        stream.pix_fmt = "yuv444p"
        stream.codec_context.colorspace = tag or 2
        frame = VideoReformatter().reformat(
            av.VideoFrame.from_ndarray(frame_HWC, format="rgb24"), format="yuv444p", dst_colorspace="ITU709"
        )
        frame.colorspace = tag or 2
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    off = np.abs(corners_of(decode_clip(buffer.getvalue(), 1)[0]) - CORNERS).max()
    assert off <= worst
    assert tag == BT709 or off > 20


@pytest.mark.parametrize("size", [(33, 31), (31, 64), (64, 36), (2, 2), (1, 1)])
@pytest.mark.parametrize(("container_name", "codec"), [("webm", "libvpx-vp9"), ("avi", "mjpeg"), ("mp4", "libx264")])
def test_odd_sizes_and_portrait(size, container_name, codec):
    pixel_format = "yuvj444p" if codec == "mjpeg" else "yuv444p"
    data = clip_file(greys(2, *size), range(2), container_name, codec, pixel_format)
    assert decode_clip(data, 2).shape == (2, 3, *size)
    assert taken(data, 2) == [0, 1]


@pytest.mark.parametrize("size", [(64, 32), (32, 64)])
@pytest.mark.parametrize("clockwise", [0, 90, 180, 270])
def test_rotation_is_applied(size, clockwise):
    data = bytearray(encode_mp4(corners(*size).expand(2, -1, -1, -1), 4))
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[clockwise]
    matrix = struct.pack(">9i", cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30)
    place = data.index(b"tkhd") + 4 + 40  # ISO/IEC 14496-12, section 8.3.2
    data[place : place + 36] = matrix
    upright = decode_clip(bytes(data), 2)
    assert upright.shape[2:] == (size if clockwise % 180 == 0 else size[::-1])
    expected = np.rot90(np.array(CORNERS).reshape(2, 2, 3), -clockwise // 90).reshape(4, 3)
    assert np.abs(corners_of(upright[1]) - expected).max() <= 8
    assert upright.is_contiguous()


@pytest.mark.parametrize(
    ("times", "asked", "expected"),
    [  # the last frame is shown for one unit
        ([0, 1, 2, 10], 11, [0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3]),
        ([0, 6, 7], 8, [0, 0, 0, 0, 0, 0, 1, 2]),
        ([0, 6, 7], 2, [0, 1]),  # middles at 2 and 6
        ([0, 6, 7], 1, [0]),
        ([0, 2, 3, 4, 5], 3, [0, 2, 4]),  # middles at 1, 3 and 5
    ],
)
@pytest.mark.parametrize(
    ("container_name", "codec"), [("mp4", "libx264"), ("matroska", "libx264"), ("webm", "libvpx-vp9"), ("gif", "gif")]
)
def test_a_frame_counts_for_as_long_as_it_is_shown(container_name, codec, times, asked, expected):
    pixel_format = "gray" if codec == "gif" else "yuv420p"
    data = clip_file(greys(len(times)), times, container_name, codec, pixel_format, rate_hz=5)
    assert taken(data, asked) == expected


@pytest.mark.parametrize("first", [0, 100, -3])
@pytest.mark.parametrize("container_name", ["matroska", "mpegts", "avi"])
def test_a_clip_may_begin_at_any_time(container_name, first):
    assert taken(clip_file(greys(4), range(first, first + 4), container_name), 4) == [0, 1, 2, 3]


@pytest.mark.parametrize("options", [{}, {"x264-params": "bframes=2:b-adapt=0"}])
def test_what_an_edit_list_leaves_out_is_left_out(options):
    """A clip cut without encoding again keeps frames before its beginning, which others need to be decoded."""
    data = clip_file(greys(8), range(-4, 4), "mp4", **options)
    with av.open(io.BytesIO(data)) as container:
        assert len([packet for packet in container.demux(video=0) if packet.size]) == 8
    assert taken(data, 4) == [4, 5, 6, 7]
    assert taken(data, 8) == [4, 4, 5, 5, 6, 6, 7, 7]


@pytest.mark.parametrize("container_name", ["mp4", "matroska", "mpegts", "avi", "h264"])
@pytest.mark.parametrize(
    "order", ["bframes=2:b-adapt=0:scenecut=0", "bframes=3:b-adapt=0:scenecut=0:open-gop=1:keyint=5"]
)
def test_b_frames_come_in_order_of_showing(container_name, order):
    data = clip_file(greys(10), range(10), container_name, **{"x264-params": order})
    with av.open(io.BytesIO(data)) as container:
        assert any(frame.pict_type == PictureType.B for frame in container.decode(video=0))
    assert taken(data, 10) == list(range(10))


def test_xvid_in_avi():
    """MPEG-4 with B-frames in a container that knows no order but that of decoding."""
    data = clip_file(greys(10), range(10), "avi", "mpeg4", bf="2")
    assert taken(data, 10) == list(range(10))


@pytest.mark.parametrize(
    ("container_name", "codec", "pixel_format"),
    [
        ("mp4", "libx264", "yuv420p"),
        ("webm", "libvpx-vp9", "yuv420p"),
        ("mov", "png", "rgb24"),
        ("gif", "gif", "gray"),
        ("avi", "mjpeg", "yuvj420p"),
        ("h264", "libx264", "yuv420p"),
    ],
)
def test_one_frame_is_repeated(container_name, codec, pixel_format):
    data = clip_file(greys(2)[1:], [0], container_name, codec, pixel_format)
    assert taken(data, 1) == [1]
    assert taken(data, 5) == [1] * 5


def test_a_clip_that_lasts_no_time_counts_by_frames():
    assert taken(clip_file(greys(4), [0] * 4, "matroska"), 8) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_fragmented_mp4():
    buffer = io.BytesIO()
    with av.open(io.BytesIO(clip_file(greys(8), range(8), g="2"))) as whole:
        options = {"movflags": "frag_keyframe+empty_moov"}
        with av.open(buffer, "w", format="mp4", options=options) as pieces:
            stream = pieces.add_stream_from_template(whole.streams.video[0])
            for packet in whole.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    pieces.mux(packet)
    assert buffer.getvalue().count(b"moof") > 2
    assert taken(buffer.getvalue(), 8) == list(range(8))


@pytest.mark.parametrize("container_name", ["mp4", "matroska", "avi"])
def test_metadata_in_another_alphabet(container_name):
    data = clip_file(greys(4), range(4), container_name)
    latin = data.replace(b"Lavf", b"Caf\xe9")  # who wrote the file
    assert latin != data
    assert taken(latin, 4) == [0, 1, 2, 3]


@pytest.mark.parametrize(("container_name", "codec"), [("mp4", "aac"), ("matroska", "libopus"), ("avi", "pcm_s16le")])
def test_a_sound_changes_no_frame(container_name, codec):
    silent = clip_file(greys(4), range(4), container_name)
    sounding = clip_file(greys(4), range(4), container_name, sound=(sine(48_000, length_s=3.0), 48_000, codec))
    assert len(sounding) > len(silent)
    assert torch.equal(decode_clip(sounding, 4), decode_clip(silent, 4))


def test_interlaced_lines_stay_together():
    lines = torch.tensor([40, 200], dtype=torch.uint8).repeat(16)[:, None].expand(32, 32)
    data = clip_file(lines.expand(2, 3, 32, 32), range(2), **{"x264-params": "interlaced=1:tff=1", "crf": "5"})
    with av.open(io.BytesIO(data)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    assert (decode_clip(data, 2).int() - lines.int()).abs().max() <= 6


@pytest.mark.parametrize(
    ("container_name", "codec", "pixel_format"), [("mov", "qtrle", "argb"), ("mov", "png", "rgba")]
)
def test_transparency_lies_over_white(container_name, codec, pixel_format):
    layer = torch.cat([greys(3), torch.full((3, 1, 32, 32), 51, dtype=torch.uint8)], 1)  # 20 %
    frames = decode_clip(clip_file(layer, range(3), container_name, codec, pixel_format), 3)
    assert frames.flatten(1).unique(dim=1).flatten().tolist() == [204, 204 + STEP // 5, 204 + 2 * STEP // 5]


def test_transparency_of_vp9_is_not_read():
    layer = torch.cat([greys(3), torch.full((3, 1, 32, 32), 51, dtype=torch.uint8)], 1)
    assert taken(clip_file(layer, range(3), "webm", "libvpx-vp9", "yuva420p"), 3) == [0, 1, 2]


def test_frames_of_another_size_are_scaled_to_the_first():
    small, wide = greys(4), greys(8, 48, 64)[4:]
    data = clip_file(small, range(4), "h264") + clip_file(wide, range(4), "h264")
    assert decode_clip(data, 8).shape == (8, 3, 32, 32)
    assert taken(data, 8) == list(range(8))


def test_a_playlist_opens_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.mp4").write_bytes(encode_mp4(greys(2), 4))
    playlist = b"ffconcat version 1.0\nfile secret.mp4\n"
    with av.open(io.BytesIO(playlist)) as container:  # without care it does
        assert container.streams.video[0].width == 32
    assert fault_of(decode_clip, playlist, 2).kind == "broken_video"
