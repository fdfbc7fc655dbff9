"""What encoders share: classes as vectors at their start, small scores at their end."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

__all__ = ["ClassEmbedding", "small_output"]

_SMALL: Final = 0.3


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

    All members of an ensemble then begin close to the same parameters and end in the same valley,
    so that their mean is a solution too.
    """
    layer = nn.Linear(before, n_outputs)
    with torch.no_grad():
        layer.weight.mul_(_SMALL)
    return layer
