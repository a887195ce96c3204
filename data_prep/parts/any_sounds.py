"""Sounds that an autoencoder must pass on: records, varied, sounds of any pitch, and invented ones.

Shape letters: N sounds, S samples.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from data_prep.parts.between import unpitched
from data_prep.parts.invented import invented
from data_prep.parts.pools import INT16_MAX, Pool
from data_prep.parts.training import Draw

INVENTED, UNPITCHED = 1 / 3, 1 / 6  # of the sounds
OCTAVES = 0.4  # of a change of speed, up and down; pitches lie 1.3 apart


def any_sounds(pool: Pool, number: int, rate_hz: int, draw: Draw) -> Tensor:
    """``[N, S]``."""
    num_invented, num_unpitched = round(INVENTED * number), round(UNPITCHED * number)
    media, _ = pool.draw(draw.rng, number - num_invented - num_unpitched)
    sounds_NS = varied(media.float().to(draw.device) / INT16_MAX, draw)
    more_NS = unpitched(num_unpitched, draw.rng)[0].float().to(draw.device) / INT16_MAX
    return torch.cat([sounds_NS, more_NS, invented(num_invented, sounds_NS.shape[1], rate_hz, draw)])


def varied(sounds_NS: Tensor, draw: Draw) -> Tensor:
    """Half of the sounds faster or slower, by so little that no pitch becomes another, and half with another over them.

    Without it a part learns pairs of pitch and timbre, and falls silent or hisses where it meets a novel one.
    """
    played_NS = played(sounds_NS, float(2 ** draw.rng.uniform(-OCTAVES, OCTAVES)))
    sounds_NS = torch.where(draw.uniform(len(sounds_NS), 1) < 0.5, sounds_NS, played_NS)
    gain_N1 = (2 * draw.uniform(len(sounds_NS), 1) - 1).clamp(min=0)  # none for half of them
    return (sounds_NS + gain_N1 * sounds_NS.roll(1, dims=0)).clamp(-1, 1)


def played(sounds_NS: Tensor, speed: float) -> Tensor:
    """So many times as fast, then as long as before: cut, or followed by silence."""
    num_samples = sounds_NS.shape[1]
    played_NS = F.interpolate(sounds_NS[:, None], round(num_samples / speed), mode="linear")[:, 0, :num_samples]
    return F.pad(played_NS, (0, num_samples - played_NS.shape[1]))
