"""The true parameters of the synthetic region, as functions of soils and climate.

They are what the workflow from profiles to parameter maps should recover. Each is given
in the unit interval of its bounds, so that none can leave them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.demo.geography import Place
from ctsm_socnn.parameters import PARAMETER_NAMES, to_physical

__all__ = ["true_parameters"]

_MARGIN: Final = 0.03
"""Least distance of a true value from its bounds, in the unit interval."""

# Parameter: centre, and its response to standardised warmth, wetness, clay, acidity and relief.
_RESPONSES: Final[Mapping[str, tuple[float, float, float, float, float, float]]] = {
    "diffus": (0.30, 0.05, 0.05, 0.00, -0.12, 0.00),
    "cryo": (0.30, -0.10, 0.00, 0.00, 0.00, 0.05),
    "q10": (0.22, 0.05, 0.00, 0.00, 0.00, -0.04),
    "efolding": (0.66, 0.06, -0.10, -0.10, 0.00, 0.00),
    "tau_cwd": (0.40, 0.00, 0.00, 0.00, 0.00, 0.00),
    "tau_l1": (0.45, 0.00, 0.00, 0.00, 0.10, 0.00),
    "tau_l2": (0.45, 0.00, 0.00, 0.00, 0.12, 0.00),
    "tau_s1": (0.35, 0.00, 0.00, 0.12, 0.00, 0.00),
    "tau_s2": (0.26, -0.04, 0.06, 0.10, 0.06, 0.00),
    "tau_s3": (0.35, 0.00, 0.00, 0.16, 0.08, 0.00),
    "fl1s1": (0.45, 0.00, 0.00, 0.08, 0.00, 0.00),
    "fl2s1": (0.45, 0.00, 0.00, 0.08, 0.00, 0.00),
    "fl3s2": (0.50, 0.00, 0.00, 0.08, 0.08, 0.00),
    "fs1s2": (0.50, 0.00, 0.00, 0.15, 0.00, 0.00),
    "fs1s3": (0.22, 0.00, 0.00, 0.08, 0.00, 0.00),
    "fs2s1": (0.45, 0.00, 0.00, 0.00, 0.00, 0.00),
    "fs2s3": (0.18, 0.00, 0.00, 0.07, 0.00, 0.00),
    "fs3s1": (0.45, 0.00, 0.00, 0.00, 0.00, 0.00),
    "fcwdl2": (0.50, 0.00, 0.00, 0.00, 0.00, 0.00),
    "w_scaling": (0.26, -0.04, -0.06, 0.00, 0.00, 0.00),
    "beta": (0.87, -0.015, -0.02, -0.015, 0.015, 0.00),
}


def true_parameters(place: Place, rng: np.random.Generator, scatter: float) -> NDArray[np.float64]:
    """Parameters at places.

    Parameters
    ----------
    place : Place
    rng : numpy.random.Generator
        Source of the scatter.
    scatter : float, 1
        Standard deviation, in the unit interval, of what no covariate tells.

    Returns
    -------
    ndarray, shape (n, parameter), in the registry's units
    """
    centre = np.array([_RESPONSES[name][0] for name in PARAMETER_NAMES])
    response = np.array([_RESPONSES[name][1:] for name in PARAMETER_NAMES])
    unit = centre + _drivers(place) @ response.T
    # The share of scatter follows the room that a parameter has, else beta would hit its bound.
    room = np.minimum(centre, 1.0 - centre)
    unit = unit + scatter * room * rng.standard_normal(unit.shape)
    return to_physical(np.clip(unit, _MARGIN, 1.0 - _MARGIN))


def _drivers(place: Place) -> NDArray[np.float64]:
    """Standardised warmth, wetness, clay, acidity and relief, shape (n, 5), within -1.5 and 1.5."""
    drivers = (
        (place.temperature - 7.0) / 5.0,
        np.log(place.precipitation / 700.0) / 0.4,
        (place.clay - 24.0) / 8.0,
        (6.5 - place.ph) / 0.6,
        (place.elevation - 600.0) / 600.0,
    )
    return np.stack([np.clip(driver, -1.5, 1.5) for driver in drivers], axis=1)
