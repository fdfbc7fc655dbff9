"""From an encoder's scores to parameters in the unit cube of the registry's bounds."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.settings import ParameterSettings
from ctsm_socnn.parameters import PARAMETER_NAMES, clm5_defaults, parameter, to_unit

__all__ = [
    "BoundedHead",
    "ClippedHead",
    "ParameterHead",
    "free_positions",
    "predicted_parameters",
    "unit_bounds",
]

_MARGIN: Final = 1e-3
"""Share of each range that the bounded head excludes at both ends: turnover times of 0 are within
the published bounds, but outside the kernel's domain."""
_CLIPPED_LOW: Final = 1e-4
"""Value to which the published post-processing sets values of 0 and below."""


def predicted_parameters(settings: ParameterSettings) -> tuple[str, ...]:
    """Names of the parameters for which the encoder gives scores, in the registry's order.

    Raises
    ------
    NetworkError
        If a name is unknown, is both held and tied, or all parameters are.
    """
    for name in (*settings.held, *settings.tied, *settings.bounds):
        if name not in PARAMETER_NAMES:
            raise NetworkError(
                f"unknown parameter {name!r} among held, tied or bounds; "
                f"choose from {', '.join(PARAMETER_NAMES)}"
            )
    both = sorted(set(settings.held) & set(settings.tied))
    if both:
        raise NetworkError(f"{', '.join(both)} cannot be both held and tied")
    fixed = {*settings.held, *settings.tied}
    names = tuple(name for name in PARAMETER_NAMES if name not in fixed)
    if not names:
        raise NetworkError("every parameter is held or tied, so there is nothing to predict")
    return names


def free_positions(settings: ParameterSettings) -> list[int]:
    """Positions, among the registry's parameters, of those for which the encoder gives scores."""
    return [PARAMETER_NAMES.index(name) for name in predicted_parameters(settings)]


class ParameterHead(nn.Module):
    """Scores (n, predicted) to unit-cube values (n, 21)."""

    positions: Tensor

    def __init__(self, settings: ParameterSettings) -> None:
        super().__init__()
        self.register_buffer("positions", torch.tensor(free_positions(settings)))


class BoundedHead(ParameterHead):
    """Sigmoid scores within the bounds; held and tied parameters are filled in.

    Parameters
    ----------
    settings : ParameterSettings
    start : ndarray, shape (21,), 1, optional
        Unit-cube values for scores of zero; by default the centre of the bounds.
    """

    low: Tensor
    high: Tensor
    centre: Tensor
    tied: Tensor

    def __init__(
        self, settings: ParameterSettings, start: NDArray[np.float64] | None = None
    ) -> None:
        super().__init__(settings)
        low, high = unit_bounds(settings)
        centre = 0.5 * (low + high) if start is None else np.clip(start, low, high)
        default = np.clip(to_unit(clm5_defaults()), low, high)
        held = [PARAMETER_NAMES.index(name) for name in settings.held]
        centre[held] = default[held]
        share = np.clip((centre - low) / (high - low), 0.02, 0.98)
        self.register_buffer("low", torch.from_numpy(low))
        self.register_buffer("high", torch.from_numpy(high))
        self.register_buffer("centre", torch.from_numpy(np.log(share / (1.0 - share))))
        tied = [PARAMETER_NAMES.index(name) for name in settings.tied]
        self.register_buffer("tied", torch.tensor(tied, dtype=torch.int64))
        self.tied_scores = nn.Parameter(torch.zeros(len(tied), dtype=torch.float64))

    def forward(self, scores: Tensor) -> Tensor:
        """Unit-cube values, shape (n, 21)."""
        shape = (len(scores), len(PARAMETER_NAMES))
        full = torch.zeros(shape, dtype=torch.float64, device=scores.device)
        full = full.index_copy(1, self.positions, scores.double())
        full = full.index_copy(1, self.tied, self.tied_scores.expand(len(scores), -1))
        return self.low + (self.high - self.low) * torch.sigmoid(full + self.centre)


class ClippedHead(ParameterHead):
    """Linear scores, as published: free in training, clipped into the cube afterwards."""

    def forward(self, scores: Tensor) -> Tensor:
        """Unit-cube values, shape (n, 21)."""
        values = scores.double()
        if self.training:
            return values
        clipped = values.clamp(max=1.0)
        return torch.where(clipped > 0.0, clipped, torch.full_like(clipped, _CLIPPED_LOW))


def unit_bounds(settings: ParameterSettings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bounds of bounded parameters, each of shape (21,), unit cube.

    Raises
    ------
    NetworkError
        If bounds are not ascending or exceed the registry's.
    """
    low = np.full(len(PARAMETER_NAMES), _MARGIN)
    high = 1.0 - low
    for name, (lower, upper) in settings.bounds.items():
        row = PARAMETER_NAMES.index(name)
        known = parameter(name)
        if not known.lower <= lower < upper <= known.upper:
            raise NetworkError(
                f"bounds of {name} are {lower:g} to {upper:g} {known.units}; they must rise and "
                f"lie within {known.lower:g} to {known.upper:g}"
            )
        span = known.upper - known.lower
        low[row] = max(low[row], (lower - known.lower) / span)
        high[row] = min(high[row], (upper - known.lower) / span)
    return low, high
