"""Prediction intervals for soil carbon, and their coverage.

The spread of an ensemble understates its error, since it does not include what all members have in
common. The error is therefore estimated at sites not used in training. In logarithms, the error of
the ensemble's centre has a median and a scale that change with depth; its variance is the square of
that scale plus the variance of the members. No distribution is assumed for the errors in these
units: their quantiles over the unseen sites are the ends of the intervals (split conformal
prediction; Lei et al. 2018, doi:10.1080/01621459.2017.1307116).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import NetworkError

__all__ = ["LEVELS", "ErrorScale", "Errors", "coverage", "fit_scales", "join_errors"]

Array = NDArray[np.float64]

LEVELS: Final = (0.5, 0.8, 0.9)
"""Probabilities of the intervals that are reported."""

_DEPTH_EDGES: Final = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, np.inf)
_LEAST_IN_BIN: Final = 30
_LEAST_ERRORS: Final = 20
_LEAST_SCALE: Final = 1e-3


@dataclass(frozen=True)
class Errors:
    """Errors of an ensemble's centre in natural logarithms.

    Attributes
    ----------
    depth : ndarray, shape (m,), m
        Of the observation; for stocks, the depth to which they reach.
    error : ndarray, shape (m,)
        ln(observed) - ln(modelled).
    spread : ndarray, shape (m,)
        Standard deviation over members of ln(modelled).
    """

    depth: Array
    error: Array
    spread: Array


def join_errors(parts: Sequence[Mapping[str, Errors]]) -> dict[str, Errors]:
    """Concatenate the errors at several sets of sites, by quantity."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: Errors(
            *(
                np.concatenate([getattr(part[name], field) for part in parts if name in part])
                for field in ("depth", "error", "spread")
            )
        )
        for name in names
    }


@dataclass(frozen=True)
class ErrorScale:
    """Distribution of the errors of a quantity, estimated at unseen sites.

    Attributes
    ----------
    depth : tuple of float, m
        Where `middle` and `scale` are given; in between they are interpolated.
    middle, scale : tuple of float
        Median of the errors; their standard deviation in addition to the members' spread.
    ends : tuple of (float, float)
        Ends of the interval of each of `LEVELS`, in standard deviations.
    """

    depth: tuple[float, ...]
    middle: tuple[float, ...]
    scale: tuple[float, ...]
    ends: tuple[tuple[float, float], ...]

    @classmethod
    def fit(cls, errors: Errors) -> Self:
        """Fit to errors.

        Raises
        ------
        NetworkError
            If there are fewer than 20.
        """
        if errors.error.size < _LEAST_ERRORS:
            raise NetworkError(
                f"{errors.error.size} errors are too few for intervals; {_LEAST_ERRORS} are needed"
            )
        bins = _bins(errors.depth)
        depth = [float(np.median(errors.depth[rows])) for rows in bins]
        middle = [float(np.median(errors.error[rows])) for rows in bins]
        scale = [
            _own_scale(errors.error[rows] - centre, errors.spread[rows])
            for rows, centre in zip(bins, middle, strict=True)
        ]
        unfinished = cls(tuple(depth), tuple(middle), tuple(scale), ())
        z = np.sort(unfinished.standardised(errors))
        ends = tuple(_ends(z, level) for level in LEVELS)
        return cls(tuple(depth), tuple(middle), tuple(scale), ends)

    def standardised(self, errors: Errors) -> Array:
        """Errors in standard deviations about the middle, shape (m,)."""
        return np.asarray(
            (errors.error - self._at(self.middle, errors.depth))
            / self._deviation(errors.depth, errors.spread)
        )

    def interval(
        self, centre: Array, spread: Array, depth: Array, level: float
    ) -> tuple[Array, Array]:
        """Lower and upper end for modelled values.

        Parameters
        ----------
        centre : ndarray, shape (...)
            Modelled, in any unit.
        spread : ndarray, shape (...)
            Standard deviation over members of ln(modelled).
        depth : ndarray, m
            Broadcasts with `centre`.
        level : float
            Of `LEVELS`.
        """
        low, high = self.ends[LEVELS.index(level)]
        deviation = self._deviation(depth, spread)
        middle = centre * np.exp(self._at(self.middle, depth))
        return middle * np.exp(low * deviation), middle * np.exp(high * deviation)

    def to_json(self) -> dict[str, Any]:
        """Return the scale as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Make the scale that `to_json` described."""
        ends = tuple((float(low), float(high)) for low, high in values["ends"])
        if len(ends) != len(LEVELS):
            raise ValueError(f"{len(ends)} intervals, not those of {LEVELS}")
        depth, middle, scale = (tuple(values[name]) for name in ("depth", "middle", "scale"))
        return cls(depth, middle, scale, ends)

    def _deviation(self, depth: Array, spread: Array) -> Array:
        return np.sqrt(self._at(self.scale, depth) ** 2 + spread**2)

    def _at(self, values: Sequence[float], depth: Array) -> Array:
        return np.asarray(np.interp(depth, self.depth, values))


def coverage(scales: Mapping[str, ErrorScale], errors: Mapping[str, Errors]) -> dict[str, Any]:
    """Share of observations within the intervals, by quantity and level, and their number."""
    result: dict[str, Any] = {}
    for name in scales.keys() & errors.keys():
        z = scales[name].standardised(errors[name])
        inside = {
            f"{level:g}": float(np.mean((z >= low) & (z <= high)))
            for level, (low, high) in zip(LEVELS, scales[name].ends, strict=True)
        }
        result[name] = {**inside, "n": int(z.size)}
    return dict(sorted(result.items()))


def fit_scales(errors: Mapping[str, Errors]) -> dict[str, ErrorScale]:
    """Fit the scale of every quantity with enough errors."""
    return {
        name: ErrorScale.fit(found)
        for name, found in errors.items()
        if found.error.size >= _LEAST_ERRORS
    }


def _bins(depth: Array) -> list[NDArray[np.intp]]:
    """Rows by depth; neighbouring bins are merged until each holds enough."""
    order = np.searchsorted(_DEPTH_EDGES, depth, side="right")
    bins: list[NDArray[np.intp]] = []
    waiting = np.empty(0, dtype=np.intp)
    for number in np.unique(order):
        waiting = np.concatenate([waiting, np.flatnonzero(order == number)])
        if waiting.size >= _LEAST_IN_BIN:
            bins.append(waiting)
            waiting = np.empty(0, dtype=np.intp)
    if waiting.size:
        last = bins.pop() if bins else np.empty(0, dtype=np.intp)
        bins.append(np.concatenate([last, waiting]))
    return bins


def _own_scale(centred: Array, spread: Array) -> float:
    """Return the standard deviation of errors beyond what the spread of members explains."""
    beyond = float(np.mean(centred**2) - np.mean(spread**2))
    return math.sqrt(max(beyond, _LEAST_SCALE**2))


def _ends(z: Array, level: float) -> tuple[float, float]:
    """Central interval of sorted values, assuming a new one is equally likely in each gap."""
    n = z.size
    last = min(math.ceil((n + 1) * (0.5 + level / 2)) - 1, n - 1)
    return float(z[n - 1 - last]), float(z[last])
