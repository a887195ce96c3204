"""Factors on the learning rate, as pure functions of the step (counted from 0), for ``LambdaLR``."""

import math


def constant(step: int) -> float:
    """1 at every step."""
    return 1.0


def warmup_cosine(step: int, max_steps: int, warmup_steps: int = 0, final_factor: float = 0.0) -> float:
    """A straight rise to 1 over ``warmup_steps``, then half a cosine to ``final_factor`` at ``max_steps``, then flat.

    The first step already has ``1 / warmup_steps``: a rate of 0 would waste it.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = min((step - warmup_steps) / max(max_steps - warmup_steps, 1), 1.0)
    return final_factor + (1 - final_factor) * (1 + math.cos(math.pi * done)) / 2
