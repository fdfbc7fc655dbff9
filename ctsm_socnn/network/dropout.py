"""Leaving out a share of values at random, several times faster than torch does on a CPU."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

__all__ = ["Dropout"]

_STEPS: Final = 2**16
"""The share is rounded to one in as many: four draws fit into one random number of torch."""
_DRAWS: Final = 4


class Dropout(nn.Module):
    """In training, set a share of the values to 0 and scale the others so that means are kept.

    torch draws one random number a value, which takes longer than the layers between; this draws
    one for four, always on the CPU, so that other devices leave out the same.

    Parameters
    ----------
    share : float
        At least 0 and below 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.left_out = round(share * _STEPS)

    def forward(self, values: Tensor) -> Tensor:
        """Return `values` with some of them left out."""
        if not self.training or self.left_out == 0:
            return values
        count = values.numel()
        numbers = torch.empty(-(-count // _DRAWS), dtype=torch.int64).random_(-(2**63), None)
        draws = numbers.view(torch.int16)[:count].view(values.shape)
        kept = draws >= self.left_out - _STEPS // 2
        return values * (kept.to(values) * (_STEPS / (_STEPS - self.left_out)))
