"""Oracles: they read media and captions back into scenes, by measuring alone. Nothing in them is learned."""

from collections.abc import Callable

from torch import Tensor

from anyany.microworld.oracles.clips import read_clip
from anyany.microworld.oracles.pictures import read_picture
from anyany.microworld.oracles.sounds import read_sound
from anyany.microworld.scenes import Scene, Unreadable

ORACLES: dict[str, Callable[[Tensor], Scene | Unreadable]] = {
    "image": read_picture,
    "video": read_clip,
    "audio": read_sound,
}
