"""Where matrix products may be rounded."""

import torch


def is_bf16(precision: str, device: str) -> bool:
    """Whether products are to be rounded to bfloat16.

    Args:
        precision: "fp32", "bf16", or "auto": where the processor does it by itself.
    """
    if precision == "auto":
        return torch.cuda.is_bf16_supported() if device != "cpu" else torch.cpu._is_avx512_bf16_supported()
    return precision == "bf16"
