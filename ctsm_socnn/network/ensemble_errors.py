"""Errors of an ensemble at sites, and the spread of its members."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network.error_scale import Errors
from ctsm_socnn.network.model import Model
from ctsm_socnn.network.soil_carbon import STOCKS, ensemble_carbon, log_spread
from ctsm_socnn.network.stocks import SAMPLED_SHARE, deepest_observation, observed_stocks
from ctsm_socnn.validation.scores import LOG_FLOOR

__all__ = ["ensemble_errors"]

Array = NDArray[np.float64]


def ensemble_errors(model: Model, sites: xr.Dataset) -> dict[str, Errors]:
    """Errors of `soc` by layer and of each of `STOCKS` that profiles reach.

    Parameters
    ----------
    model : Model
    sites : xarray.Dataset
        In the sites schema; for unbiased intervals, sites not used in training.

    Raises
    ------
    NetworkError
        Naming the covariates that are missing.
    """
    predicted = model.predict(model.transform(sites), sites)
    carbon = ensemble_carbon(sites, predicted.centre, predicted.members)
    operator = ObservationOperator.from_sites(
        sites.isel(site=np.flatnonzero(carbon.known)), model.settings.below_bedrock
    )
    if operator.values.size == 0:
        return {}
    every = [operator.apply(soc) for soc in (carbon.centre, *carbon.members)]
    found = {"soc": _errors(operator.depth, operator.values, every)}
    deepest = deepest_observation(operator)
    for name, depth in STOCKS.items():
        reached = deepest >= SAMPLED_SHARE * depth
        if reached.any():
            stocks = [
                observed_stocks(operator, values, depth)[reached]
                for values in (operator.values, *every)
            ]
            found[name] = _errors(np.full(int(reached.sum()), depth), stocks[0], stocks[1:])
    return found


def _errors(depth: Array, observed: Array, every: Sequence[Array]) -> Errors:
    """Errors of the centre, `every[0]`, whose members are the others."""
    return Errors(depth, _log(observed) - _log(every[0]), log_spread(np.stack(every[1:])))


def _log(values: Array) -> Array:
    """Natural logarithm with the floor of the scores."""
    return np.asarray(np.log(np.maximum(values, LOG_FLOOR)))
