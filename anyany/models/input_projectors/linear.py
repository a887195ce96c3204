"""One linear layer.

Shape letters: N media items, L features, K rows, D width.
"""

from torch import Tensor, nn

from anyany.models.contracts import InputProjector
from anyany.ops.pooling import pooled


class LinearProjector(InputProjector):
    """Features averaged to ``num_rows`` rows in their order (None: one row a feature), then one linear layer.

    With ``num_rows=1`` it is NExT-GPT's first projector (arXiv 2309.05519).
    """

    def __init__(self, input_dim: int, llm_dim: int, num_rows: int | None = None):
        super().__init__()
        if num_rows is not None and num_rows < 1:
            raise ValueError(f"num_rows is {num_rows}; give at least 1, or null for one row a feature")
        self.rows = num_rows
        self.linear = nn.Linear(input_dim, llm_dim)

    def num_rows(self, num_features: int) -> int:
        return self.rows or num_features

    def forward(self, features_NLD: Tensor) -> Tensor:
        return self.linear(pooled(features_NLD, self.num_rows(features_NLD.shape[1])))
