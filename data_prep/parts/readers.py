"""Attributes read from embeddings, each by a linear layer of its own, beside another loss.

Contrasts alone teach an embedding which values never stand together, and of novel pairs a linear layer then reads
wrong what it reads right of all others (of AudioLDM's captions half of the timbres). Who asks for one attribute at a
time gets each read right, on novel pairs too.

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
        names: of the attributes; a scene that lacks one or leaves it unsaid is not asked for it.
    """

    def __init__(self, width: int, names: Sequence[str]):
        super().__init__()
        self.layers = nn.ModuleDict({name: nn.Linear(width, len(VALUES[name])) for name in names})
        for parameter in self.parameters():  # every value as likely as any other, and nothing is drawn
            nn.init.zeros_(parameter)

    def forward(self, embeddings_ND: Tensor, scenes: Sequence[Scene]) -> Tensor:
        """The mean cross-entropy of each attribute that any of the scenes has, added."""
        names = [name for name in vars(scenes[0].things[0]) if name in self.layers]
        told = {name: [_index(name, scene) for scene in scenes] for name in names}
        asked = {name: some for name, some in told.items() if any(index != IGNORE_INDEX for index in some)}
        terms = [
            F.cross_entropy(self.layers[name](SCALE * embeddings_ND), torch.tensor(some, device=embeddings_ND.device))
            for name, some in asked.items()
        ]
        return torch.stack(terms).sum()


def _index(name: str, scene: Scene) -> int:
    value = getattr(scene.things[0], name, None)
    return IGNORE_INDEX if value is None else VALUES[name].index(value)
