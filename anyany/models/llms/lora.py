"""Low-rank changes of an LLM's linear layers (Hu et al. 2021, arXiv 2106.09685), by the PEFT library."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


@dataclass(frozen=True)
class Lora:
    """``alpha / rank`` scales the change. The layers of Llama's attention are called as ``targets`` has them."""

    rank: int
    alpha: int
    dropout: float = 0.0
    targets: Sequence[str] = ATTENTION

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha <= 0 or not 0 <= self.dropout < 1:
            raise ValueError(f"{self}; give rank >= 1, alpha > 0 and dropout within 0..1")


def insert(network: Any, lora: Lora) -> None:
    """Puts the changes into a network of transformers, as parameters named ``lora_A`` and ``lora_B``; they begin at 0.

    Raises:
        ValueError: where no layer has such a name.
    """
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
    )
    inject_adapter_in_model(config, network)


@contextmanager
def without(network: Any) -> Iterator[None]:
    """In it a network is as it was before changes were put into it."""
    from peft.tuners.lora import LoraLayer

    changed = [(layer, name) for layer in network.modules() if isinstance(layer, LoraLayer) for name in layer.scaling]
    for layer, name in changed:
        layer.set_scale(name, 0.0)
    try:
        yield
    finally:
        for layer, name in changed:
            layer.set_scale(name, 1.0)
