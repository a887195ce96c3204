"""Attributes read from embeddings, each by a linear layer of its own: beside a contrastive loss, or in its place.

Contrasts alone teach an embedding which values never stand together, and of novel pairs a linear layer then reads
wrong what it reads right of all others (of AudioLDM's captions half of the timbres). Who asks for one attribute at a
time gets embeddings that are sums over attributes, on novel pairs too.

Shape letters: N items, D width of an embedding.
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
        value = getattr(scene.things[0], name)
        if value is None:
            return len(VALUES[name]) if self.also_unsaid else IGNORE_INDEX
        return VALUES[name].index(value)
