"""The numbers of each branch. Defaults are those of ImageBind-Huge (Girdhar et al. 2023, arXiv 2305.05665)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, ClassVar

from anyany.models.encoders.imagebind.stems import MotionStem, PatchStem, Stem, TextStem


@dataclass(frozen=True)
class BranchConfig(ABC):
    """What all branches have; class variables are facts of the architecture.

    ``scale`` multiplies the unit vectors of the joint space, an inverse temperature. It is stored with the weights,
    and only that of text is trained.
    """

    width: int
    depth: int
    heads: int
    head_dropout: float = 0.0  # in training; 0.5 for IMU as it was published
    scale: ClassVar[float | None] = None
    trains_scale: ClassVar[bool] = False
    causal: ClassVar[bool] = False
    bias_kv: ClassVar[bool] = True
    norm_first: ClassVar[bool] = False

    @abstractmethod
    def stem(self) -> Stem:
        """The branch's first layer, untrained."""


@dataclass(frozen=True)
class Vision(BranchConfig):
    """Pictures and clips of ``frames`` frames, which a picture fills by repetition. ``kernel`` in frames and pixels."""

    width: int = 1280
    depth: int = 32
    heads: int = 16
    image_px: int = 224
    frames: int = 2
    kernel: tuple[int, int, int] = (2, 14, 14)
    bias_kv = False
    norm_first = True

    def stem(self) -> Stem:
        sizes = (self.frames, self.image_px, self.image_px)
        if any(size % k for size, k in zip(sizes, self.kernel, strict=True)):
            raise ValueError(f"frames={self.frames}, image_px={self.image_px}: no multiples of kernel={self.kernel}")
        return PatchStem(self.width, 3, sizes, self.kernel, self.kernel, with_norm=False)


@dataclass(frozen=True)
class Audio(BranchConfig):
    """Log-mel spectrograms of ``num_mels`` bands and ``num_frames`` windows."""

    width: int = 768
    depth: int = 12
    heads: int = 12
    num_mels: int = 128
    num_frames: int = 204
    kernel: int = 16
    stride: int = 10
    scale = 20.0

    def stem(self) -> Stem:
        sizes, kernel, stride = (self.num_mels, self.num_frames), (self.kernel,) * 2, (self.stride,) * 2
        return PatchStem(self.width, 1, sizes, kernel, stride, with_norm=True)


@dataclass(frozen=True)
class Text(BranchConfig):
    """Token ids; the vocabulary's last token ends a text."""

    width: int = 1024
    depth: int = 24
    heads: int = 16
    vocab_size: int = 49408
    num_positions: int = 77
    scale = 1 / 0.07
    trains_scale = True
    causal = True
    bias_kv = False

    def stem(self) -> Stem:
        return TextStem(self.width, self.vocab_size, self.num_positions)


@dataclass(frozen=True)
class Depth(BranchConfig):
    """Maps of disparity, one channel."""

    width: int = 384
    depth: int = 12
    heads: int = 8
    image_px: int = 224
    kernel: int = 16
    scale = 5.0

    def stem(self) -> Stem:
        kernel = (self.kernel,) * 2
        return PatchStem(self.width, 1, (self.image_px,) * 2, kernel, kernel, with_norm=True)


@dataclass(frozen=True)
class Thermal(Depth):
    """Pictures of heat, one channel."""

    width: int = 768
    heads: int = 12
    scale = 10.0


@dataclass(frozen=True)
class Imu(BranchConfig):
    """Samples of an inertial sensor: three axes of acceleration, three of rotation."""

    width: int = 512
    depth: int = 6
    heads: int = 8
    num_axes: int = 6
    num_samples: int = 2000
    kernel: int = 8
    scale = 5.0

    def stem(self) -> Stem:
        return MotionStem(self.width, self.num_axes, self.num_samples, self.kernel)


BRANCHES: dict[str, type[BranchConfig]] = {
    "vision": Vision,
    "audio": Audio,
    "text": Text,
    "depth": Depth,
    "thermal": Thermal,
    "imu": Imu,
}


def branch_config(name: str, numbers: BranchConfig | Mapping[str, Any]) -> BranchConfig:
    """A branch's config as such, or out of a mapping that a json or yaml held.

    Raises:
        ValueError: for numbers that the branch does not have, with the nearest that it has.
    """
    kind = BRANCHES[name]
    if isinstance(numbers, BranchConfig):
        if type(numbers) is not kind:
            raise ValueError(f"{name}: found numbers of {type(numbers).__name__}; give {kind.__name__}")
        return numbers
    known = {field.name for field in fields(kind)}
    for key in numbers.keys() - known:
        near = get_close_matches(key, known, 1) or sorted(known)
        raise ValueError(f"{name}.{key}: no such number; it has {', '.join(near)}")
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in numbers.items()}
    return kind(**plain)
