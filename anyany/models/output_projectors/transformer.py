"""NExT-GPT's output projector (arXiv 2309.05519, section 3; after GILL, arXiv 2305.17216).

Shape letters: N items, S signal tokens, L positions of the conditioning, H hidden width, D other widths.
"""

import torch
from torch import Tensor, nn

from anyany.models.contracts import ConditioningSpec, OutputProjector


class TransformerProjector(OutputProjector):
    """A transformer whose encoder reads the states of the signal tokens and whose decoder holds a query a position.

    Queries are drawn from N(0, 1). At zero, as some code has them, all positions of an item come out equal at first.

    Args:
        llm_dim: width of the LLM.
        spec: what the decoder consumes; a normalised conditioning is normalised here too.
        ffn_dim: width inside the feed-forward layers; None is four times ``hidden_dim``.
    """

    def __init__(
        self,
        llm_dim: int,
        spec: ConditioningSpec,
        hidden_dim: int = 512,
        num_heads: int = 4,
        num_layers: int = 4,
        ffn_dim: int | None = None,
    ):
        super().__init__()
        self.normalised = spec.normalised
        self.in_linear = nn.Linear(llm_dim, hidden_dim)
        ffn_dim = ffn_dim or 4 * hidden_dim
        layer = nn.TransformerEncoderLayer(hidden_dim, num_heads, ffn_dim, 0.0, batch_first=True, norm_first=True)
        # PyTorch's own encoder would warn that it cannot leave out padding where norms come first; there is none.
        encoder = nn.TransformerEncoder(layer, num_layers, nn.LayerNorm(hidden_dim), enable_nested_tensor=False)
        self.transformer = nn.Transformer(
            hidden_dim,
            num_heads,
            num_decoder_layers=num_layers,
            dim_feedforward=ffn_dim,
            dropout=0.0,
            custom_encoder=encoder,
            batch_first=True,
            norm_first=True,
        )
        self.queries_1LH = nn.Parameter(torch.randn(1, spec.length, hidden_dim))
        self.out_linear = nn.Linear(hidden_dim, spec.dim)

    def forward(self, states_NSD: Tensor, embeddings_NSD: Tensor) -> Tensor:
        read_NSH = self.in_linear(states_NSD + embeddings_NSD)
        written_NLH = self.transformer(read_NSH, self.queries_1LH.expand(len(read_NSH), -1, -1))
        conditioning_NLD = self.out_linear(written_NLH)
        return nn.functional.normalize(conditioning_NLD, dim=-1) if self.normalised else conditioning_NLD
