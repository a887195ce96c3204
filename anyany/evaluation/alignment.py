"""How far what an output projector makes is from what the decoder's own text encoder gives for the same caption.

Shape letters: N items, L positions and D width of a conditioning; B rows, T tokens.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from anyany.evaluation.items import Item, captioned
from anyany.figures import Figure, mean
from anyany.messages.collate import Sample, collate
from anyany.messages.render import render
from anyany.models.generate import Generator

BATCH = 50


@torch.no_grad()
def alignment(generator: Generator, modality: str, items: Sequence[Item]) -> dict[str, Figure]:
    """Mean distance of a position, behind the right reply, to all positions, to the caption's tokens, and to padding.

    Beside each stands that of a conditioning which is the same for all, the mean over the items: ``predict_mean``.
    Nothing where the modality's wishes are captions in words.
    """
    if modality not in generator.model.output_projectors:
        return {}
    decoder, (captions, _) = generator.decoders[modality], captioned(items)
    some = [slice(first, first + BATCH) for first in range(0, len(items), BATCH)]
    made_NLD = torch.cat([_made(generator, modality, items[these]) for these in some])
    wanted_NLD = torch.cat([decoder.condition(captions[these]) for these in some])
    return distances(made_NLD, wanted_NLD, decoder.content(captions).to(made_NLD.device))


def distances(made_NLD: Tensor, wanted_NLD: Tensor, is_content_NL: Tensor) -> dict[str, Figure]:
    """
    Args:
        is_content_NL: whether a position is one of the caption's tokens.
    """
    found = {}
    for name, given_NLD in ("", made_NLD), ("predict_mean_", wanted_NLD.mean(0, keepdim=True)):
        distance_NL = (given_NLD - wanted_NLD).norm(dim=-1)
        for part, counts_NL in (
            ("all", torch.ones_like(is_content_NL)),
            ("content", is_content_NL),
            ("padding", ~is_content_NL),
        ):
            has_N = counts_NL.any(1)
            if has_N.sum() > 1:
                sums_N = (distance_NL * counts_NL).sum(1)
                found[name + part] = mean((sums_N[has_N] / counts_NL.sum(1)[has_N]).tolist())
    return found


def _made(generator: Generator, modality: str, items: Sequence[Item]) -> Tensor:
    """``[N, L, D]`` of the right replies."""
    rows = []
    for item in items:
        assert item.reply is not None, "an item of generation has a right reply"
        rows.append([Sample("alignment", str(item.group), render([*item.messages, item.reply], generator.vocabulary))])
    dummies = {n: torch.zeros(p.output_shape, dtype=p.output_dtype) for n, p in generator.preprocess.items()}
    batch = collate(rows, generator.vocabulary, dummies).to(next(generator.model.parameters()).device)
    text_BTD, hidden_BTD = generator.model.states(batch)
    return generator.model.conditioning(modality, hidden_BTD, text_BTD, batch.targets[modality].signal_slots_BT)
