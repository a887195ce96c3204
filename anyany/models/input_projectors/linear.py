"""One linear layer.

Shape letters: N media items, P pooled features, D width.
"""

from torch import Tensor, nn

from anyany.models.input_projectors.pooled import PooledProjector


class LinearProjector(PooledProjector):
    """As it stands NExT-GPT's (arXiv 2309.05519): one embedding to one row, not normalised."""

    def __init__(
        self,
        input_dim: int,
        llm_dim: int,
        num_pooled: int | None = None,
        rows_per_feature: int = 1,
        normalise: bool = False,
    ):
        super().__init__(input_dim, num_pooled, rows_per_feature, normalise)
        self.linear = nn.Linear(input_dim, rows_per_feature * llm_dim)

    def project(self, features_NPD: Tensor) -> Tensor:
        return self.linear(features_NPD)
