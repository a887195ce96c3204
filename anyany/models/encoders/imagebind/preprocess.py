"""What data workers do to media before ImageBind sees them.

Shape letters: F frames, C channels, H and W pixels, S samples of a sound, K clips (times crops), M mel bands,
T windows.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from anyany.media.table import MediaSpec
from anyany.ops.fbank import WINDOW_S, kaldi_fbank

MEL_MEAN, MEL_STD = -4.268, 9.138  # of AudioSet's log-mels, as published


@dataclass(frozen=True)
class CentreSquare:
    """A picture's short side resized to ``image_px`` (bicubic, antialiased), then its middle square; still uint8."""

    spec: MediaSpec
    image_px: int
    output_dtype = torch.uint8

    @property
    def output_shape(self) -> tuple[int, ...]:
        return 3, self.image_px, self.image_px

    def __call__(self, decoded: Tensor) -> Tensor:
        pixels_CHW = _short_side(decoded[None], self.image_px, mode="bicubic", antialias=True)[0]
        top, left = (round((size - self.image_px) / 2) for size in pixels_CHW.shape[-2:])
        return pixels_CHW[:, top : top + self.image_px, left : left + self.image_px].contiguous()


@dataclass(frozen=True)
class ClipCrops:
    """``[F, 3, H, W]`` to ``[K, frames, 3, image_px, image_px]``, uint8, crop by crop within each clip.

    The F frames, evenly spaced over the whole, are cut into ``num_clips`` clips of ``frames`` frames. (The published
    code takes the first and last frame of clips of 2 s instead, which may overlap; here a length is not known.)

    Three crops lie at both ends and in the middle of the longer side, one in the middle. As published, frames are
    resized bilinearly without antialiasing.
    """

    spec: MediaSpec
    image_px: int
    frames: int
    num_clips: int
    num_crops: int
    output_dtype = torch.uint8

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.num_clips * self.num_crops, self.frames, 3, self.image_px, self.image_px

    def __call__(self, decoded: Tensor) -> Tensor:
        pixels_FCHW = _short_side(decoded, self.image_px, mode="bilinear")
        height, width = pixels_FCHW.shape[-2:]
        longer, room = (-2, height - self.image_px) if height > width else (-1, width - self.image_px)
        middle = -(-room // 2)
        starts = {1: [middle], 3: [0, middle, room]}[self.num_crops]
        crops = torch.stack([pixels_FCHW.narrow(longer, start, self.image_px) for start in starts])
        return crops.unflatten(1, (self.num_clips, self.frames)).transpose(0, 1).reshape(self.output_shape)


@dataclass(frozen=True)
class MelClips:
    """``[S]`` to ``[K, 1, num_mels, num_frames]``: normalised log-mels of clips of ``clip_s`` seconds.

    Clip k of K starts at ``k * (length - clip_s) / K`` (so the tail is not heard), all at 0 in a sound that is no
    longer than a clip. As published, what a spectrogram lacks of ``num_frames`` is filled with zeros before it is
    normalised; a sound without a single window is filled with silence first.
    """

    spec: MediaSpec
    clip_s: float
    num_clips: int
    num_mels: int
    num_frames: int
    output_dtype = torch.float32

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.num_clips, 1, self.num_mels, self.num_frames

    def __call__(self, decoded: Tensor) -> Tensor:
        rate_hz = self.spec.sample_rate_hz
        length = round(self.clip_s * rate_hz)
        step = max(len(decoded) - length, 0)
        starts = [k * step // self.num_clips for k in range(self.num_clips if step else 1)]
        clips_KS = torch.stack([decoded[start : start + length] for start in starts])
        clips_KS = clips_KS - clips_KS.mean(-1, keepdim=True)
        clips_KS = F.pad(clips_KS, (0, max(0, round(WINDOW_S * rate_hz) - clips_KS.shape[1])))
        # One by one: intermediate results of 2 s stay in the cache, which makes three clips twice as fast as at once.
        mels_KTM = torch.stack([kaldi_fbank(clip_S, self.num_mels, rate_hz) for clip_S in clips_KS])
        mels_KTM = F.pad(mels_KTM, (0, 0, 0, self.num_frames - mels_KTM.shape[1]))
        mels_KMT = (mels_KTM.transpose(1, 2) - MEL_MEAN) / MEL_STD
        return mels_KMT[:, None].expand(self.output_shape).contiguous()


def _short_side(pixels_FCHW: Tensor, image_px: int, mode: str, antialias: bool = False) -> Tensor:
    """Resized so that the shorter side has ``image_px``; the other is cut to a whole number."""
    height, width = pixels_FCHW.shape[-2:]
    short = min(height, width)
    if short == image_px:
        return pixels_FCHW
    size = (image_px * height // short, image_px * width // short)
    return F.interpolate(pixels_FCHW, size, mode=mode, antialias=antialias)
