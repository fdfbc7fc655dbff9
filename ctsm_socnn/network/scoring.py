"""How well parameters reproduce the observed profiles of sites.

The kernel runs with the parameters, and the modelled carbon is compared with observations, with the
same selection of observations and the same treatment below bedrock as in training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model import Columns, soil_carbon
from ctsm_socnn.model.observation import BelowBedrock, ObservationOperator
from ctsm_socnn.network.ensemble_errors import ensemble_errors
from ctsm_socnn.network.error_scale import coverage
from ctsm_socnn.network.input_check import InputCheck
from ctsm_socnn.network.model import Model
from ctsm_socnn.network.stocks import observed_stocks
from ctsm_socnn.schemas import without_forcing
from ctsm_socnn.validation.scores import scores

__all__ = [
    "modelled_soc",
    "score_model",
    "score_observations",
    "score_parameters",
]


def score_model(model: Model, sites: xr.Dataset) -> dict[str, Any]:
    """Score a model at any sites with its covariates.

    Parameters
    ----------
    model : Model
    sites : xarray.Dataset
        In the sites schema.

    Returns
    -------
    dict
        As `score_parameters`; `warnings` lists what is unusual about the covariates,
        `unseen_classes` and `missing_covariates` count the sites by covariate; `coverage` is the
        share of observations within the model's intervals, by quantity and level.

    Raises
    ------
    NetworkError
        Naming the covariates that are missing, or if nothing is left to score.
    """
    result = score_parameters(sites, model.predict_sites(sites), model.settings.below_bedrock)
    result |= InputCheck(model.transform).add(sites).as_json()
    errors = ensemble_errors(model, sites) if model.intervals else {}
    result["coverage"] = coverage(model.intervals, errors)
    return result


def score_parameters(
    sites: xr.Dataset, parameters: NDArray[np.float64], below_bedrock: BelowBedrock = "deepest"
) -> dict[str, Any]:
    """Score the soil carbon modelled with given parameters.

    Parameters
    ----------
    sites : xarray.Dataset
        In the sites schema.
    parameters : ndarray, shape (site, 21), in the registry's units
        NaN where there are none.
    below_bedrock : {"deepest", "drop"}

    Returns
    -------
    dict
        `nse, r2, ccc, rmse, bias` of SOC (gC m-3), the same of log10 as `log_*`, of stocks of 0-1 m
        (gC m-2) as `stock_*`; `n_layers`, `n_sites`; `excluded`: counts by reason.

    Raises
    ------
    NetworkError
        If no observation is left.
    """
    no_forcing = without_forcing(sites)
    no_parameters = ~no_forcing & ~np.isfinite(parameters).all(axis=1)
    kept = np.flatnonzero(~no_forcing & ~no_parameters)
    if kept.size == 0:
        raise NetworkError(
            f"none of {len(no_forcing)} sites can be scored: {int(no_forcing.sum())} lack forcing, "
            f"{int(no_parameters.sum())} lack covariates"
        )
    chosen = sites.isel(site=kept)
    operator = ObservationOperator.from_sites(chosen, below_bedrock)
    modelled = operator.apply(modelled_soc(chosen, parameters[kept]))
    excluded = {f"layers: {reason}": count for reason, count in operator.excluded.items()}
    for reason, mask in (("forcing missing", no_forcing), ("covariates missing", no_parameters)):
        if mask.any():
            excluded[f"sites: {reason}"] = int(mask.sum())
    return {**score_observations(operator, modelled), "excluded": excluded}


def modelled_soc(sites: xr.Dataset, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Soil organic carbon by layer, shape (site, 20), gC m-3."""
    return soil_carbon(Columns.from_sites(sites), parameters)


def score_observations(
    operator: ObservationOperator, modelled: NDArray[np.float64]
) -> dict[str, float | int]:
    """Score modelled values at observations, and the stocks derived from them.

    Parameters
    ----------
    operator : ObservationOperator
    modelled : ndarray, shape (m,), gC m-3

    Raises
    ------
    NetworkError
        If there is no observation.
    """
    if operator.values.size == 0:
        raise NetworkError("no site has a usable observation, so nothing can be scored")
    by_layer = scores(operator.values, modelled)
    by_stock = scores(
        observed_stocks(operator, operator.values), observed_stocks(operator, modelled)
    )
    return {
        **{name: value for name, value in by_layer.items() if name != "n"},
        **{f"stock_{name}": value for name, value in by_stock.items() if name != "n"},
        "n_layers": len(operator.values),
        "n_sites": len(np.unique(operator.site)),
    }
