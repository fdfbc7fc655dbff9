"""A linear model of the scores: every input has one weight per parameter."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from ctsm_socnn.network.layers import ClassEmbedding, small_output
from ctsm_socnn.network.settings import EncoderSettings

__all__ = ["Encoder"]


class Encoder(nn.Module):
    """One linear layer over numeric inputs and class vectors."""

    def __init__(
        self,
        n_numeric: int,
        class_counts: tuple[int, ...],
        n_outputs: int,
        settings: EncoderSettings,
    ) -> None:
        super().__init__()
        self.embedding = ClassEmbedding(n_numeric, class_counts, settings.embedding)
        self.output = small_output(self.embedding.width, n_outputs)

    def forward(self, numeric: Tensor, classes: Tensor) -> Tensor:
        """Scores, shape (n, n_outputs)."""
        return cast("Tensor", self.output(self.embedding(numeric, classes)))
