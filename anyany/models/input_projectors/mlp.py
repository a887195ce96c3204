"""Two linear layers with a GELU between them, as in LLaVA-1.5 (Liu et al. 2023, arXiv 2310.03744).

Shape letters: N media items, K rows, D width.
"""

from torch import Tensor, nn

from anyany.models.input_projectors.pooled import PooledProjector


class MLPProjector(PooledProjector):
    """
    Args:
        hidden_dim: width between the layers; None is the LLM's.
    """

    def __init__(self, input_dim: int, llm_dim: int, num_rows: int | None = None, hidden_dim: int | None = None):
        super().__init__(num_rows)
        hidden_dim = hidden_dim or llm_dim
        self.layers = nn.Sequential(nn.Linear(input_dim, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, llm_dim))

    def project(self, features_NKD: Tensor) -> Tensor:
        return self.layers(features_NKD)
