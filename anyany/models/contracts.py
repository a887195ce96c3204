"""What parts take and give.

Shape letters: N media items, L features of an item or positions of a conditioning, D width of an encoder (D_enc), of
the LLM (D_llm) or of a conditioning, K rows of an item, B batch, T tokens, S signal tokens.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from anyany.media.table import Preprocess
from anyany.messages.vocabulary import TokenLayout

Term = tuple[Tensor, int]  # (sum, count) of one objective


class Encoder(nn.Module, ABC):
    """Turns media into features. Frozen."""

    dim: int
    modalities: tuple[str, ...]
    origin: str = ""  # of the weights: a folder or a file

    def load(self) -> None:
        """Brings the weights; an encoder that has none has nothing to do."""

    @abstractmethod
    def digest(self) -> str:
        """Changes with the weights and with every number; as soon as the encoder is built, loaded or not."""

    @abstractmethod
    def preprocess(self, modality: str) -> Preprocess:
        """What data workers do to a decoded item; its ``output_shape`` is the item's shape in ``forward``."""

    @abstractmethod
    def num_features(self, modality: str) -> int:
        """L, the same for every item of a modality."""

    @abstractmethod
    def forward(self, values: Tensor, modality: str) -> Tensor:
        """Preprocessed items ``[N, ...]`` to features ``[N, L, dim]``."""


class InputProjector(nn.Module, ABC):
    """Turns features into rows of the LLM's width."""

    @abstractmethod
    def num_rows(self, num_features: int) -> int:
        """K for an item of L features."""

    @abstractmethod
    def forward(self, features_NLD: Tensor) -> Tensor:
        """``[N, L, D_enc]`` to ``[N, K, D_llm]``."""


class LLM(nn.Module, ABC):
    """A causal language model that is fed embeddings."""

    dim: int
    num_known: int  # tokens of its own vocabulary, whose ids come first
    tokenizer_json: str
    template: str
    origin: str = ""  # of the weights: a folder or a file

    def load(self) -> None:
        """Brings the weights; an LLM that begins untrained has nothing to do."""

    def digest(self) -> str | None:
        """Changes with the frozen weights; None where nothing is frozen."""
        return None

    @abstractmethod
    def add_tokens(self, num_tokens: int) -> None:
        """Makes rows for the ids from its own vocabulary's end up to ``num_tokens``, as a parameter of their own."""

    def unchanged(self) -> AbstractContextManager[None]:
        """In it the LLM is what its frozen weights make it. ``num_known`` choices of ``head`` are theirs."""
        raise ValueError(
            f"{type(self).__name__} does not say what it was before training; define `unchanged`, or give "
            "stage.loss_weights.keep=0"
        )

    @abstractmethod
    def embed(self, input_ids_BT: Tensor) -> Tensor:
        """``[B, T, D]``."""

    @abstractmethod
    def forward(
        self,
        embeddings_BTD: Tensor,
        position_ids_BT: Tensor,
        segment_ids_BT: Tensor,
        is_learned_BT: Tensor | None = None,
    ) -> Tensor:
        """Last hidden states ``[B, T, D]``; a token sees itself and earlier ones of its segment.

        Args:
            is_learned_BT: which embeddings may want a gradient; None is all. States before a segment's first such
                token need no graph, unless the LLM itself is trained.
        """

    @abstractmethod
    def extend(
        self, embeddings_BTD: Tensor, position_ids_BT: Tensor, visible_BS: Tensor, cache: Any = None
    ) -> tuple[Tensor, Any]:
        """States ``[B, T, D]`` of rows' next T tokens, and what to give with the tokens after them.

        Args:
            visible_BS: which of all tokens so far, these among them, take part; padding does not.
        """

    @abstractmethod
    def head(self, hidden_PD: Tensor) -> Tensor:
        """Logits ``[P, V]``."""


class Connection(ABC):
    """How the LLM hands a wish to a decoder."""

    @abstractmethod
    def layout(self, modality: str, num_signal_tokens: int) -> TokenLayout:
        """The tokens it adds, and what the LLM is asked to emit for one target."""


@dataclass(frozen=True)
class ConditioningSpec:
    """What a decoder consumes in place of its text encoder's output: ``[N, length, dim]``.

    ``normalised``: each position has a Euclidean norm of 1. No mask: the decoder attends to all positions, padding too.
    """

    length: int
    dim: int
    normalised: bool = False


class Conditioner(Protocol):
    """What knows the conditioning of captions: a decoder, or a table that one left."""

    spec: ConditioningSpec

    def load(self, captions_only: bool = False) -> None: ...

    def digest(self, captions_only: bool = False) -> str: ...

    def condition(self, captions: Sequence[str]) -> Tensor: ...


class OutputProjector(nn.Module, ABC):
    """Turns the LLM's states at the signal tokens into a decoder's conditioning. Made from ``llm_dim`` and ``spec``."""

    @abstractmethod
    def forward(self, states_NSD: Tensor, embeddings_NSD: Tensor) -> Tensor:
        """``[N, S, D_llm]`` last hidden states at S signal tokens, and these tokens' embeddings, to ``[N, L, D]``."""


class Decoder(nn.Module, ABC):
    """Makes media from conditioning. Its constructor reads numbers only; ``load`` brings the weights."""

    modality: str
    spec: ConditioningSpec
    origin: str = ""  # of the weights: a folder or a file
    rate_hz: float | None = None  # frames or samples a second of what it makes; a picture has none

    @abstractmethod
    def load(self, captions_only: bool = False) -> None:
        """Brings the weights, in fp32, frozen and in eval mode; with ``captions_only`` what ``condition`` needs."""

    @abstractmethod
    def digest(self, captions_only: bool = False) -> str:
        """Changes with the weights and with every number; with ``captions_only`` those that ``condition`` uses."""

    @abstractmethod
    def condition(self, captions: Sequence[str]) -> Tensor:
        """``[N, length, dim]`` from the decoder's own text encoder."""

    def content(self, captions: Sequence[str]) -> Tensor:
        """``[N, length]``: whether a position of ``condition`` is one of the caption's tokens, or of all of them."""
        return torch.ones(len(captions), self.spec.length, dtype=torch.bool)

    @abstractmethod
    def encode(self, media: Tensor) -> Tensor:
        """Decoded media ``[N, ...]`` to the latents that ``denoising_loss`` starts from."""

    @abstractmethod
    def denoising_loss(self, conditioning_NLD: Tensor, latents: Tensor, noise: Tensor, times_N: Tensor) -> Term:
        """(sum over items of the mean square that the denoiser misses of its target, N)."""

    @abstractmethod
    def generate(self, conditioning_NLD: Tensor, seeds: Sequence[int]) -> Tensor:
        """Media ``[N, ...]`` as ``anyany.media`` decodes them, each from its own seed alone."""
