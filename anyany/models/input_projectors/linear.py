"""One linear layer.

Shape letters: N media items, K rows, D width.
"""

from torch import Tensor, nn

from anyany.models.input_projectors.pooled import PooledProjector


class LinearProjector(PooledProjector):
    """With ``num_rows=1`` it is NExT-GPT's first projector (arXiv 2309.05519)."""

    def __init__(self, input_dim: int, llm_dim: int, num_rows: int | None = None):
        super().__init__(num_rows)
        self.linear = nn.Linear(input_dim, llm_dim)

    def project(self, features_NKD: Tensor) -> Tensor:
        return self.linear(features_NKD)
