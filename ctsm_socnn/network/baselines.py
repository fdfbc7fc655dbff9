"""Black-box models to compare with: soil carbon directly from depth and covariates.

A process-based model can be judged only against models without processes. Each baseline is a
scikit-learn estimator with one row per observation; its predictions at the 20 node depths appear
in the same tables as the kernel's. `log` in a name means that it was fitted to the logarithm,
which gives the best log scores but is biased low in untransformed ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.neighbors import KNeighborsRegressor

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model import SOIL_GRID
from ctsm_socnn.model.observation import LARGEST_SOC, ObservationOperator
from ctsm_socnn.network.folds import positions_km
from ctsm_socnn.network.forcing_summary import forcing_summaries
from ctsm_socnn.network.inputs import finite_or_missing
from ctsm_socnn.schemas import covariate_names

__all__ = ["BASELINES", "covariates_and_forcing", "predict_baseline"]

_LEAST_SOC: Final = 1.0
_NEIGHBOURS: Final = 15
_KM_PER_LOG_DEPTH: Final = 100.0
"""Horizontal distance (km) that counts as much as a factor e between depths."""
_SHALLOWEST: Final = 0.005

Predictors = Literal["depth", "place", "covariates"]


@dataclass(frozen=True)
class _Baseline:
    predictors: Predictors
    estimator: Callable[[int], Any]


def _on_logarithm(estimator: Any) -> Any:
    return TransformedTargetRegressor(estimator, func=np.log, inverse_func=np.exp)


def _falling_curve(_: int) -> Any:
    return IsotonicRegression(increasing=False, out_of_bounds="clip")


def _neighbours(_: int) -> Any:
    return _on_logarithm(KNeighborsRegressor(_NEIGHBOURS, weights="distance"))


def _forest(seed: int) -> Any:
    return RandomForestRegressor(
        200, min_samples_leaf=3, max_features=0.33, random_state=seed, n_jobs=1
    )


def _boosting(seed: int) -> Any:
    return HistGradientBoostingRegressor(
        max_iter=200, learning_rate=0.05, max_leaf_nodes=15, random_state=seed
    )


BASELINES: Final[Mapping[str, _Baseline]] = {
    "depth only": _Baseline("depth", _falling_curve),
    "depth only, log": _Baseline("depth", lambda seed: _on_logarithm(_falling_curve(seed))),
    "nearest profiles": _Baseline("place", _neighbours),
    "random forest, log": _Baseline("covariates", lambda seed: _on_logarithm(_forest(seed))),
    "gradient boosting": _Baseline("covariates", _boosting),
    "gradient boosting, log": _Baseline("covariates", lambda seed: _on_logarithm(_boosting(seed))),
}
"""Name -> its predictors, and a function that makes the estimator from a seed."""


def predict_baseline(
    name: str, known: xr.Dataset, tested: xr.Dataset, seed: int
) -> NDArray[np.float64]:
    """Predict soil carbon at sites with a baseline fitted to other sites.

    Parameters
    ----------
    name : str
        Key of `BASELINES`.
    known, tested : xarray.Dataset
        Sites to fit and sites to predict, in the sites schema.
    seed : int

    Returns
    -------
    ndarray, shape (tested site, 20), gC m-3
        At the node depths.

    Raises
    ------
    NetworkError
        If there is no baseline of that name.
    """
    if name not in BASELINES:
        raise NetworkError(f"unknown baseline {name!r}; choose from {', '.join(BASELINES)}")
    baseline = BASELINES[name]
    # Bedrock makes no difference to a black box, so nothing is dropped.
    operator = ObservationOperator.from_sites(known, "deepest")
    estimator = baseline.estimator(seed)
    places = _predictors(known, baseline.predictors)
    # Boosting in scikit-learn 1.9 fails on a column without any value.
    held = np.isfinite(places).any(axis=0)
    estimator.fit(_with_depth(places[operator.site][:, held], operator.depth), operator.values)
    n_sites, node_depth = tested.sizes["site"], SOIL_GRID.node_depth
    places = np.repeat(_predictors(tested, baseline.predictors)[:, held], node_depth.size, axis=0)
    soc = estimator.predict(_with_depth(places, np.tile(node_depth, n_sites)))
    return np.asarray(np.clip(soc, _LEAST_SOC, LARGEST_SOC)).reshape(n_sites, -1)


def _predictors(sites: xr.Dataset, kind: Predictors) -> NDArray[np.float64]:
    """One row per site, without depth; trees accept missing values."""
    if kind == "depth":
        return np.empty((sites.sizes["site"], 0))
    if kind == "place":
        return positions_km(sites) / _KM_PER_LOG_DEPTH
    return covariates_and_forcing(sites)


def covariates_and_forcing(sites: xr.Dataset) -> NDArray[np.float64]:
    """All covariates and forcing summaries, one row per site; NaN where one is missing."""
    covariates = [sites[name].values.astype(np.float64) for name in covariate_names(sites)]
    return finite_or_missing(np.column_stack([*covariates, forcing_summaries(sites)]))


def _with_depth(by_site: NDArray[np.float64], depth: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([by_site, np.log(np.maximum(depth, _SHALLOWEST))])
