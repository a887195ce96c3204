"""Two linear layers with a GELU between them, as in LLaVA-1.5 (Liu et al. 2023, arXiv 2310.03744).

Shape letters: N media items, L features, K rows, D width.
"""

from torch import Tensor, nn

from anyany.models.contracts import InputProjector
from anyany.ops.pooling import pooled


class MLPProjector(InputProjector):
    """Features averaged to ``num_rows`` rows in their order (None: one row a feature), then the layers.

    Args:
        hidden_dim: width between the layers; None is the LLM's.
    """

    def __init__(self, input_dim: int, llm_dim: int, num_rows: int | None = None, hidden_dim: int | None = None):
        super().__init__()
        if num_rows is not None and num_rows < 1:
            raise ValueError(f"num_rows is {num_rows}; give at least 1, or null for one row a feature")
        self.rows = num_rows
        hidden_dim = hidden_dim or llm_dim
        self.layers = nn.Sequential(nn.Linear(input_dim, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, llm_dim))

    def num_rows(self, num_features: int) -> int:
        return self.rows or num_features

    def forward(self, features_NLD: Tensor) -> Tensor:
        return self.layers(pooled(features_NLD, self.num_rows(features_NLD.shape[1])))
