"""ImageBind from where its weights lie."""

from pathlib import Path
from typing import Any, Literal

import torch

from anyany.models.encoders.imagebind import files
from anyany.models.encoders.imagebind.model import ImageBind
from anyany.models.weights import digest_of_files, digest_of_folder
from anyany.seeds import digest_of

HUGE: dict[str, Any] = {"vision": {}, "audio": {}}  # the published numbers are the branches' own


class PretrainedImageBind(ImageBind):
    """Numbers first, weights with ``load``, frozen and in eval mode. Only what media need is built.

    Args:
        weights: a folder that ``save_pretrained`` wrote, or the file ``imagebind_huge.pth`` as it was published.
        features, video_clips, video_crops, audio_clips: as in ``ImageBind``; None is the folder's.
        numbers: others of ``ImageBind`` in place of the folder's.
    """

    def __init__(
        self,
        weights: str | Path,
        features: Literal["patches", "joint"] | None = None,
        video_clips: int | None = None,
        video_crops: int | None = None,
        audio_clips: int | None = None,
        numbers: dict[str, Any] | None = None,
    ):
        path = Path(weights)
        published = path.suffix == ".pth"
        config = HUGE if published else files.read_config(path)
        without = dict.fromkeys(("text", "depth", "thermal", "imu"))
        given = {
            "features": features,
            "video_clips": video_clips,
            "video_crops": video_crops,
            "audio_clips": audio_clips,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        with torch.device("meta"):
            super().__init__(**{**config, **without, **changes, **(numbers or {})})
        self.weights, self.origin, self.is_published = path, str(weights), published
        self.requires_grad_(False)

    def digest(self) -> str:
        weights = digest_of_files([self.weights]) if self.is_published else digest_of_folder(self.weights)
        return digest_of(weights, self.config()).hex()

    def load(self) -> None:
        if self.is_published:
            self.load_official(torch.load(self.weights, map_location="cpu", weights_only=True))
        else:
            self.load_folder(self.weights)
        self.requires_grad_(False)
