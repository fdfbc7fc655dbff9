"""Classes as vectors, beside numeric inputs; what every encoder starts with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ClassEmbedding"]


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
        self.tables = nn.ModuleList(nn.Embedding(count, length) for count in class_counts)
        self.width = n_numeric + length * len(class_counts)

    def forward(self, numeric: Tensor, classes: Tensor) -> Tensor:
        """Return shape (n, width)."""
        vectors = [table(classes[:, i]) for i, table in enumerate(self.tables)]
        return torch.cat([numeric, *vectors], dim=1)
