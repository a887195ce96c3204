"""What projectors share that work on each feature by itself.

Shape letters: N media items, L features, P pooled features, K rows, D width.
"""

from abc import abstractmethod

from torch import Tensor, nn

from anyany.models.contracts import InputProjector
from anyany.ops.pooling import pooled


class PooledProjector(InputProjector):
    """Features averaged in their order and normalised, then projected to one row or several each.

    Args:
        num_pooled: features that are left, where there are more; None leaves all.
        rows_per_feature: one embedding of a whole picture, say, holds more than a row of an LLM does.
        normalise: gives each feature mean 0 and variance 1. Those of encoders differ in size a hundredfold; so one
            learning rate suits them all.
    """

    def __init__(self, input_dim: int, num_pooled: int | None, rows_per_feature: int, normalise: bool):
        super().__init__()
        for name, number in (("num_pooled", num_pooled), ("rows_per_feature", rows_per_feature)):
            if number is not None and number < 1:
                raise ValueError(f"{name} is {number}; give at least 1")
        self.num_pooled, self.rows_per_feature = num_pooled, rows_per_feature
        self.norm = nn.LayerNorm(input_dim, elementwise_affine=False) if normalise else nn.Identity()

    def num_rows(self, num_features: int) -> int:
        return self._num_left(num_features) * self.rows_per_feature

    def forward(self, features_NLD: Tensor) -> Tensor:
        features_NPD = self.norm(pooled(features_NLD, self._num_left(features_NLD.shape[1])))
        return self.project(features_NPD).unflatten(-1, (self.rows_per_feature, -1)).flatten(1, 2)

    def _num_left(self, num_features: int) -> int:
        return num_features if self.num_pooled is None else min(self.num_pooled, num_features)

    @abstractmethod
    def project(self, features_NPD: Tensor) -> Tensor:
        """``[N, P, D_enc]`` to ``[N, P, rows_per_feature * D_llm]``: a feature's rows side by side."""
