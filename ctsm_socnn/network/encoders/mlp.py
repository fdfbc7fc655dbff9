"""Fully connected layers."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from ctsm_socnn.network.layers import ACTIVATIONS, ClassEmbedding, Dropout, small_output
from ctsm_socnn.network.settings import EncoderSettings

__all__ = ["Encoder"]


class Encoder(nn.Module):
    """Hidden layers with dropout, then a linear layer."""

    def __init__(
        self,
        n_numeric: int,
        class_counts: tuple[int, ...],
        n_outputs: int,
        settings: EncoderSettings,
    ) -> None:
        super().__init__()
        self.embedding = ClassEmbedding(n_numeric, class_counts, settings.embedding)
        widths = (self.embedding.width, *settings.widths)
        layers: list[nn.Module] = [Dropout(settings.input_dropout)]
        for before, after in pairwise(widths):
            layers += [
                nn.Linear(before, after),
                ACTIVATIONS[settings.activation](),
                Dropout(settings.dropout),
            ]
        self.layers = nn.Sequential(*layers, small_output(widths[-1], n_outputs))

    def forward(self, numeric: Tensor, classes: Tensor) -> Tensor:
        """Scores, shape (n, n_outputs)."""
        return cast("Tensor", self.layers(self.embedding(numeric, classes)))
