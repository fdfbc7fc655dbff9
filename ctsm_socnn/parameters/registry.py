"""One table of the 21 parameters of the published model (Tao et al. 2020).

The order of `PARAMETERS` is the order of every parameter axis in the package, in Fortran too.
Bounds are those of the published assimilation. Defaults are CLM5's (parameter file
clm5_params.c171117), with turnover times in the `unnormalised` convention of the `proda` scheme:
the file's values divided by N(1.5), see `ctsm_socnn.parameters.turnover`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.errors import ConfigError
from ctsm_socnn.parameters.turnover import century_normalisation

__all__ = [
    "PARAMETERS",
    "PARAMETER_NAMES",
    "SPLITS",
    "TYPICAL_SAND",
    "Parameter",
    "clm5_defaults",
    "lower_bounds",
    "parameter",
    "upper_bounds",
]

_CLM5_Q10: Final = 1.5
_CLM5_NORMALISATION: Final = float(century_normalisation(_CLM5_Q10))
SPLITS: Final = (("fs1s2", "fs1s3"), ("fs2s1", "fs2s3"))
"""Fractions that leave one pool by two ways: their sum cannot exceed 1."""
TYPICAL_SAND: Final = 50.0
"""Percent, where the sand of a soil is not known."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of the soil-carbon model.

    Attributes
    ----------
    name : str
        Name in every file and array of this package.
    meaning : str
        One line, as it appears in `long_name`.
    units : str
        UDUNITS string.
    lower, upper : float
        Bounds of the published assimilation, in `units`.
    default : float
        CLM5's value, in `units`; may lie outside the bounds.
    is_turnover_time : bool
        Whether the value depends on the turnover-time convention.
    """

    name: str
    meaning: str
    units: str
    lower: float
    upper: float
    default: float
    is_turnover_time: bool = False


def _turnover(name: str, meaning: str, lower: float, upper: float, clm5_value: float) -> Parameter:
    return Parameter(name, meaning, "yr", lower, upper, clm5_value / _CLM5_NORMALISATION, True)


def _fraction(name: str, meaning: str, lower: float, upper: float, default: float) -> Parameter:
    return Parameter(name, meaning, "1", lower, upper, default)


def _sand_function(sand_percent: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Transfer fractions S1->S2 and S1->S3 of CLM5 as a function of sand.

    CTSM, `init_decompcascade_bgc`: t = 0.85 - 0.0068 (100 - sand) is respired on both paths and
    0.004 / (1 - t) of the rest goes to S3.
    """
    sand = np.asarray(sand_percent, dtype=np.float64)
    respired = 0.85 - 0.68 * 0.01 * (100.0 - sand)
    to_s3 = np.full_like(respired, 0.004)
    return 1.0 - respired - to_s3, to_s3


_S1_S2_DEFAULT, _S1_S3_DEFAULT = (float(f) for f in _sand_function(TYPICAL_SAND))

PARAMETERS: Final[tuple[Parameter, ...]] = (
    Parameter("diffus", "bioturbation diffusivity", "m2 yr-1", 3e-5, 5e-4, 1e-4),
    Parameter("cryo", "cryoturbation diffusivity", "m2 yr-1", 3e-5, 16e-4, 5e-4),
    Parameter("q10", "Q10 of decomposition", "1", 1.2, 3.0, _CLM5_Q10),
    Parameter("efolding", "e-folding depth of decomposition", "m", 0.0, 1.0, 10.0),
    _turnover("tau_cwd", "turnover time of coarse woody debris", 1.0, 6.0, 3.33333325386047),
    _turnover("tau_l1", "turnover time of metabolic litter", 0.0, 0.11, 0.0540540553629398),
    _turnover(
        "tau_l2", "turnover time of cellulose and lignin litter", 0.1, 0.3, 0.204081624746323
    ),
    _turnover("tau_s1", "turnover time of active soil organic matter", 0.0, 1.0, 0.136986300349236),
    _turnover("tau_s2", "turnover time of slow soil organic matter", 1.0, 50.0, 5.0),
    _turnover(
        "tau_s3", "turnover time of passive soil organic matter", 200.0, 1000.0, 222.222229003906
    ),
    _fraction(
        "fl1s1", "fraction of metabolic litter loss that enters the active pool", 0.1, 0.8, 0.45
    ),
    _fraction(
        "fl2s1", "fraction of cellulose litter loss that enters the active pool", 0.2, 0.8, 0.5
    ),
    _fraction("fl3s2", "fraction of lignin litter loss that enters the slow pool", 0.2, 0.8, 0.5),
    _fraction(
        "fs1s2", "fraction of active pool loss that enters the slow pool", 0.0, 0.4, _S1_S2_DEFAULT
    ),
    _fraction(
        "fs1s3",
        "fraction of active pool loss that enters the passive pool",
        0.0,
        0.05,
        _S1_S3_DEFAULT,
    ),
    _fraction("fs2s1", "fraction of slow pool loss that enters the active pool", 0.1, 0.74, 0.42),
    _fraction("fs2s3", "fraction of slow pool loss that enters the passive pool", 0.0, 0.1, 0.03),
    _fraction("fs3s1", "fraction of passive pool loss that enters the active pool", 0.0, 0.9, 0.45),
    _fraction("fcwdl2", "cellulose share of coarse woody debris", 0.5, 1.0, 0.76),
    _fraction("w_scaling", "factor on the water scalar before it is capped at 1", 0.0, 5.0, 1.0),
    _fraction("beta", "decay of carbon input with depth, beta ** (depth in cm)", 0.5, 0.9999, 0.95),
)
"""The parameters in the order of every parameter axis."""

PARAMETER_NAMES: Final[tuple[str, ...]] = tuple(p.name for p in PARAMETERS)
"""Names of the 21 parameters, in the order of every parameter axis."""


def parameter(name: str) -> Parameter:
    """Return the parameter called `name`.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    for candidate in PARAMETERS:
        if candidate.name == name:
            return candidate
    raise ConfigError(f"unknown parameter {name!r}; choose from {', '.join(PARAMETER_NAMES)}")


def lower_bounds() -> NDArray[np.float64]:
    """Lower bounds, shape (parameter,), in each parameter's units."""
    return np.array([p.lower for p in PARAMETERS])


def upper_bounds() -> NDArray[np.float64]:
    """Upper bounds, shape (parameter,), in each parameter's units."""
    return np.array([p.upper for p in PARAMETERS])


def clm5_defaults(sand_percent: ArrayLike | None = None) -> NDArray[np.float64]:
    """CLM5's parameter values, for the `proda` scheme.

    Parameters
    ----------
    sand_percent : array_like, shape (site,), percent, optional
        Sand content, which sets fs1s2 and fs1s3 in CLM5; `TYPICAL_SAND` where it is NaN,
        and without it.

    Returns
    -------
    ndarray, shape (parameter,) without sand, (site, parameter) with
    """
    values = np.array([p.default for p in PARAMETERS])
    if sand_percent is None:
        return values
    given = np.atleast_1d(np.asarray(sand_percent, dtype=np.float64))
    sand = np.where(np.isnan(given), TYPICAL_SAND, given)
    by_site = np.tile(values, (sand.size, 1))
    to_s2, to_s3 = _sand_function(sand)
    by_site[:, PARAMETER_NAMES.index("fs1s2")] = to_s2
    by_site[:, PARAMETER_NAMES.index("fs1s3")] = to_s3
    return by_site
