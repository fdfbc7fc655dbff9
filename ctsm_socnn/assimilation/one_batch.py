"""One-batch assimilation: one parameter vector for all profiles together.

The costs are in `ctsm_socnn.assimilation.pooled_costs`, the models that can be fitted in
`ctsm_socnn.assimilation.soil_models`, the posterior in `ctsm_socnn.assimilation.pooled`. Several
starts are taken, because the surface has poor local minima.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.assimilation.diagnostics import QUANTILES
from ctsm_socnn.assimilation.minimisation import Minimum, descend, minimise_from_several_starts
from ctsm_socnn.assimilation.one_thread import on_one_thread
from ctsm_socnn.assimilation.pooled import PooledCost, PooledPosterior, clusters_of
from ctsm_socnn.assimilation.pooled_costs import ONE_BATCH_COSTS
from ctsm_socnn.assimilation.prior import UNIFORM_PRIOR, Prior
from ctsm_socnn.assimilation.screening import SiteStatus, screen_sites
from ctsm_socnn.assimilation.soil_models import PublishedModel, SoilModel
from ctsm_socnn.errors import AssimilationError, ConfigError, require_at_least
from ctsm_socnn.model.observation import BelowBedrock
from ctsm_socnn.parameters import PARAMETER_NAMES, TurnoverConvention, to_physical
from ctsm_socnn.provenance import provenance_attributes

__all__ = ["PooledFit", "fit_pooled", "one_batch"]

_DRAWS: Final = 200
"""Of the posterior, each of which is a minimisation."""
_LEAST_SITES: Final = 2
"""The posterior is taken from how sites differ."""


@dataclass(frozen=True)
class PooledFit:
    """The least cost of one parameter vector, and what else there is to know of it.

    Attributes
    ----------
    model : SoilModel
    cost : PooledCost
        Of the sites that can be used.
    used : ndarray of int
        Places of these sites in the dataset.
    minima : list of Minimum
        From each start, the best first; without the prior.
    prior : Prior
    """

    model: SoilModel
    cost: PooledCost
    used: NDArray[np.int64]
    minima: list[Minimum]
    prior: Prior

    @cached_property
    def posterior(self) -> PooledPosterior:
        """What the profiles say of the vector; costs as much as a start."""
        return PooledPosterior(self.cost, self.prior, self.minima[0].point)

    @cached_property
    def parameters(self) -> NDArray[np.float64]:
        """Parameters of the least cost, with the prior, shape (parameter,), 0 to 1."""
        if self.prior.is_uniform:
            return self.minima[0].point
        scale = self.posterior.scale

        def with_prior(unit: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            value, gradient = self.cost.of_all(unit)
            of_prior, slope = self.prior.cost(unit)
            return value + scale * of_prior, gradient + scale * slope

        return descend(with_prior, self.minima[0].point).point


@on_one_thread
def one_batch(
    sites: xr.Dataset,
    *,
    cost: str = "mixed",
    starts: int = 8,
    seed: int = 0,
    below_bedrock: BelowBedrock = "deepest",
    prior: Prior = UNIFORM_PRIOR,
    draws: int = _DRAWS,
    model: Callable[[xr.Dataset], SoilModel] = PublishedModel,
    progress: bool = False,
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
        Of the starting points and of the draws from the posterior.
    below_bedrock : {"deepest", "drop"}
    prior : Prior
    draws : int
        Draws from the posterior; 0 where only `parameters` are of interest.
    model : callable
        Sites that can be used -> model that is fitted to them; by default the published one.
    progress : bool
        Show a progress bar of starts and draws.

    Returns
    -------
    xarray.Dataset
        `parameters` (parameter), in the registry's units, of lowest cost; `mean`, `sd`
        (parameter), `quantile` (probability, parameter) and `draws` (draw, parameter) of the
        posterior, if there are draws; `start_cost` (start) and `start_parameters` (start,
        parameter), best first; `trace` (iteration), the cost along the best start. All are
        as the model takes them; the attribute `held_parameters` names those that stay at values of
        its own.

    Raises
    ------
    AssimilationError
        If no site can be used.
    ConfigError
        If there is no cost of that name, no start, or the seed is negative.
    """
    fit = fit_pooled(
        sites, "one-batch", cost, starts, seed, below_bedrock, prior, model, progress=progress
    )

    def taken(unit: NDArray[np.float64]) -> NDArray[np.float64]:
        return fit.model.taken(to_physical(unit))

    dataset = _start_variables(fit.minima, taken(np.array([m.point for m in fit.minima])))
    if draws > 0:
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
        drawn = fit.posterior.draw(generator, draws, progress=progress)
        dataset = dataset.assign(_posterior_variables(taken(drawn)))
    dataset["parameters"] = (
        ("parameter",),
        taken(fit.parameters),
        {"long_name": "parameters of the least cost, in the registry's units"},
    )
    found: dict[str, Any] = {}
    if fit.model.held:
        found["held_parameters"] = " ".join(fit.model.held)
    if draws > 0 or not prior.is_uniform:
        found["cost_scale"] = fit.posterior.scale
    return dataset.assign_attrs(
        found
        | {
            **provenance_attributes(seed=seed),
            "title": "one parameter vector for all profiles",
            "scheme": fit.model.name,
            "cost": cost,
            "prior": prior.description(),
            "sites": f"{fit.used.size} of {sites.sizes['site']} used",
            "turnover_time_convention": str(TurnoverConvention.UNNORMALISED),
        }
    )


def fit_pooled(
    sites: xr.Dataset,
    method: str,
    cost: str,
    starts: int,
    seed: int,
    below_bedrock: BelowBedrock,
    prior: Prior,
    model: Callable[[xr.Dataset], SoilModel] = PublishedModel,
    *,
    progress: bool = False,
) -> PooledFit:
    """Fit one parameter vector to all profiles, for `one_batch` and what starts from there.

    Parameters and errors are those of `one_batch`; `method` names the caller in messages.
    """
    require_at_least(1, starts=starts)
    require_at_least(0, seed=seed)
    if cost not in ONE_BATCH_COSTS:
        raise ConfigError(
            f"unknown {method} cost {cost!r}; choose from {', '.join(ONE_BATCH_COSTS)}"
        )
    usable = np.flatnonzero(screen_sites(sites, below_bedrock, 1) == SiteStatus.CONVERGED)
    if usable.size == 0:
        raise AssimilationError(
            f"{method}: none of the sites can be used; see their forcing and soc"
        )
    if usable.size < _LEAST_SITES:
        raise AssimilationError(
            f"{method} weighs sites against each other, and there is {usable.size}; "
            f"give at least {_LEAST_SITES}, or assimilate site by site"
        )
    used = sites.isel(site=usable)
    soil = model(used)
    pooled = PooledCost(soil, ONE_BATCH_COSTS[cost](used, below_bedrock), clusters_of(used))
    minima = minimise_from_several_starts(
        pooled.of_all, len(PARAMETER_NAMES), starts=starts, seed=seed, progress=progress
    )
    return PooledFit(soil, pooled, usable, minima, prior)


def _posterior_variables(draws: NDArray[np.float64]) -> xr.Dataset:
    return xr.Dataset(
        {
            "mean": (("parameter",), draws.mean(axis=0), {"long_name": "posterior mean"}),
            "sd": (
                ("parameter",),
                draws.std(axis=0, ddof=1),
                {"long_name": "posterior standard deviation"},
            ),
            "quantile": (
                ("probability", "parameter"),
                np.quantile(draws, QUANTILES, axis=0),
                {"long_name": "posterior quantiles"},
            ),
            "draws": (("draw", "parameter"), draws, {"long_name": "draws from the posterior"}),
        },
        coords={"probability": list(QUANTILES)},
    )


def _start_variables(minima: list[Minimum], parameters: NDArray[np.float64]) -> xr.Dataset:
    return xr.Dataset(
        {
            "start_cost": (
                ("start",),
                np.array([minimum.value for minimum in minima]),
                {"long_name": "cost reached from each start, best first"},
            ),
            "start_parameters": (
                ("start", "parameter"),
                parameters,
                {"long_name": "parameters reached from each start"},
            ),
            "trace": (("iteration",), minima[0].trace, {"long_name": "cost of the best start"}),
        },
        coords={"parameter": list(PARAMETER_NAMES)},
    )
