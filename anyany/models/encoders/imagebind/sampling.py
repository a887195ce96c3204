"""How media are cut into what a branch takes, by data workers before and by the model after the way to it.

Shape letters: N items, K clips of an item (times crops), F frames of a clip, C channels, H and W pixels, M mel bands,
T windows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from anyany.media.table import MediaSpec, Preprocess
from anyany.models.encoders.imagebind.config import Audio, BranchConfig, Vision
from anyany.models.encoders.imagebind.preprocess import CentreSquare, ClipCrops, MelClips
from anyany.ops.fbank import num_windows

PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's, of pixels in 0..1
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)

BRANCH_OF = {
    "image": "vision",
    "video": "vision",
    "audio": "audio",
    "text": "text",
    "depth": "depth",
    "thermal": "thermal",
    "imu": "imu",
}
_NUM_DIMS = {"image": 4, "video": 6, "audio": 5}


@dataclass(frozen=True)
class Sampling:
    """Pieces that are encoded apart and averaged."""

    video_clips: int
    video_crops: int
    audio_clips: int
    clip_s: float
    sample_rate_hz: int

    def __post_init__(self) -> None:
        if self.video_crops not in (1, 3):
            raise ValueError(f"video_crops={self.video_crops}; give 1 (the middle) or 3")
        if min(self.video_clips, self.audio_clips) < 1:
            raise ValueError(f"video_clips={self.video_clips}, audio_clips={self.audio_clips}; give at least 1 of each")

    def preprocess(self, modality: str, branch: BranchConfig) -> Preprocess:
        """
        Raises:
            ValueError: for what does not come as media, and for sounds with more windows than the branch takes.
        """
        frames = branch.frames if isinstance(branch, Vision) else 1
        spec = MediaSpec(self.video_clips * frames, self.sample_rate_hz)
        if isinstance(branch, Audio):
            num_frames = num_windows(round(self.clip_s * self.sample_rate_hz), self.sample_rate_hz)
            if num_frames > branch.num_frames:
                given = f"clip_s={self.clip_s} is {num_frames} windows, audio.num_frames={branch.num_frames}"
                raise ValueError(f"{given}; shorten the clips or give the branch more")
            return MelClips(spec, self.clip_s, self.audio_clips, branch.num_mels, branch.num_frames)
        if not isinstance(branch, Vision):
            raise ValueError(f"{modality} is not decoded from media; give its values to embed")
        if modality == "image":
            return CentreSquare(spec, branch.image_px)
        return ClipCrops(spec, branch.image_px, frames, self.video_clips, self.video_crops)


def as_clips(values: Tensor, modality: str, branch: BranchConfig) -> tuple[Tensor, int]:
    """``[N * K, ...]`` as the branch takes them, and K.

    Raises:
        ValueError: for another number of dimensions than the modality has.
    """
    if values.dim() != _NUM_DIMS.get(modality, values.dim()):
        raise ValueError(f"{modality} is {list(values.shape)}; give {_NUM_DIMS[modality]} dimensions")
    if isinstance(branch, Vision):
        values = normalised(values)
        if modality == "image":
            values = values[:, None, None].expand(-1, 1, branch.frames, -1, -1, -1)
        values = values.transpose(2, 3)  # [N, K, C, F, H, W]
    has_clips = modality in ("image", "video", "audio")
    return (values.flatten(0, 1), values.shape[1]) if has_clips else (values, 1)


def normalised(pixels_CHW: Tensor) -> Tensor:
    """``[..., C, H, W]``; floats come out as they are, for they have been normalised already."""
    if pixels_CHW.dtype != torch.uint8:
        return pixels_CHW
    mean_C11, std_C11 = (torch.tensor(c, device=pixels_CHW.device)[:, None, None] for c in (PIXEL_MEAN, PIXEL_STD))
    return (pixels_CHW.float() / 255 - mean_C11) / std_C11
