"""What hidden units make of their sums."""

from __future__ import annotations

from typing import Final

from torch import nn

__all__ = ["activation"]

_BY_NAME: Final[dict[str, type[nn.Module]]] = {"relu": nn.ReLU, "silu": nn.SiLU}


def activation(name: str) -> nn.Module:
    """Return the module that `EncoderSettings.activation` names."""
    return _BY_NAME[name]()
