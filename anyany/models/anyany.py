"""The model: what is read goes into the sequence of the LLM.

Shape letters: B batch, T tokens, N media items, L features, K rows of an item, D width.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from anyany.messages.collate import Batch
from anyany.models.contracts import LLM, Encoder, InputProjector, Term
from anyany.ops.fuse import fuse
from anyany.ops.losses import next_token_loss

TERMS = ("text",)  # the loss terms that forward gives


class AnyToAny(nn.Module):
    """Encoders, input projectors and an LLM, joined row by row.

    Args:
        rows: by modality, the names of its encoder and its input projector; a part that several rows name is one.
    """

    def __init__(
        self,
        rows: Mapping[str, tuple[str, str]],
        encoders: Mapping[str, Encoder],
        input_projectors: Mapping[str, InputProjector],
        llm: LLM,
    ):
        super().__init__()
        self.rows = dict(rows)
        self.encoders = nn.ModuleDict(encoders)
        self.input_projectors = nn.ModuleDict(input_projectors)
        self.llm = llm

    def forward(self, batch: Batch) -> dict[str, Term]:
        """The loss terms of one micro-batch, each (sum, count)."""
        hidden_BTD = self.llm(self.embed(batch), batch.position_ids_BT, batch.segment_ids_BT)
        return {"text": next_token_loss(hidden_BTD, batch.labels_BT, self.llm.head)}

    def embed(self, batch: Batch) -> Tensor:
        """``[B, T, D]``: the text's embeddings, with the media's rows at their slots."""
        fused_BTD = self.llm.embed(batch.input_ids_BT)
        for name, (encoder, input_projector) in self.rows.items():
            media = batch.media[name]
            features_NLD = self.encoders[encoder](media.values, name)
            rows_NKD = self.input_projectors[input_projector](features_NLD)
            fused_BTD = fuse(fused_BTD, rows_NKD.flatten(0, 1), media.slots_BT)
        return fused_BTD
