"""A sum of curves: each input has its own small network, without interactions."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ctsm_socnn.network.layers import ACTIVATIONS, Dropout, make_small
from ctsm_socnn.network.settings import EncoderSettings

__all__ = ["Encoder"]


class _Curves(nn.Module):
    """One layer of all inputs' networks at once, shape (n, input, before) -> (n, input, after)."""

    def __init__(self, inputs: int, before: int, after: int) -> None:
        super().__init__()
        bound = before**-0.5
        self.weight = nn.Parameter(torch.empty(inputs, before, after).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(inputs, after).uniform_(-bound, bound))

    def forward(self, values: Tensor) -> Tensor:
        return torch.einsum("nib,iba->nia", values, self.weight) + self.bias


class Encoder(nn.Module):
    """Sum over numeric inputs of a curve each and over classes of a value each."""

    def __init__(
        self,
        n_numeric: int,
        class_counts: tuple[int, ...],
        n_outputs: int,
        settings: EncoderSettings,
    ) -> None:
        super().__init__()
        widths = (1, *settings.widths)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [
                _Curves(n_numeric, before, after),
                ACTIVATIONS[settings.activation](),
                Dropout(settings.dropout),
            ]
        last = _Curves(n_numeric, widths[-1], n_outputs)
        tables = [nn.Embedding(count, n_outputs) for count in class_counts]
        for weights in (last.weight, last.bias, *(table.weight for table in tables)):
            make_small(weights, n_numeric + len(class_counts))
        self.curves = nn.Sequential(*layers, last)
        self.tables = nn.ModuleList(tables)

    def forward(self, numeric: Tensor, classes: Tensor) -> Tensor:
        """Scores, shape (n, n_outputs)."""
        scores: Tensor = self.curves(numeric[:, :, None]).sum(dim=1)
        for i, table in enumerate(self.tables):
            scores = scores + table(classes[:, i])
        return scores
