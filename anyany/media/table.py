"""The modalities, as a table: how the bytes of each become a tensor and back. Whoever needs "all media" loops over it.

image: uint8 [3, H, W]; video: uint8 [F, 3, H, W]; audio: float32 [S] in -1..1, one channel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from anyany.faults import Fault

if TYPE_CHECKING:
    from torch import Tensor, dtype


class MediaFault(Fault):
    """Bytes that are no usable picture, clip or sound."""


@dataclass(frozen=True)
class MediaSpec:
    """What an encoder wants decoded: how many frames of a clip, and at which rate a sound."""

    num_frames: int = 8
    sample_rate_hz: int = 16_000


@dataclass(frozen=True)
class MediaKind:
    extensions: tuple[str, ...]  # of shard members, without the dot
    decode: Callable[[bytes, MediaSpec], "Tensor"]
    probe: Callable[[bytes], dict[str, float]]  # named sizes, lengths and rates, from headers alone


def _image(data: bytes, spec: MediaSpec) -> "Tensor":
    from anyany.media.pictures import decode_picture

    return decode_picture(data)


def _probe_image(data: bytes) -> dict[str, float]:
    from anyany.media.probes import probe_picture

    return probe_picture(data)


def _video(data: bytes, spec: MediaSpec) -> "Tensor":
    from anyany.media.clips import decode_clip

    return decode_clip(data, spec.num_frames)


def _probe_video(data: bytes) -> dict[str, float]:
    from anyany.media.probes import probe_clip

    return probe_clip(data)


def _audio(data: bytes, spec: MediaSpec) -> "Tensor":
    from anyany.media.sounds import decode_sound

    return decode_sound(data, spec.sample_rate_hz)


def _probe_audio(data: bytes) -> dict[str, float]:
    from anyany.media.probes import probe_sound

    return probe_sound(data)


MEDIA: dict[str, MediaKind] = {
    "image": MediaKind(("jpg", "jpeg", "png", "webp", "gif", "bmp", "tiff"), _image, _probe_image),
    "video": MediaKind(("mp4", "webm", "mkv", "avi", "mov"), _video, _probe_video),
    "audio": MediaKind(("wav", "flac", "mp3", "ogg", "m4a"), _audio, _probe_audio),
}


def modality_of(extension: str) -> str | None:
    """The modality of a record's member by the end of its extension (``jpg``, ``0.jpg``); None for text and others."""
    suffix = extension.rpartition(".")[2]
    return next((modality for modality, kind in MEDIA.items() if suffix in kind.extensions), None)


class Preprocess(Protocol):
    """What an encoder does to a decoded item before it sees it. Picklable and without weights: data workers run it. A
    dataclass: its fields and its code name the cache of features.

    ``output_shape`` and ``output_dtype`` are those of every item that it gives, so that items can be stacked.
    """

    @property
    def spec(self) -> MediaSpec: ...

    @property
    def output_shape(self) -> tuple[int, ...]: ...

    @property
    def output_dtype(self) -> "dtype": ...

    def __call__(self, decoded: "Tensor") -> "Tensor": ...
