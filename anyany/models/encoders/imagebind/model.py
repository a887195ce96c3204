"""ImageBind (Girdhar et al. 2023, arXiv 2305.05665): an encoder, and the joint space that it was trained as.

Shape letters: N items, K clips of an item (times crops), F frames of a clip, H and W pixels, M mel bands, T windows or
text tokens, L features, J width of the joint space, X = N * K.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from inspect import signature
from pathlib import Path
from typing import Any, Literal, Self, cast

import torch
from torch import Tensor

from anyany.media.table import Preprocess
from anyany.models.contracts import Encoder
from anyany.models.encoders.imagebind import files
from anyany.models.encoders.imagebind.branch import Branch
from anyany.models.encoders.imagebind.captions import caption_ids
from anyany.models.encoders.imagebind.config import (
    BRANCHES,
    Audio,
    Depth,
    Imu,
    Text,
    Thermal,
    Vision,
    branch_config,
)
from anyany.models.encoders.imagebind.official import from_official_state
from anyany.models.encoders.imagebind.sampling import BRANCH_OF, Sampling, as_clips
from anyany.models.weights import digest_of_tensors
from anyany.seeds import digest_of

Numbers = Mapping[str, Any]


class ImageBind(Encoder):
    """A branch for each kind of input; one that is not given is not there.

    A branch's numbers come as its class or as a mapping. What they leave out is as in ImageBind-Huge, so ``vision={}``
    is its vision branch.

    Args:
        joint_dim: width of the joint space, and of the features.
        features: ``patches`` are all tokens of the trunk but the first, each through the branch's head (LayerNorm and
            a linear layer) without being normalised. They are averaged place by place over an item's clips and
            crops; with three crops one place is three parts of the picture. ``joint`` is the one vector of the joint
            space, of unit length before the average over clips, without the branch's scale: modalities stay alike.
        video_clips, video_crops: pieces of a clip in time and in space; 5 and 3 in the published code.
        audio_clips, clip_s: pieces of a sound; 3 of 2 s in the published code.
        drop_path: stochastic depth of all trunks in training mode, none in eval mode.
    """

    def __init__(
        self,
        joint_dim: int = 1024,
        vision: Vision | Numbers | None = None,
        audio: Audio | Numbers | None = None,
        text: Text | Numbers | None = None,
        depth: Depth | Numbers | None = None,
        thermal: Thermal | Numbers | None = None,
        imu: Imu | Numbers | None = None,
        features: Literal["patches", "joint"] = "patches",
        video_clips: int = 1,
        video_crops: int = 1,
        audio_clips: int = 1,
        clip_s: float = 2.0,
        sample_rate_hz: int = 16_000,
        drop_path: float = 0.0,
    ):
        super().__init__()
        given = {"vision": vision, "audio": audio, "text": text, "depth": depth, "thermal": thermal, "imu": imu}
        self.configs = {name: branch_config(name, n) for name, n in given.items() if n is not None}
        if not self.configs:
            raise ValueError(f"ImageBind without a branch; give at least one of {', '.join(BRANCHES)}")
        if features not in ("patches", "joint"):
            raise ValueError(f"features={features}; give patches or joint")
        self.dim, self.features, self.drop_path = joint_dim, features, drop_path
        self.sampling = Sampling(video_clips, video_crops, audio_clips, clip_s, sample_rate_hz)
        self.tokenizer_json: str | None = None
        for name, config in self.configs.items():
            self.add_module(name, Branch(config, joint_dim, drop_path))
        self.modalities = tuple(m for m in ("image", "video", "audio") if BRANCH_OF[m] in self.configs)
        for modality in self.modalities:
            self.preprocess(modality)  # refuses numbers that do not fit

    def preprocess(self, modality: str) -> Preprocess:
        return self.sampling.preprocess(modality, self.configs[self._name(modality)])

    def digest(self) -> str:
        return digest_of(digest_of_tensors(self.state_dict()), self.config()).hex()

    def num_features(self, modality: str) -> int:
        num_patches = self._branch(modality).num_patches()
        return 1 if self.features == "joint" else num_patches

    def forward(self, values: Tensor, modality: str) -> Tensor:
        """Items as ``embed`` takes them to ``[N, L, J]``, for joint features ``[N, 1, J]``."""
        if self.features == "joint":
            return self.embed(values, modality, scaled=False)[:, None]
        clips, num_clips = self._clips(values, modality)
        patches_XLJ = self._branch(modality).patches(clips)
        return patches_XLJ.unflatten(0, (-1, num_clips)).mean(1)

    def embed(self, values: Tensor, modality: str, scaled: bool = True) -> Tensor:
        """``[N, J]`` in the joint space: of unit length, times the branch's scale, averaged over clips and crops.

        Args:
            values: image ``[N, 3, H, W]``, video ``[N, K, F, 3, H, W]``, both in uint8 or as floats that have been
                normalised; audio ``[N, K, 1, M, T]``, text ids ``[N, T]``, depth and thermal ``[N, 1, H, W]``, imu
                ``[N, axes, samples]``.
            scaled: with the scale, as published; without, all modalities have unit length.
        """
        clips, num_clips = self._clips(values, modality)
        branch = self._branch(modality)
        joint_XJ = branch.scaled(branch.joint(clips)) if scaled else branch.joint(clips)
        return joint_XJ.unflatten(0, (-1, num_clips)).mean(1)

    def caption_ids(self, captions: Sequence[str]) -> Tensor:
        """``[N, T]`` token ids for ``embed``, by the tokenizer that came with the weights.

        Raises:
            ValueError: without a text branch or a tokenizer, and for a tokenizer that does not fit.
        """
        text = self.configs.get("text")
        if not isinstance(text, Text) or self.tokenizer_json is None:
            raise ValueError(f"no text branch or no tokenizer; weights with text bring a {files.TOKENIZER}")
        ids_NT = caption_ids(self.tokenizer_json, captions, text.num_positions)
        if len(ids_NT) and (last := int(ids_NT.max())) >= text.vocab_size:
            raise ValueError(f"the tokenizer has ids up to {last}, text.vocab_size={text.vocab_size}; it is another's")
        return ids_NT

    def config(self) -> dict[str, Any]:
        """The constructor's arguments as plain data."""
        branches = {name: asdict(config) for name, config in self.configs.items()}
        rest = {"features": self.features, **asdict(self.sampling), "drop_path": self.drop_path}
        return {"joint_dim": self.dim, **branches, **rest}

    @classmethod
    def from_pretrained(cls, folder: str | Path, dtype: torch.dtype = torch.float32, **changes: Any) -> Self:
        """What ``save_pretrained`` wrote, in eval mode, with other numbers where ``changes`` gives them.

        ``text=None`` leaves a branch out, which is then not read either.

        Raises:
            FileNotFoundError: for a folder without config or weights.
            ValueError: where its config holds unknown numbers, or weights and numbers do not fit.
        """
        config = {**files.read_config(Path(folder)), **changes}
        if unknown := config.keys() - signature(cls).parameters.keys():
            raise ValueError(f"{folder}: ImageBind takes no {', '.join(sorted(unknown))}; correct {files.CONFIG}")
        with torch.device("meta"):
            model = cls(**config)
        model.load_folder(folder, dtype)
        return model

    def load_folder(self, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
        """Takes a folder's weights in ``dtype``, whatever they are stored in, and its tokenizer; goes into eval mode.

        Raises:
            FileNotFoundError: for a folder without weights.
            ValueError: with every weight that is missing, left over or of another shape. Only branches that this
                model was built without are passed over.
        """
        device = next(self.parameters()).device
        without = BRANCHES.keys() - self.configs.keys()
        state = files.read_weights(Path(folder), without, dtype, device)
        files.load_strictly(self, state, str(folder))
        self.tokenizer_json = files.read_tokenizer(Path(folder))
        self.eval()

    def load_official(self, state: Mapping[str, Tensor]) -> None:
        """Takes the published weights, as ``torch.load("imagebind_huge.pth", weights_only=True)`` gives them.

        Raises:
            ValueError: as ``load``.
        """
        without = BRANCHES.keys() - self.configs.keys()
        ours = {name: t for name, t in from_official_state(state).items() if name.partition(".")[0] not in without}
        files.load_strictly(self, ours, "the published ImageBind")
        self.eval()

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
        """Writes config, weights and, if there is one, the tokenizer."""
        files.write(Path(folder), self.config(), self.state_dict(), dtype, self.tokenizer_json)

    def _clips(self, values: Tensor, modality: str) -> tuple[Tensor, int]:
        """``[X, ...]`` in the branch's dtype, and K."""
        clips, num_clips = as_clips(values, modality, self.configs[self._name(modality)])
        return clips if modality == "text" else clips.to(self._branch(modality).stem.position.dtype), num_clips

    def _name(self, modality: str) -> str:
        """Of the modality's branch."""
        name = BRANCH_OF.get(modality)
        if name not in self.configs:
            known = ", ".join(m for m, branch in BRANCH_OF.items() if branch in self.configs)
            raise ValueError(f"this ImageBind reads {known}, not {modality}; give it the branch, or another modality")
        assert name is not None
        return name

    def _branch(self, modality: str) -> Branch:
        return cast(Branch, getattr(self, self._name(modality)))
