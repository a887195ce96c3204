"""Pixels and mel bands themselves as features: the encoder without weights, a baseline for every one that has some.

Shape letters: N items, F frames, C channels, H and W pixels, S audio samples, M mel bands, T spectrogram frames,
L features, D width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from anyany.media.table import MediaSpec, Preprocess
from anyany.models.contracts import Encoder
from anyany.seeds import digest_of

_HOP_S, _WINDOW_S = 0.01, 0.025


@dataclass(frozen=True)
class SquarePixels:
    """``[..., 3, H, W]`` to ``[..., 3, image_px, image_px]``, still uint8: a fourth of floats on their way."""

    spec: MediaSpec
    output_shape: tuple[int, ...]
    output_dtype = torch.uint8

    def __call__(self, decoded: Tensor) -> Tensor:
        pixels = decoded if decoded.dim() == 4 else decoded[None]
        if pixels.shape[-2:] != self.output_shape[-2:]:
            pixels = F.interpolate(pixels, self.output_shape[-2:], mode="bicubic", antialias=True)
        return pixels.reshape(self.output_shape)


@dataclass(frozen=True)
class FixedLength:
    """``[S]`` of any length to ``[num_samples]``: the beginning, or followed by silence."""

    spec: MediaSpec
    output_shape: tuple[int, ...]
    output_dtype = torch.float32

    def __call__(self, decoded: Tensor) -> Tensor:
        (num_samples,) = self.output_shape
        return F.pad(decoded[:num_samples], (0, max(num_samples - len(decoded), 0)))


class Patches(Encoder):
    """Square patches of pictures and of every frame of a clip; stretches of a log-mel spectrogram.

    Features are padded with zeros to one width, the number of values in a pixel patch.

    Args:
        image_px: pictures and frames are resized to this square.
        patch_px: divides ``image_px``.
        num_frames: frames taken of a clip.
        sound_s: seconds heard of a sound, from its beginning.
        num_mels: mel bands; at most as many as a pixel patch has values.
    """

    modalities = ("image", "video", "audio")
    window_S: Tensor
    mel_MB: Tensor

    def __init__(
        self,
        image_px: int = 32,
        patch_px: int = 8,
        num_frames: int = 8,
        sample_rate_hz: int = 16_000,
        sound_s: float = 2.0,
        num_mels: int = 32,
    ):
        super().__init__()
        self.dim = 3 * patch_px**2
        if image_px % patch_px:
            raise ValueError(f"image_px={image_px} is no multiple of patch_px={patch_px}")
        if num_mels > self.dim:
            raise ValueError(f"num_mels={num_mels} is more than the {self.dim} values of a pixel patch")
        self.image_px, self.patch_px = image_px, patch_px
        self.num_mels = num_mels
        self.hop, self.window = round(_HOP_S * sample_rate_hz), round(_WINDOW_S * sample_rate_hz)
        self.num_samples = round(sound_s * sample_rate_hz)
        self.frames_per_feature = self.dim // num_mels
        self.spec = MediaSpec(num_frames, sample_rate_hz)
        self.register_buffer("window_S", torch.hann_window(self.window), persistent=False)
        self.register_buffer("mel_MB", mel_bands(num_mels, self.window, sample_rate_hz), persistent=False)

    def digest(self) -> str:
        numbers = (self.image_px, self.patch_px, self.num_mels, self.hop, self.window, self.num_samples)
        return digest_of("patches", *numbers, self.spec).hex()

    def preprocess(self, modality: str) -> Preprocess:
        picture = (3, self.image_px, self.image_px)
        if modality == "audio":
            return FixedLength(self.spec, (self.num_samples,))
        return SquarePixels(self.spec, picture if modality == "image" else (self.spec.num_frames, *picture))

    def num_features(self, modality: str) -> int:
        if modality == "audio":
            return -(-self._num_spectrum_frames() // self.frames_per_feature)
        return (self.image_px // self.patch_px) ** 2 * (self.spec.num_frames if modality == "video" else 1)

    def forward(self, values: Tensor, modality: str) -> Tensor:
        return self._hear(values) if modality == "audio" else self._see(values)

    def _see(self, pixels: Tensor) -> Tensor:
        frames_XCHW = pixels.reshape(-1, *pixels.shape[-3:]).float() / 127.5 - 1
        patches_XDP = F.unfold(frames_XCHW, self.patch_px, stride=self.patch_px)
        return patches_XDP.transpose(1, 2).reshape(len(pixels), -1, self.dim)

    def _hear(self, sounds_NS: Tensor) -> Tensor:
        spectrum_NBT = torch.stft(
            sounds_NS, self.window, self.hop, window=self.window_S, center=False, return_complex=True
        ).abs()
        mel_NMT = (self.mel_MB @ spectrum_NBT.square()).clamp(min=1e-6).log() / 10  # about -1.4..1
        missing = -mel_NMT.shape[-1] % self.frames_per_feature
        mel_NTM = F.pad(mel_NMT, (0, missing), value=float(torch.tensor(1e-6).log() / 10)).transpose(1, 2)
        stretches_NLD = mel_NTM.reshape(len(sounds_NS), -1, self.frames_per_feature * self.num_mels)
        return F.pad(stretches_NLD, (0, self.dim - stretches_NLD.shape[-1]))

    def _num_spectrum_frames(self) -> int:
        return (self.num_samples - self.window) // self.hop + 1


def mel_bands(num_mels: int, window: int, sample_rate_hz: int) -> Tensor:
    """``[M, B]`` triangular bands equally spaced on the HTK mel scale, over the B bins of a real spectrum."""
    bins_hz_B = torch.linspace(0, sample_rate_hz / 2, window // 2 + 1)
    top_mel = 2595 * torch.log10(torch.tensor(1 + sample_rate_hz / 2 / 700))
    edges_hz = 700 * (10 ** (torch.linspace(0, float(top_mel), num_mels + 2) / 2595) - 1)
    rise_MB = (bins_hz_B - edges_hz[:-2, None]) / (edges_hz[1:-1] - edges_hz[:-2])[:, None]
    fall_MB = (edges_hz[2:, None] - bins_hz_B) / (edges_hz[2:] - edges_hz[1:-1])[:, None]
    return torch.minimum(rise_MB, fall_MB).clamp(min=0)
