"""The correlation length of soil carbon, from the variogram of residuals.

With smaller blocks, profiles much like the tested ones would remain among the training profiles.
Residuals are those of the depth-only curve, averaged over each profile in logarithms, and then of a
linear regression on covariates and forcing, which removes large-scale patterns such as climate (as
in regression kriging). The variogram model is exponential with a nugget (Cressie 1993, Statistics
for Spatial Data, section 2.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.distance import pdist
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network.baselines import covariates_and_forcing, predict_baseline
from ctsm_socnn.network.folds import positions_km
from ctsm_socnn.validation.scores import LOG_FLOOR

__all__ = ["Variogram", "fit_variogram", "residual_variogram"]

Array = NDArray[np.float64]

_BASELINE: Final = "depth only, log"
_BINS: Final = 15
_NEAREST_KM: Final = 0.5
"""Closer profiles belong to one location, which is never split between folds."""
_MOST_SITES: Final = 2000
_LEAST_SITES: Final = 30
_PRACTICAL: Final = 3.0
"""Practical range of an exponential variogram in units of its length: 95 % of the sill."""


@dataclass(frozen=True)
class Variogram:
    """An exponential variogram: nugget + sill (1 - exp(-distance / length)).

    Attributes
    ----------
    nugget, sill : float
        Variance at distance 0, and its increase with distance; (ln gC m-3)^2.
    length : float, km
    longest : float, km
        Upper limit of the range, a quarter of the largest distance.
    distance, semivariance : ndarray, shape (bin,)
        Empirical variogram, up to half of the largest distance.
    """

    nugget: float
    sill: float
    length: float
    longest: float
    distance: Array
    semivariance: Array

    @property
    def range_km(self) -> float:
        """Distance at which 95 % of the sill is reached."""
        return _PRACTICAL * self.length

    @property
    def has_trend(self) -> bool:
        """Whether the variogram still rises at the upper limit of the range."""
        return self.range_km > 0.99 * self.longest


def residual_variogram(sites: xr.Dataset, seed: int) -> Variogram:
    """Fit a variogram to residuals of soil carbon from depth and a regression on covariates.

    Parameters
    ----------
    sites : xarray.Dataset
        In the sites schema.
    seed : int
        Of the random subset of 2,000 sites, if there are more.

    Raises
    ------
    NetworkError
        If fewer than 30 sites have observations, or all lie at one place.
    """
    soc = predict_baseline(_BASELINE, sites, sites, seed)
    operator = ObservationOperator.from_sites(sites, "deepest")
    error = np.log(np.maximum(operator.values, LOG_FLOOR) / operator.apply(soc))
    count = np.bincount(operator.site, minlength=len(soc))
    seen = np.flatnonzero(count)
    mean = np.bincount(operator.site, weights=error, minlength=len(soc))[seen] / count[seen]
    places = sites.isel(site=seen)
    known = covariates_and_forcing(places)
    residual = mean - _regression().fit(known, mean).predict(known)
    chosen = np.arange(seen.size)
    if seen.size > _MOST_SITES:
        chosen = np.random.default_rng(seed).choice(seen.size, _MOST_SITES, replace=False)
    return fit_variogram(positions_km(places)[chosen], residual[chosen])


def _regression() -> Any:
    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(fill, StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))


def fit_variogram(positions: Array, values: Array) -> Variogram:
    """Fit an exponential variogram by weighted least squares.

    Parameters
    ----------
    positions : ndarray, shape (n, 3), km
    values : ndarray, shape (n,)

    Raises
    ------
    NetworkError
        If there are fewer than 30 values, or all lie at one place.
    """
    if len(values) < _LEAST_SITES:
        raise NetworkError(
            f"{len(values)} sites are too few for a variogram, which needs {_LEAST_SITES}; "
            "give the side of the blocks in km"
        )
    distance = pdist(positions)
    half_square = 0.5 * pdist(values[:, np.newaxis], "sqeuclidean")
    farthest = 0.5 * float(distance.max())
    if farthest <= _NEAREST_KM:
        raise NetworkError("all sites lie at one place, so that no variogram can be fitted")
    edges = np.geomspace(_NEAREST_KM, farthest, _BINS + 1)
    number = np.digitize(distance, edges) - 1
    inside = (number >= 0) & (number < _BINS)
    pairs = np.bincount(number[inside], minlength=_BINS)
    filled = pairs > 0
    centre, semivariance = (
        np.bincount(number[inside], weights=weights[inside], minlength=_BINS)[filled]
        / pairs[filled]
        for weights in (distance, half_square)
    )
    longest = 0.5 * farthest
    nugget, sill, length = _exponential(centre, semivariance, pairs[filled], longest)
    return Variogram(nugget, sill, length, longest, centre, semivariance)


def _exponential(
    distance: Array, semivariance: Array, pairs: NDArray[np.intp], longest: float
) -> tuple[float, float, float]:
    """Nugget, sill and length (km) that fit the bins best, weighted by the root of their pairs."""
    top = float(semivariance.max()) or 1.0
    weight = np.sqrt(pairs) / np.sqrt(pairs).sum() / top

    def misfit(parameters: Array) -> Array:
        nugget, sill, log_length = parameters
        modelled = nugget + sill * (1.0 - np.exp(-distance / np.exp(log_length)))
        return np.asarray(weight * (modelled - semivariance))

    least, most = (float(np.log(d / _PRACTICAL)) for d in (_NEAREST_KM, longest))
    fits = [
        least_squares(
            misfit,
            (0.5 * top, 0.5 * top, start),
            bounds=([0.0, 0.0, least - 1e-9], [2.0 * top, 2.0 * top, most + 1e-9]),
        )
        for start in np.linspace(least, most, 5)
    ]
    nugget, sill, log_length = min(fits, key=lambda fit: float(fit.cost)).x
    return float(nugget), float(sill), float(np.exp(log_length))
