"""Transformation between the unit cube, used for estimation, and physical values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.parameters.registry import lower_bounds, upper_bounds

__all__ = ["to_physical", "to_unit"]


def to_physical(unit: ArrayLike) -> NDArray[np.float64]:
    """Physical values from the unit cube: lower + unit (upper - lower).

    Parameters
    ----------
    unit : array_like, shape (..., parameter), 1
        Normalised parameters, 0 at the lower bound and 1 at the upper.

    Returns
    -------
    ndarray, shape (..., parameter), in the registry's units
    """
    lower = lower_bounds()
    return lower + np.asarray(unit, dtype=np.float64) * (upper_bounds() - lower)


def to_unit(physical: ArrayLike) -> NDArray[np.float64]:
    """Unit-cube values of physical ones; outside [0, 1] where bounds are exceeded.

    Parameters
    ----------
    physical : array_like, shape (..., parameter), in the registry's units

    Returns
    -------
    ndarray, shape (..., parameter), 1
    """
    lower = lower_bounds()
    return (np.asarray(physical, dtype=np.float64) - lower) / (upper_bounds() - lower)
