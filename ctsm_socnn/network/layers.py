"""Layers for encoders, in addition to those of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

__all__ = ["ACTIVATIONS", "ClassEmbedding", "Dropout", "make_small", "small_output"]

ACTIVATIONS: Final[Mapping[str, type[nn.Module]]] = {"relu": nn.ReLU, "silu": nn.SiLU}
"""By name, as in `EncoderSettings.activation`."""

_STEPS: Final = 2**16
"""The share is rounded to multiples of 1 / this: four draws fit into one random number of torch."""
_DRAWS: Final = 4
_SMALL: Final = 0.3


class Dropout(nn.Module):
    """In training, set a share of the values to 0 and scale the others to preserve the mean.

    torch draws one random number per value, which takes longer than the layers themselves; this
    draws one for four values, always on the CPU, so that all devices drop the same ones.

    Parameters
    ----------
    share : float
        At least 0 and below 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.left_out = round(share * _STEPS)

    def forward(self, values: Tensor) -> Tensor:
        """Return `values` with some of them dropped."""
        if not self.training or self.left_out == 0:
            return values
        count = values.numel()
        numbers = torch.empty(-(-count // _DRAWS), dtype=torch.int64).random_(-(2**63), None)
        draws = numbers.view(torch.int16)[:count].view(values.shape)
        kept = draws >= self.left_out - _STEPS // 2
        return values * (kept.to(values) * (_STEPS / (_STEPS - self.left_out)))


class ClassEmbedding(nn.Module):
    """Append to the numeric inputs a learned vector for each class.

    Parameters
    ----------
    n_numeric : int
    class_counts : tuple of int
        Number of classes of each categorical input.
    length : int
        Length of each vector.
    """

    def __init__(self, n_numeric: int, class_counts: tuple[int, ...], length: int) -> None:
        super().__init__()
        tables = [nn.Embedding(count, length) for count in class_counts]
        for table in tables:
            nn.init.normal_(table.weight, std=_SMALL)
        self.tables = nn.ModuleList(tables)
        self.width = n_numeric + length * len(class_counts)

    def forward(self, numeric: Tensor, classes: Tensor) -> Tensor:
        """Return shape (n, width)."""
        vectors = [table(classes[:, i]) for i, table in enumerate(self.tables)]
        return torch.cat([numeric, *vectors], dim=1)


def small_output(before: int, n_outputs: int) -> nn.Linear:
    """Return a last layer whose first scores are small.

    All members of an ensemble then start near the same parameters and end in the same basin, so
    that their mean is a solution, too.
    """
    layer = nn.Linear(before, n_outputs)
    make_small(layer.weight)
    return layer


def make_small(weights: Tensor, terms: int = 1) -> None:
    """Scale weights down in place, so that the sum over `terms` such layers starts small."""
    with torch.no_grad():
        weights.mul_(_SMALL / terms**0.5)
