r"""One-batch assimilation: one parameter vector for all profiles together.

Costs, with :math:`o` observed, :math:`m` modelled SOC and means over all observations:

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

from ctsm_socnn.assimilation.likelihood import LIKELIHOODS, make_likelihood
from ctsm_socnn.assimilation.minimisation import Minimum, minimise_from_several_starts
from ctsm_socnn.assimilation.screening import SiteStatus, screen_sites
from ctsm_socnn.errors import AssimilationError, ConfigError
from ctsm_socnn.model import Columns, steady_state, steady_state_vjp
from ctsm_socnn.model.observation import BelowBedrock, ObservationOperator
from ctsm_socnn.parameters import PARAMETER_NAMES, lower_bounds, to_physical, upper_bounds
from ctsm_socnn.provenance import provenance_attributes

__all__ = ["ONE_BATCH_COSTS", "one_batch"]

_TINY_SOC: Final = 1e-30
_COLUMNS_WORTH_THREADS: Final = 1000
"""Below, starting threads takes longer than what they save."""

CostOfSoc = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]
"""SOC, shape (site, 20), to cost and its gradient."""


def one_batch(
    sites: xr.Dataset,
    *,
    cost: str = "mixed",
    starts: int = 8,
    seed: int = 0,
    below_bedrock: BelowBedrock = "deepest",
) -> xr.Dataset:
    """Fit one parameter vector to all profiles.

    Parameters
    ----------
    sites : xarray.Dataset
        The sites schema. Sites that cannot be run are left out and counted.
    cost : str
        One of `ONE_BATCH_COSTS`.
    starts : int
        Starting points of the minimisation.
    seed : int
        Of the starting points.
    below_bedrock : {"deepest", "drop"}

    Returns
    -------
    xarray.Dataset
        `parameters` (parameter), in the registry's units; `start_cost` (start) and
        `start_parameters` (start, parameter), best first; `trace` (iteration), the cost on the way
        of the best start.

    Raises
    ------
    AssimilationError
        If no site can be used.
    ConfigError
        If there is no cost of that name.
    """
    if cost not in ONE_BATCH_COSTS:
        raise ConfigError(
            f"unknown one-batch cost {cost!r}; choose from {', '.join(ONE_BATCH_COSTS)}"
        )
    status = screen_sites(sites, below_bedrock, 1)
    usable = np.flatnonzero(status == SiteStatus.CONVERGED)
    if usable.size == 0:
        raise AssimilationError(
            "one-batch: none of the sites can be used; see their forcing and soc"
        )
    used = sites.isel(site=usable)
    minima = minimise_from_several_starts(
        _objective(Columns.from_sites(used), ONE_BATCH_COSTS[cost](used, below_bedrock)),
        len(PARAMETER_NAMES),
        starts=starts,
        seed=seed,
    )
    return _dataset(minima, cost, seed, int(usable.size), int(status.size))


def _objective(
    columns: Columns, cost_of_soc: CostOfSoc
) -> Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]:
    width = upper_bounds() - lower_bounds()
    threads = 1 if len(columns) < _COLUMNS_WORTH_THREADS else None

    def objective(unit: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = np.broadcast_to(to_physical(unit), (len(columns), unit.size))
        value, soc_bar = cost_of_soc(steady_state(columns, parameters, threads=threads).soc)
        _, parameters_bar = steady_state_vjp(columns, parameters, soc_bar, threads=threads)
        return value, parameters_bar.sum(axis=0) * width

    return objective


def _log_cost(sites: xr.Dataset, below_bedrock: BelowBedrock) -> CostOfSoc:
    operator = ObservationOperator.from_sites(sites, below_bedrock)
    log_values = np.log(operator.values)

    def cost_of_soc(soc: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        modelled = np.maximum(operator.apply(soc), _TINY_SOC)
        residual = np.log(modelled) - log_values
        bar = 2.0 * residual / (modelled * residual.size)
        return float(np.mean(residual**2)), operator.adjoint(bar)

    return cost_of_soc


def _mixed_cost(sites: xr.Dataset, below_bedrock: BelowBedrock) -> CostOfSoc:
    operator = ObservationOperator.from_sites(sites, below_bedrock)
    log_cost = _log_cost(sites, below_bedrock)
    variance, log_variance = np.var(operator.values), np.var(np.log(operator.values))

    def cost_of_soc(soc: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_part, log_bar = log_cost(soc)
        residual = operator.apply(soc) - operator.values
        bar = 2.0 * residual / (variance * residual.size)
        value = log_part / log_variance + np.mean(residual**2) / variance
        return float(value), log_bar / log_variance + operator.adjoint(bar)

    return cost_of_soc


def _likelihood_cost(name: str) -> Callable[[xr.Dataset, BelowBedrock], CostOfSoc]:
    def make(sites: xr.Dataset, below_bedrock: BelowBedrock) -> CostOfSoc:
        likelihood = make_likelihood(sites, name, below_bedrock)

        def cost_of_soc(soc: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            cost, soc_bar = likelihood.costs(soc)
            return float(cost.mean()), soc_bar / cost.size

        return cost_of_soc

    return make


ONE_BATCH_COSTS: Final[Mapping[str, Callable[[xr.Dataset, BelowBedrock], CostOfSoc]]] = {
    "log": _log_cost,
    "mixed": _mixed_cost,
    **{name: _likelihood_cost(name) for name in LIKELIHOODS},
}
"""Name -> maker."""


def _dataset(minima: list[Minimum], cost: str, seed: int, n_used: int, n_sites: int) -> xr.Dataset:
    points = to_physical(np.array([minimum.point for minimum in minima]))
    dataset = xr.Dataset(
        {
            "parameters": (("parameter",), points[0]),
            "start_cost": (("start",), np.array([minimum.value for minimum in minima])),
            "start_parameters": (("start", "parameter"), points),
            "trace": (("iteration",), minima[0].trace),
        },
        coords={"parameter": list(PARAMETER_NAMES)},
        attrs={
            **provenance_attributes(seed=seed),
            "title": "one parameter vector for all profiles",
            "cost": cost,
            "sites": f"{n_used} of {n_sites} used",
            "turnover_time_convention": "unnormalised",
        },
    )
    dataset["parameters"].attrs["long_name"] = (
        "parameters of the least cost, in the registry's units"
    )
    dataset["start_cost"].attrs["long_name"] = "cost reached from each start, best first"
    return dataset
