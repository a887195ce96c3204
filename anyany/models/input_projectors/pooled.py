"""What projectors share that work on averaged features.

Shape letters: N media items, L features, K rows, D width.
"""

from abc import abstractmethod

from torch import Tensor

from anyany.models.contracts import InputProjector
from anyany.ops.pooling import pooled


class PooledProjector(InputProjector):
    """Features averaged to ``num_rows`` rows in their order (None: one row a feature), then ``project``."""

    def __init__(self, num_rows: int | None):
        super().__init__()
        if num_rows is not None and num_rows < 1:
            raise ValueError(f"num_rows is {num_rows}; give at least 1, or null for one row a feature")
        self.rows = num_rows

    def num_rows(self, num_features: int) -> int:
        return self.rows or num_features

    def forward(self, features_NLD: Tensor) -> Tensor:
        return self.project(pooled(features_NLD, self.num_rows(features_NLD.shape[1])))

    @abstractmethod
    def project(self, features_NKD: Tensor) -> Tensor:
        """``[N, K, D_enc]`` to ``[N, K, D_llm]``."""
