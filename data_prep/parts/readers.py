"""Attributes read from embeddings, each by a linear layer of its own: beside a contrastive loss, or in its place.

Contrasts alone teach an embedding which values never stand together, and of novel pairs a linear layer then reads
wrong what it reads right of all others (of AudioLDM's captions half of the timbres). Who asks for one attribute at a
time gets each read right, on novel pairs too; who also needs embeddings that are sums over attributes has to ask for
that.

Shape letters: N items, A attributes, D width of an embedding.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anyany.microworld.questions import VALUES
from anyany.microworld.scenes import Scene
from anyany.ops.losses import IGNORE_INDEX

SCALE = 14.0  # of normalised embeddings: CLAP's inverse temperature (Wu et al. 2022, arXiv 2211.06687)


class Readers(nn.Module):
    """
    Args:
        width: of the embeddings.
        names: of the attributes; a scene that lacks one is not asked for it.
        also_unsaid: whether that an attribute is not said is one of its values; else nothing is asked there.
    """

    def __init__(self, width: int, names: Sequence[str], also_unsaid: bool):
        super().__init__()
        self.also_unsaid = also_unsaid
        sizes = {name: len(VALUES[name]) + also_unsaid for name in names}
        self.layers = nn.ModuleDict({name: nn.Linear(width, size) for name, size in sizes.items()})
        for parameter in self.parameters():  # every value as likely as any other, and nothing is drawn
            nn.init.zeros_(parameter)

    def forward(self, embeddings_ND: Tensor, scenes: Sequence[Scene]) -> Tensor:
        """The mean cross-entropy of each attribute that any of the scenes has, added."""
        names = [name for name in vars(scenes[0].things[0]) if name in self.layers]
        told = {name: [self._index(name, scene) for scene in scenes] for name in names}
        asked = {name: some for name, some in told.items() if any(index != IGNORE_INDEX for index in some)}
        terms = [
            F.cross_entropy(self.layers[name](SCALE * embeddings_ND), torch.tensor(some, device=embeddings_ND.device))
            for name, some in asked.items()
        ]
        return torch.stack(terms).sum()

    def _index(self, name: str, scene: Scene) -> int:
        index = _value(name, scene)
        return IGNORE_INDEX if index == len(VALUES[name]) and not self.also_unsaid else index


class Sums(nn.Module):
    """What embeddings would be as sums, with one vector for each value of each attribute, or for it being unsaid.

    Embeddings from which each attribute is read by itself are not yet sums: of two trainings alike in all but what
    they drew, one left 2 % of the variance of novel pairs beside the sum, the other half of it.

    Args:
        width: of the embeddings, which are normalised.
        names: of the attributes; of a scene that lacks one it is unsaid.
    """

    def __init__(self, width: int, names: Sequence[str]):
        super().__init__()
        self.tables = nn.ModuleDict({name: nn.Embedding(len(VALUES[name]) + 1, width) for name in names})
        generator = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=width**-0.5, generator=generator)

    def forward(self, embeddings_ND: Tensor, scenes: Sequence[Scene]) -> Tensor:
        """The mean square of the distance of an embedding to its normalised sum."""
        vectors_AND = [
            table(torch.tensor([_value(name, scene) for scene in scenes], device=embeddings_ND.device))
            for name, table in self.tables.items()
        ]
        sums_ND = F.normalize(torch.stack(vectors_AND).sum(0), dim=-1)
        return (sums_ND - embeddings_ND).square().sum(-1).mean()


def _value(name: str, scene: Scene) -> int:
    """The number of the value; where it is unsaid, the one after the last."""
    value = getattr(scene.things[0], name, None)
    return len(VALUES[name]) if value is None else VALUES[name].index(value)
