"""What parts take and give.

Shape letters: N media items, L features of an item, D width of an encoder (D_enc) or of the LLM, K rows of an item,
B batch, T tokens.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from anyany.media.table import Preprocess
from anyany.messages.vocabulary import TokenLayout


class Encoder(nn.Module, ABC):
    """Turns media into features. Frozen."""

    dim: int
    modalities: tuple[str, ...]

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
    tokenizer_json: str
    template: str

    @abstractmethod
    def add_tokens(self, num_tokens: int) -> None:
        """Makes rows for the ids from its own vocabulary's end up to ``num_tokens``, as a parameter of their own."""

    @abstractmethod
    def embed(self, input_ids_BT: Tensor) -> Tensor:
        """``[B, T, D]``."""

    @abstractmethod
    def forward(self, embeddings_BTD: Tensor, position_ids_BT: Tensor, segment_ids_BT: Tensor) -> Tensor:
        """Last hidden states ``[B, T, D]``; a token sees itself and earlier ones of its segment."""

    @abstractmethod
    def head(self, hidden_PD: Tensor) -> Tensor:
        """Logits ``[P, V]``."""


class Connection(ABC):
    """How the LLM hands a wish to a decoder."""

    @abstractmethod
    def layout(self, modality: str, num_signal_tokens: int) -> TokenLayout:
        """The tokens it adds, and what the LLM is asked to emit for one target."""
