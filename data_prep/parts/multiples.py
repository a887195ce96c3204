"""The frequencies that a vocoder is asked for where a sound is steady."""

from torch import Tensor

FINEST = 16  # steps, from which on no frequency is off by more than half of one in so many


def nearest_multiple(hz: Tensor, step_hz: float) -> Tensor:
    """The nearest multiple of ``step_hz``; from twice ``FINEST`` steps on, of two of them, from four times on, of four.

    Finer ones are hard to tell by the width of a mel band, and where a network cannot tell, the harmonics of both fall
    silent.
    """
    coarse = (hz / (FINEST * step_hz)).log2().floor().clamp(min=0).exp2() * step_hz
    return coarse * (hz / coarse).round()
