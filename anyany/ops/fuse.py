"""Putting media rows into a sequence at their slots, and taking states out of it again.

Shape letters: B batch, T tokens, D width, R rows (or states) of the whole batch.
"""

import torch
from torch import Tensor


def fuse(text_BTD: Tensor, rows_RD: Tensor, slots_BT: Tensor) -> Tensor:
    """``text_BTD`` with ``rows_RD[slot]`` wherever the slot is not negative.

    Rows that no slot names (the dummy of a batch without this modality) keep their place in the graph with gradient
    zero, so that every rank has the same parameters in use.

    Raises:
        ValueError: where a slot names a row that is not there.
    """
    _check_slots(slots_BT, len(rows_RD))
    placed_BTD = rows_RD.to(text_BTD.dtype)[slots_BT.clamp(min=0)]
    return torch.where((slots_BT >= 0).unsqueeze(-1), placed_BTD, text_BTD)


def gather(states_BTD: Tensor, slots_BT: Tensor, num: int) -> Tensor:
    """The inverse of ``fuse``: ``[num, D]`` states, the one at the position of slot r in row r.

    Raises:
        ValueError: unless each of the ``num`` slots occurs exactly once.
    """
    taken = slots_BT >= 0
    slots_R = slots_BT[taken]
    if slots_R.numel() != num or not torch.equal(slots_R.sort().values, torch.arange(num, device=slots_R.device)):
        raise ValueError(f"{slots_R.numel()} positions for {num} slots; each of 0..{num - 1} must occur exactly once")
    return states_BTD[taken][slots_R.argsort()]


def _check_slots(slots_BT: Tensor, num_rows: int) -> None:
    # Indexing would find this out on a CPU; on a GPU it is an assertion deep in a kernel.
    if slots_BT.device.type == "cpu" and slots_BT.numel() and int(slots_BT.max()) >= num_rows:
        raise ValueError(f"slot {int(slots_BT.max())} for {num_rows} rows; slots and rows are of different batches")
