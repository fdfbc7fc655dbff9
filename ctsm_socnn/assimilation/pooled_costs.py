r"""Costs of all profiles together.

With :math:`o` observed, :math:`m` modelled SOC and means over all observations:

``mixed``
    the share of the variance of :math:`\ln o` that is left unexplained, plus that of :math:`o`.
    The default: it is fair to both ways of scoring. Several starts are taken, because the surface
    has poor local minima.
``log``
    :math:`\overline{(\ln o - \ln m)^2}`: every profile counts by its relative error.
``published``
    the mean over sites of the published cost. Its errors are relative to the observation, which
    makes too much carbon dearer than too little: the fit is biased low.
``lognormal``, ``student-t``
    the mean over sites of the negative log-likelihood (`ctsm_socnn.assimilation.likelihood`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.assimilation.likelihood import LIKELIHOODS, TINY_SOC, make_likelihood
from ctsm_socnn.assimilation.pooled import CostOfSoc
from ctsm_socnn.model.observation import BelowBedrock, ObservationOperator

__all__ = ["ONE_BATCH_COSTS"]

Array = NDArray[np.float64]


def _by_site(operator: ObservationOperator, of_observation: Array) -> Array:
    """Sum over the observations of each site."""
    sums = np.bincount(operator.site, weights=of_observation, minlength=operator.n_sites)
    return sums.astype(np.float64)


def _log_cost(sites: xr.Dataset, below_bedrock: BelowBedrock) -> CostOfSoc:
    operator = ObservationOperator.from_sites(sites, below_bedrock)
    log_values = np.log(operator.values)

    def cost_of_soc(soc: Array) -> tuple[Array, Array]:
        modelled = np.maximum(operator.apply(soc), TINY_SOC)
        residual = np.log(modelled) - log_values
        bar = 2.0 * residual / (modelled * residual.size)
        return _by_site(operator, residual**2) / residual.size, operator.adjoint(bar)

    return cost_of_soc


def _mixed_cost(sites: xr.Dataset, below_bedrock: BelowBedrock) -> CostOfSoc:
    operator = ObservationOperator.from_sites(sites, below_bedrock)
    log_cost = _log_cost(sites, below_bedrock)
    variance, log_variance = np.var(operator.values), np.var(np.log(operator.values))

    def cost_of_soc(soc: Array) -> tuple[Array, Array]:
        log_part, log_bar = log_cost(soc)
        residual = operator.apply(soc) - operator.values
        weight = 1.0 / (variance * residual.size)
        value = log_part / log_variance + weight * _by_site(operator, residual**2)
        return value, log_bar / log_variance + operator.adjoint(2.0 * weight * residual)

    return cost_of_soc


def _likelihood_cost(name: str) -> Callable[[xr.Dataset, BelowBedrock], CostOfSoc]:
    def make(sites: xr.Dataset, below_bedrock: BelowBedrock) -> CostOfSoc:
        likelihood = make_likelihood(sites, name, below_bedrock)

        def cost_of_soc(soc: Array) -> tuple[Array, Array]:
            cost, soc_bar = likelihood.costs(soc)
            return cost / cost.size, soc_bar / cost.size

        return cost_of_soc

    return make


ONE_BATCH_COSTS: Final[Mapping[str, Callable[[xr.Dataset, BelowBedrock], CostOfSoc]]] = {
    "log": _log_cost,
    "mixed": _mixed_cost,
    **{name: _likelihood_cost(name) for name in LIKELIHOODS},
}
"""Name -> maker."""
