"""What decoders of the latent diffusion family share (Rombach et al. 2022, arXiv 2112.10752), over diffusers' networks.

The folder is one that a diffusers pipeline was saved to, and the pipeline itself loads it too; its ``__call__`` is not
used, because it has no gradient, no seed for each item, and for two of three families an announced end.

Shape letters: N items, L positions and D width of the conditioning, K steps of the noise schedule; Z... is a latent's
shape.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from anyany.models.contracts import ConditioningSpec, Decoder, Term
from anyany.models.weights import digest_of_folder
from anyany.ops.noise import add_noise, denoising_target
from anyany.seeds import digest_of


class LatentDiffusion(Decoder):
    """A text encoder, a denoiser on latents, an autoencoder, and a scheduler that joins the steps.

    Args:
        folder: of the pipeline.
        num_steps: of sampling.
        guidance: classifier-free guidance (arXiv 2207.12598); 1 or less is none.
        guided_steps: the first steps alone are guided, where a medium is decided (Kynkäänniemi et al. 2024, arXiv
            2404.07724); the rest cost half. None guides them all.
    """

    vae: Any  # networks of diffusers and transformers
    unet: Any
    text_encoder: Any

    def __init__(self, folder: str | Path, num_steps: int = 12, guidance: float = 3.0, guided_steps: int | None = None):
        super().__init__()
        if guided_steps is not None and not 0 <= guided_steps <= num_steps:
            raise ValueError(
                f"guided_steps is {guided_steps}; give 0 to num_steps, which is {num_steps}, or null for all"
            )
        self.folder, self.origin = Path(folder), str(folder)
        self.num_steps, self.guidance, self.guided_steps = num_steps, guidance, guided_steps
        with torch.device("meta"):
            for name, kind in self.networks().items():
                self.add_module(name, _from_config(kind, _part(self.folder, name)))
        self.spec = self.conditioning_spec()
        self.requires_grad_(False)
        self.eval()

    @abstractmethod
    def conditioning_spec(self) -> ConditioningSpec:
        """Read from the networks."""

    @classmethod
    @abstractmethod
    def networks(cls) -> Mapping[str, Any]:
        """Subfolder -> class, of all that has weights."""

    @classmethod
    @abstractmethod
    def pipeline(cls) -> Any:
        """The pipeline of diffusers whose folders it reads."""

    @abstractmethod
    def latent_shape(self) -> tuple[int, ...]:
        """Z..."""

    @abstractmethod
    def predict(self, noisy: Tensor, times_N: Tensor, conditioning_NLD: Tensor) -> Tensor:
        """The denoiser: ``[N, Z...]`` to ``[N, Z...]``."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Latents ``[N, Z...]`` to media ``[N, ...]``."""

    def load(self, captions_only: bool = False) -> None:
        for name, kind in self.networks().items():
            if captions_only and name != "text_encoder":
                continue
            setattr(self, name, kind.from_pretrained(_part(self.folder, name), use_safetensors=True).float())
        self.requires_grad_(False)
        self.eval()

    def digest(self, captions_only: bool = False) -> str:
        names = ("text_encoder", "tokenizer") if captions_only else (*self.networks(), "tokenizer", "scheduler")
        guided = () if self.guided_steps is None else (self.guided_steps,)  # none leaves digests as they were
        numbers = () if captions_only else (self.num_steps, self.guidance, *guided)
        return digest_of(*(digest_of_folder(_part(self.folder, name)) for name in names), *numbers).hex()

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(_part(self.folder, "tokenizer"))

    @cached_property
    def scheduler(self) -> Any:
        import json

        import diffusers

        folder = _part(self.folder, "scheduler")
        name = json.loads((folder / "scheduler_config.json").read_text())["_class_name"]
        scheduler = getattr(diffusers, name).from_pretrained(folder)
        if not hasattr(scheduler, "alphas_cumprod"):
            raise ValueError(f"{folder} holds a {name}; expected a scheduler with a discrete noise schedule, as DDPM's")
        return scheduler

    def token_ids(self, captions: Sequence[str]) -> Mapping[str, Tensor]:
        """Captions as the pipelines write them: padded or cut to the text encoder's length."""
        length = self.tokenizer.model_max_length
        options = {"padding": "max_length", "max_length": length, "truncation": True, "return_tensors": "pt"}
        ids: Mapping[str, Tensor] = self.tokenizer(list(captions), **options).to(self.device)
        return ids

    def content(self, captions: Sequence[str]) -> Tensor:
        if self.spec.length == 1:
            return super().content(captions)
        return self.token_ids(captions)["attention_mask"].bool()

    def denoising_loss(self, conditioning_NLD: Tensor, latents: Tensor, noise: Tensor, times_N: Tensor) -> Term:
        alphas_K, kind = self.scheduler.alphas_cumprod, self.scheduler.config.prediction_type
        noisy = add_noise(latents, noise, alphas_K, times_N)
        target = denoising_target(kind, latents, noise, alphas_K, times_N)
        missed = self.predict(noisy, times_N, conditioning_NLD).float() - target
        return missed.square().flatten(1).mean(1).sum(), len(latents)

    @torch.no_grad()
    def generate(self, conditioning_NLD: Tensor, seeds: Sequence[int]) -> Tensor:
        if len(seeds) != len(conditioning_NLD):
            raise ValueError(f"{len(seeds)} seeds for {len(conditioning_NLD)} items; give one for each")
        scheduler = deepcopy(self.scheduler)  # it keeps the state of one run
        scheduler.set_timesteps(self.num_steps, device=self.device)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        drawn = [torch.randn(self.latent_shape(), generator=generator) for generator in generators]
        latents = torch.stack(drawn).to(conditioning_NLD) * scheduler.init_noise_sigma
        draws = {"generator": generators} if "generator" in signature(scheduler.step).parameters else {}
        empty_1LD = self.condition([""]) if self.guidance > 1 else None
        for step, time in enumerate(scheduler.timesteps):
            if step == self.guided_steps:
                empty_1LD = None
            noisy = scheduler.scale_model_input(latents, time)
            predicted = self.guided(noisy, time.expand(len(noisy)), conditioning_NLD, empty_1LD)
            latents = scheduler.step(predicted, time, latents, **draws).prev_sample
        return self.decode(latents)

    def guided(self, noisy: Tensor, times_N: Tensor, conditioning_NLD: Tensor, empty_1LD: Tensor | None) -> Tensor:
        """What the denoiser predicts, away from what it predicts for an empty caption; without one, the plain one."""
        if empty_1LD is None:
            return self.predict(noisy, times_N, conditioning_NLD).to(noisy.dtype)
        both_NLD = torch.cat([empty_1LD.expand_as(conditioning_NLD), conditioning_NLD])
        # Where products are rounded, what is summed up over the steps is not.
        empty, full = self.predict(torch.cat([noisy, noisy]), times_N.repeat(2), both_NLD).to(noisy.dtype).chunk(2)
        return empty + self.guidance * (full - empty)

    @property
    def device(self) -> torch.device:
        return next(self.text_encoder.parameters()).device


class ClipConditioned(LatentDiffusion):
    """Conditioned by the last hidden states of a CLIP text encoder, at all its positions, by cross-attention."""

    def conditioning_spec(self) -> ConditioningSpec:
        return ConditioningSpec(self.text_encoder.config.max_position_embeddings, self.unet.config.cross_attention_dim)

    def condition(self, captions: Sequence[str]) -> Tensor:
        return self.text_encoder(self.token_ids(captions)["input_ids"]).last_hidden_state

    def predict(self, noisy: Tensor, times_N: Tensor, conditioning_NLD: Tensor) -> Tensor:
        return self.unet(noisy, times_N, encoder_hidden_states=conditioning_NLD).sample


def _part(folder: Path, name: str) -> Path:
    part = folder / name
    if not part.is_dir():
        raise ValueError(f"{folder} has no folder {name}/; expected one that a diffusers pipeline was saved to")
    return part


def _from_config(kind: Any, folder: Path) -> nn.Module:
    """An untrained network of a class of diffusers or transformers, from the numbers in its folder."""
    if hasattr(kind, "config_class") and kind.config_class is not None:
        return kind(kind.config_class.from_pretrained(folder))
    return kind.from_config(kind.load_config(folder))


def to_uint8(pixels: Tensor) -> Tensor:
    """-1..1 to 0..255."""
    return ((pixels.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def from_uint8(pixels: Tensor) -> Tensor:
    """0..255 to -1..1."""
    return pixels.float() / 127.5 - 1
