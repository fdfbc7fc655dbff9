"""Encoders: from scaled inputs to one raw score per parameter.

Each module of this package is one encoder. It holds a class `Encoder`, built as
`Encoder(n_numeric, class_counts, n_outputs, settings)` and called with the numeric inputs
(n, numeric) and the class indices (n, categorical) to give scores (n, n_outputs). Initial scores
should be small, as `layers.small_output` and `layers.make_small` make them: a score of 0 stands for
the best value that all sites can share. Its name in the settings is the name of its module; adding
one needs no other change.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

from torch import nn

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.settings import EncoderSettings

__all__ = ["build_encoder", "encoder_names"]


def encoder_names() -> list[str]:
    """Names of the encoders that exist."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def build_encoder(
    n_numeric: int, class_counts: Sequence[int], n_outputs: int, settings: EncoderSettings
) -> nn.Module:
    """Build the encoder that the settings name.

    Parameters
    ----------
    n_numeric : int
        Numeric inputs.
    class_counts : sequence of int
        Number of classes of each categorical input.
    n_outputs : int
        Scores wanted, one per parameter.
    settings : EncoderSettings

    Raises
    ------
    NetworkError
        If there is no encoder of that name.
    """
    if settings.name not in encoder_names():
        raise NetworkError(
            f"unknown encoder {settings.name!r}; choose from {', '.join(encoder_names())}"
        )
    module = importlib.import_module(f"{__name__}.{settings.name}")
    encoder: nn.Module = module.Encoder(n_numeric, tuple(class_counts), n_outputs, settings)
    return encoder
