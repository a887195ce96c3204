"""The model: what is read goes into the sequence of the LLM, what it asks for comes out of its states.

Shape letters: B batch, T tokens, N media items, L features or positions of a conditioning, K rows of an item, S signal
tokens, D width.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from anyany.messages.collate import Batch, MediaBatch
from anyany.models.contracts import LLM, Encoder, InputProjector, OutputProjector, Term
from anyany.ops.feature_noise import noisy
from anyany.ops.fuse import fuse, gather
from anyany.ops.losses import alignment_loss, kept_loss, next_token_loss
from anyany.seeds import seed_of


class AnyToAny(nn.Module):
    """Encoders, projectors and an LLM, joined row by row.

    Args:
        inputs: by modality, the names of its encoder and its input projector; a part that several rows name is one.
        outputs: by modality, the number of its signal tokens, whose states its output projector reads.
        encoders: a row whose encoder is not among them is fed features in place of media.
        output_projectors: by modality.
        temperature: by which logits are divided in training, so that what is read has to outweigh what the LLM expects
            of text by as much more; evaluation has none, nor has text beside which nothing is read or made.
        keeps: whether the last term tells how far the LLM has moved from its frozen weights on such text.
        noise: on features in training, in units of their standard deviation; what is told by few numbers drowns in it.
    """

    def __init__(
        self,
        inputs: Mapping[str, tuple[str, str]],
        outputs: Mapping[str, int],
        encoders: Mapping[str, Encoder],
        input_projectors: Mapping[str, InputProjector],
        llm: LLM,
        output_projectors: Mapping[str, OutputProjector],
        temperature: float = 1.0,
        keeps: bool = False,
        noise: float = 0.0,
    ):
        super().__init__()
        self.inputs, self.outputs = dict(inputs), dict(outputs)
        self.encoders = nn.ModuleDict(encoders)
        self.input_projectors = nn.ModuleDict(input_projectors)
        self.llm = llm
        self.output_projectors = nn.ModuleDict(output_projectors)
        self.temperature, self.keeps, self.noise = temperature, keeps, noise

    def forward(self, batch: Batch) -> dict[str, Term]:
        """The loss terms of one micro-batch, each (sum, count)."""
        text_BTD, hidden_BTD = self.states(batch)
        temperature_BT = torch.where(batch.is_plain_BT, 1.0, self.temperature) if self.training else None
        terms = {"text": next_token_loss(hidden_BTD, batch.labels_BT, self.llm.head, temperature_BT)}
        for name in self.outputs:
            target = batch.targets[name]
            made_NLD = self.conditioning(name, hidden_BTD, text_BTD, target.signal_slots_BT)
            wanted_NLD = target.conditioning_NLD if target.captions else made_NLD.detach()
            assert wanted_NLD is not None, f"{name}: targets without the conditioning to align with"
            terms[f"{name}/align"] = alignment_loss(made_NLD, wanted_NLD)
        if self.keeps:
            terms["keep"] = self.kept(batch, text_BTD, hidden_BTD)
        return terms

    def kept(self, batch: Batch, text_BTD: Tensor, hidden_BTD: Tensor) -> Term:
        """Of text alone: the divergence of the LLM's choices from those of its frozen weights."""
        with torch.no_grad(), self.llm.unchanged():
            before_BTD = self.llm(text_BTD, batch.position_ids_BT, batch.segment_ids_BT)
            before_PV = self.llm.head(before_BTD[batch.is_plain_BT])
        now_PV = self.llm.head(hidden_BTD[batch.is_plain_BT])
        return kept_loss(now_PV, before_PV[:, : self.llm.num_known])

    def states(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """``[B, T, D]`` embeddings of the text alone, and last hidden states of text and media."""
        text_BTD = self.llm.embed(batch.input_ids_BT)
        # Where media are read, what is learned stands near the beginning, and all that follows needs a graph.
        is_learned_BT = None if self.inputs else batch.input_ids_BT >= self.llm.num_known
        return text_BTD, self.llm(
            self.fused(text_BTD, batch), batch.position_ids_BT, batch.segment_ids_BT, is_learned_BT
        )

    def fused(self, text_BTD: Tensor, batch: Batch) -> Tensor:
        """The text's embeddings with the media's rows at their slots."""
        for name, (encoder, input_projector) in self.inputs.items():
            media = batch.media[name]
            features_NLD = self.encoders[encoder](media.values, name) if encoder in self.encoders else media.values
            features_NLD = self.noised(features_NLD.to(text_BTD.dtype), media, batch.seed)
            rows_NKD = self.input_projectors[input_projector](features_NLD)
            text_BTD = fuse(text_BTD, rows_NKD.flatten(0, 1), media.slots_BT)
        return text_BTD

    def noised(self, features_NLD: Tensor, media: MediaBatch, seed: int) -> Tensor:
        if not (self.training and self.noise and media.names):
            return features_NLD
        return noisy(features_NLD, self.noise, [seed_of("noise", seed, name) for name in media.names])

    def conditioning(self, name: str, hidden_BTD: Tensor, text_BTD: Tensor, signal_slots_BT: Tensor) -> Tensor:
        """``[N, L, D]`` from the states *at* the signal tokens and these tokens' own embeddings.

        Where nothing is asked for, an item of zeros goes through the projector and is cut off, so that every rank
        runs the same modules.
        """
        num_signals = self.outputs[name]
        num_states = int((signal_slots_BT >= 0).sum())
        states, embeddings = (gather(values, signal_slots_BT, num_states) for values in (hidden_BTD, text_BTD))
        if not num_states:
            states, embeddings = (values.new_zeros(num_signals, values.shape[-1]) for values in (states, embeddings))
        shape = (-1, num_signals, hidden_BTD.shape[-1])
        return self.output_projectors[name](states.view(shape), embeddings.view(shape))[: num_states // num_signals]
