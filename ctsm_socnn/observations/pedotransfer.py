"""Bulk density where it was not measured, from a published function of organic carbon.

None is used unless asked for by name. The errors are root mean squares measured by this project on
7,634 layers with measured cores in Florida, NEON and NWCA data, not those of the papers:
a function is always applied outside the soils that it was fitted to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import ConfigError

__all__ = ["PEDOTRANSFER", "Pedotransfer", "pedotransfer"]

_ORGANIC_MATTER_PER_CARBON: Final = 1.724
"""Van Bemmelen's factor."""


@dataclass(frozen=True)
class Pedotransfer:
    """A function from organic carbon to bulk density of the fine earth.

    Attributes
    ----------
    source : str
    predict : callable
        Organic carbon in percent of mass -> bulk density, g cm-3.
    error : float
        Root mean square error on measured cores, g cm-3.
    """

    source: str
    predict: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    error: float


def _root(intercept: float, slope: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    return lambda carbon: intercept - slope * np.sqrt(np.maximum(carbon, 0.0))


def _mixture(carbon: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (0.564 + 0.0556 * _ORGANIC_MATTER_PER_CARBON * carbon))


def _logarithmic(carbon: NDArray[np.float64]) -> NDArray[np.float64]:
    logarithm = np.log(np.maximum(carbon, 0.1))
    return np.asarray(np.exp(0.263 - 0.147 * logarithm - 0.103 * logarithm**2))


PEDOTRANSFER: Final[Mapping[str, Pedotransfer]] = {
    "alexander-1980": Pedotransfer(
        "Alexander, E. B. (1980), Soil Sci. Soc. Am. J. 44, 689-692", _root(1.66, 0.308), 0.21
    ),
    "manrique-jones-1991": Pedotransfer(
        "Manrique, L. A. and C. A. Jones (1991), Soil Sci. Soc. Am. J. 55, 476-481",
        _root(1.660, 0.318),
        0.22,
    ),
    "honeysett-ratkowsky-1989": Pedotransfer(
        "Honeysett, J. L. and D. A. Ratkowsky (1989), J. Soil Sci. 40, 539-545", _mixture, 0.24
    ),
    "huntington-1989": Pedotransfer(
        "Huntington, T. G. et al. (1989), Soil Sci. 148, 380-386", _logarithmic, 0.35
    ),
}
"""Name -> function."""


def pedotransfer(name: str) -> Pedotransfer:
    """Look a function up by name.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in PEDOTRANSFER:
        raise ConfigError(
            f"unknown pedotransfer function {name!r}; known are {', '.join(PEDOTRANSFER)}"
        )
    return PEDOTRANSFER[name]
