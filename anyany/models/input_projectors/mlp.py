"""Two linear layers with a GELU between them, as in LLaVA-1.5 (Liu et al. 2023, arXiv 2310.03744).

Shape letters: N media items, P pooled features, D width.
"""

from torch import Tensor, nn

from anyany.models.input_projectors.pooled import PooledProjector


class MLPProjector(PooledProjector):
    """
    Args:
        hidden_dim: width between the layers; None is the LLM's.
    """

    def __init__(
        self,
        input_dim: int,
        llm_dim: int,
        num_pooled: int | None = None,
        rows_per_feature: int = 1,
        normalise: bool = False,
        hidden_dim: int | None = None,
    ):
        super().__init__(input_dim, num_pooled, rows_per_feature, normalise)
        hidden_dim = hidden_dim or llm_dim
        last = nn.Linear(hidden_dim, rows_per_feature * llm_dim)
        self.layers = nn.Sequential(nn.Linear(input_dim, hidden_dim), nn.GELU(), last)

    def project(self, features_NPD: Tensor) -> Tensor:
        return self.layers(features_NPD)
