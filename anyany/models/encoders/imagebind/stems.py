"""The first layer of each branch: media or token ids to tokens that know their place.

Shape letters: N items, C channels, L tokens (the first is the cls token), T text tokens, D width, A axes, S samples.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Stem(nn.Module):
    """Holds a learned place for each token and, except for text, a cls token in front.

    ``position`` and ``cls`` have the shapes of the published weights, ``[1, L, D]`` and ``[1, 1, D]``.
    """

    def __init__(self, width: int, num_positions: int, std: float):
        super().__init__()
        self.position = nn.Parameter(torch.randn(1, num_positions, width) * std)

    def read_at(self, values: Tensor) -> Tensor:
        """``[N]`` the index of the token that stands for the whole item."""
        return torch.zeros(len(values), dtype=torch.long, device=values.device)


class PatchStem(Stem):
    """Patches of a grid of any number of dimensions, which may overlap.

    Args:
        sizes, kernel, stride: of the grid without its channels: (frames, height, width), or two of a kind.
        with_norm: a LayerNorm over the patches, as in all branches but vision.
    """

    def __init__(
        self,
        width: int,
        num_channels: int,
        sizes: Sequence[int],
        kernel: Sequence[int],
        stride: Sequence[int],
        with_norm: bool,
    ):
        grid = [(size - k) // s + 1 for size, k, s in zip(sizes, kernel, stride, strict=True)]
        num_patches = torch.Size(grid).numel()
        if min(grid) < 1:
            raise ValueError(f"patches of {list(kernel)} in {list(sizes)}; the kernel must fit in")
        super().__init__(width, 1 + num_patches, width**-0.5)
        make: type[nn.Conv2d] | type[nn.Conv3d] = nn.Conv2d if len(grid) == 2 else nn.Conv3d
        self.item_shape = (num_channels, *sizes)
        self.patches = make(num_channels, width, tuple(kernel), tuple(stride), bias=False)  # type: ignore[arg-type]
        self.norm = nn.LayerNorm(width) if with_norm else nn.Identity()
        self.cls = nn.Parameter(torch.randn(1, 1, width) * width**-0.5)

    def forward(self, values: Tensor) -> Tensor:
        """``[N, C, ...]`` to ``[N, L, D]``."""
        _check_shape(values, self.item_shape)
        patches_NLD = self.norm(self.patches(values).flatten(2).transpose(1, 2))
        return torch.cat([self.cls.expand(len(values), -1, -1), patches_NLD], dim=1) + self.position


class MotionStem(Stem):
    """Stretches of ``kernel`` samples over all axes of an inertial sensor."""

    def __init__(self, width: int, num_axes: int, num_samples: int, kernel: int):
        super().__init__(width, 1 + num_samples // kernel, width**-0.5)
        self.item_shape, self.kernel = (num_axes, num_samples), kernel
        self.patches = nn.Linear(num_axes * kernel, width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.cls = nn.Parameter(torch.randn(1, 1, width) * width**-0.5)

    def forward(self, values_NAS: Tensor) -> Tensor:
        """``[N, A, S]`` to ``[N, L, D]``."""
        _check_shape(values_NAS, self.item_shape)
        stretches_NLX = values_NAS.unfold(-1, self.kernel, self.kernel).transpose(1, 2).flatten(2)
        patches_NLD = self.norm(self.patches(stretches_NLX))
        return torch.cat([self.cls.expand(len(values_NAS), -1, -1), patches_NLD], dim=1) + self.position


class TextStem(Stem):
    """Token ids; the token with the highest id ends a text and stands for all of it, as in CLIP's vocabulary."""

    def __init__(self, width: int, vocab_size: int, num_positions: int):
        super().__init__(width, num_positions, 0.01)
        self.tokens = nn.Embedding(vocab_size, width)
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, ids_NT: Tensor) -> Tensor:
        """``[N, T]`` to ``[N, T, D]``; T may be smaller than the number of places."""
        num_positions = self.position.shape[1]
        if ids_NT.dim() != 2 or ids_NT.shape[1] > num_positions:
            raise ValueError(f"token ids are {list(ids_NT.shape)}; give [N, T] with T of at most {num_positions}")
        return self.tokens(ids_NT) + self.position[:, : ids_NT.shape[1]]

    def read_at(self, values: Tensor) -> Tensor:
        return values.argmax(-1)


def _check_shape(values: Tensor, item_shape: tuple[int, ...]) -> None:
    if tuple(values.shape[1:]) != item_shape:
        raise ValueError(f"items are {list(values.shape)}; give [N, {', '.join(map(str, item_shape))}]")
