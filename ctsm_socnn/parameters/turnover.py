"""Turnover-time conventions.

CTSM multiplies its Q10 function by a constant, N(q10) = [catanf(15) / catanf(30)] q10, so that it
meets the CENTURY temperature function at 15 degC (`normalize_q10_to_century_tfunc`, true in every
version and without a namelist item). The published assimilation leaves the constant out. The
same decomposition therefore has two turnover times: tau_ctsm = tau_unnormalised * N(q10).
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FREEZING",
    "Q10_REFERENCE",
    "TurnoverConvention",
    "century_normalisation",
    "convert_turnover_times",
]

FREEZING: Final = 273.15
"""K. Below it CTSM takes the Q10 of frozen soil."""
Q10_REFERENCE: Final = 298.15
"""K, at which CTSM's Q10 function is 1 before its normalisation."""


class TurnoverConvention(StrEnum):
    """Which temperature scalar a turnover time belongs to."""

    UNNORMALISED = "unnormalised"
    """q10 ** ((T - 298.15) / 10), as in the published assimilation."""
    CENTURY_NORMALISED = "century_normalised"
    """The same times N(q10), as in CTSM."""


def _catanf(temperature: float) -> float:
    """CENTURY temperature function (CTSM, `decomp_rate_constants_bgc`), temperature in degC."""
    return 11.75 + (29.7 / math.pi) * math.atan(math.pi * 0.031 * (temperature - 15.4))


def century_normalisation(q10: ArrayLike) -> NDArray[np.float64]:
    """N(q10), the constant by which CTSM multiplies its Q10 function.

    Parameters
    ----------
    q10 : array_like, 1

    Returns
    -------
    ndarray of the shape of `q10`, 1; 0.8206 at q10 = 1.5
    """
    return _catanf(15.0) / _catanf(30.0) * np.asarray(q10, dtype=np.float64)


def convert_turnover_times(
    turnover_time: ArrayLike,
    q10: ArrayLike,
    *,
    source: TurnoverConvention,
    target: TurnoverConvention,
) -> NDArray[np.float64]:
    """Turnover times that give the same decomposition under another convention.

    Parameters
    ----------
    turnover_time : array_like, yr
    q10 : array_like, 1
        Broadcast against `turnover_time`.
    source, target : TurnoverConvention

    Returns
    -------
    ndarray, yr
    """
    values = np.asarray(turnover_time, dtype=np.float64)
    if source is target:
        return values.copy()
    factor = century_normalisation(q10)
    return values * factor if target is TurnoverConvention.CENTURY_NORMALISED else values / factor
