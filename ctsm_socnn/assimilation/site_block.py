"""A block of sites: a worker's unit of work, and its results."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.assimilation.chains import Chains, SamplingPlan
from ctsm_socnn.assimilation.checkpoint import Block
from ctsm_socnn.assimilation.diagnostics import (
    NOT_CHAINS,
    QUANTILES,
    Convergence,
    Limits,
    convergence,
    identifiable_parameters,
)
from ctsm_socnn.assimilation.likelihood import LIKELIHOODS, PUBLISHED, Likelihood, make_likelihood
from ctsm_socnn.assimilation.posterior import POSTERIOR_VARIABLES
from ctsm_socnn.assimilation.predictive import modelled_observations, predictive_coverage
from ctsm_socnn.assimilation.prior import UNIFORM_PRIOR, Prior
from ctsm_socnn.assimilation.samplers import LAPLACE, PUBLISHED_SCHEME, SAMPLERS
from ctsm_socnn.assimilation.screening import SiteStatus
from ctsm_socnn.assimilation.site_problem import site_problems
from ctsm_socnn.errors import ConfigError, require_at_least
from ctsm_socnn.model import Columns
from ctsm_socnn.model.observation import BelowBedrock
from ctsm_socnn.parameters import PARAMETER_NAMES, lower_bounds, to_physical, upper_bounds

__all__ = ["KEPT_DRAWS", "BlockTask", "Settings", "run_block"]

KEPT_DRAWS: Final = 100
"""Draws of each site that stay in the posterior file, for random sampling and figures."""


@dataclass(frozen=True)
class Settings:
    """What decides the result of a site, besides its data.

    Attributes
    ----------
    sampler : str
        One of `SAMPLERS`.
    likelihood : str
        One of `LIKELIHOODS`.
    plan : SamplingPlan, optional
        Chains and iterations; by default what suits the sampler.
    limits : Limits
        What a site must meet to count as converged.
    seed : int
    below_bedrock : {"deepest", "drop"}
        See `ObservationOperator.from_sites`.
    prior : Prior

    Raises
    ------
    ConfigError
        If the sampler or the likelihood is unknown, or sampler, likelihood and prior do not go
        together, or the seed is negative.
    """

    sampler: str = "hamiltonian"
    likelihood: str = "student-t"
    plan: SamplingPlan | None = None
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    below_bedrock: BelowBedrock = "deepest"
    prior: Prior = UNIFORM_PRIOR

    def __post_init__(self) -> None:
        require_at_least(0, seed=self.seed)
        for kind, value, known in (
            ("sampler", self.sampler, tuple(SAMPLERS)),
            ("likelihood", self.likelihood, LIKELIHOODS),
        ):
            if value not in known:
                raise ConfigError(f"unknown {kind} {value!r}; choose from {', '.join(known)}")
        if self.sampler == PUBLISHED_SCHEME and self.likelihood != PUBLISHED:
            raise ConfigError(
                f"the published sampler goes with the published likelihood, not {self.likelihood!r}"
            )
        if self.sampler == PUBLISHED_SCHEME and not self.prior.is_uniform:
            raise ConfigError("the published sampler goes with the uniform prior alone")

    @property
    def sampling_plan(self) -> SamplingPlan:
        """The plan that is followed."""
        return self.plan or SAMPLERS[self.sampler].default_plan

    def attributes(self) -> dict[str, str]:
        """Everything as text, for fingerprints and global attributes."""
        plan, limits = self.sampling_plan, self.limits
        return {
            "sampler": self.sampler,
            "likelihood": self.likelihood,
            "plan": f"{plan.chains} chains, {plan.warmup} warm-up, {plan.draws} draws",
            "limits": (
                f"R-hat at most {limits.rhat:g}, bulk effective sample size at least {limits.ess:g}, "
                f"divergent transitions at most {limits.divergent:.1%}"
            ),
            "seed": str(self.seed),
            "below_bedrock": self.below_bedrock,
            "prior": self.prior.description(),
        }


@dataclass(frozen=True)
class BlockTask:
    """All that a worker needs.

    Attributes
    ----------
    index : int
        Place of the block among the blocks.
    sites : xarray.Dataset
        The block's sites.
    site_index : ndarray of int, shape (site,)
        Their places in the whole dataset, which fix their random numbers.
    status : ndarray of int8, shape (site,)
        `SiteStatus` of the screening; sites other than 0 are not run.
    settings : Settings
    """

    index: int
    sites: xr.Dataset
    site_index: NDArray[np.int64]
    status: NDArray[np.int8]
    settings: Settings


def run_block(task: BlockTask) -> tuple[int, Block]:
    """Sample the posterior of each site of a block.

    Returns
    -------
    int
        The block's index.
    Block
        Arrays with the site first; NaN where a site was not run.
    """
    block = _empty_block(task)
    usable = np.flatnonzero(task.status == SiteStatus.CONVERGED)
    if usable.size == 0:
        return task.index, block
    sites = task.sites.isel(site=usable)
    settings = task.settings
    likelihood = make_likelihood(sites, settings.likelihood, settings.below_bedrock)
    identifiable = identifiable_parameters(sites)
    seeds = [
        np.random.SeedSequence(settings.seed, spawn_key=(int(i),)) for i in task.site_index[usable]
    ]
    sampler = SAMPLERS[settings.sampler]
    started = time.process_time()
    problems = list(site_problems(sites, likelihood, settings.prior))
    for place, chains in enumerate(sampler.run(problems, settings.sampling_plan, seeds)):
        _summarise(block, int(usable[place]), chains, identifiable[place], settings)
        if chains.chosen is not None:
            here = likelihood.operator.site == place
            block["soc_fit"][usable[place], likelihood.operator.obs[here]] = chains.chosen.carbon
    block["cpu_seconds"][usable] = (time.process_time() - started) / usable.size
    _predict(block, usable, sites, likelihood, seeds, settings)
    return task.index, block


def _empty_block(task: BlockTask) -> Block:
    """Arrays of the posterior file for the block's sites, and their CPU time; nothing is known yet."""
    sizes = {
        "site": task.site_index.size,
        "parameter": len(PARAMETER_NAMES),
        "probability": len(QUANTILES),
        "draw": KEPT_DRAWS,
        "obs": task.sites.sizes["obs"],
    }
    block = {
        name: np.full([sizes[dim] for dim in dims], np.nan)
        for name, (dims, _) in POSTERIOR_VARIABLES.items()
    }
    return {
        **block,
        "draws": block["draws"].astype(np.float32),
        "identifiable": np.zeros(block["identifiable"].shape, dtype=np.int8),
        "status": task.status.copy(),
        "cpu_seconds": np.full(task.site_index.size, np.nan),
    }


def _summarise(
    block: Block,
    site: int,
    chains: Chains,
    identifiable: NDArray[np.bool_],
    settings: Settings,
) -> None:
    """Put statistics of a site's chains into its row."""
    found = convergence(chains.draws) if chains.mode is None else NOT_CHAINS
    pooled, chosen = chains.pooled, chains.chosen
    row = {
        "mean": to_physical(chains.mean),
        "sd": (upper_bounds() - lower_bounds()) * chains.sd,
        "best": to_physical(chains.best),
        "quantile": to_physical(np.quantile(pooled, QUANTILES, axis=1)),
        "rhat": found.rhat,
        "ess_bulk": found.ess_bulk,
        "ess_tail": found.ess_tail,
        "gelman_rubin": np.nan if chosen is None else chosen.gelman_rubin,
        "contraction": 1.0 - chains.sd**2 / settings.prior.variance,
        "acceptance": chains.acceptance.mean(),
        "divergent": chains.divergent,
        "cost_mean": chains.cost.mean(),
        "cost_best": chains.cost.min(),
        "evaluations": chains.evaluations,
        "draws": to_physical(_spread(pooled, KEPT_DRAWS).T),
        "identifiable": identifiable,
        "status": _status(chains, found, identifiable, settings.limits),
    }
    for name, value in row.items():
        block[name][site] = value


def _status(
    chains: Chains, found: Convergence, identifiable: NDArray[np.bool_], limits: Limits
) -> SiteStatus:
    """Judge a site; the published scheme by its own statistic, averaged over the parameters."""
    if chains.mode is not None:
        return SiteStatus.CONVERGED if chains.mode.found else SiteStatus.MODE_NOT_FOUND
    if chains.chosen is None:
        return found.status(identifiable, chains.divergent, limits)
    if chains.chosen.abandoned:
        return SiteStatus.ABANDONED
    converged = chains.chosen.gelman_rubin.mean() <= limits.rhat
    return SiteStatus.CONVERGED if converged else SiteStatus.RHAT_TOO_HIGH


def _spread(pooled: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Columns spread evenly over all chains."""
    places = np.linspace(0, pooled.shape[1] - 1, count).round().astype(np.int64)
    return pooled[:, places]


def _predict(
    block: Block,
    usable: NDArray[np.int64],
    sites: xr.Dataset,
    likelihood: Likelihood,
    seeds: list[np.random.SeedSequence],
    settings: Settings,
) -> None:
    """Model the observations with the kept draws, and see how many lie where they are expected."""
    columns = Columns.from_sites(sites)
    draws = block["draws"][usable].astype(np.float64)
    modelled = modelled_observations(columns, draws, likelihood)
    place = usable[likelihood.operator.site], likelihood.operator.obs
    if settings.sampler == LAPLACE:
        best = block["best"][usable, np.newaxis].astype(np.float64)
        block["soc_fit"][place] = modelled_observations(columns, best, likelihood)[0]
        block["soc_fit_sd"][place] = _robust_sd(modelled)
    elif settings.sampler != PUBLISHED_SCHEME:
        block["soc_fit"][place] = modelled.mean(axis=0)
        block["soc_fit_sd"][place] = modelled.std(axis=0, ddof=1)
    generators = [
        np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, 1)))
        for seed in seeds
    ]
    for name, share in predictive_coverage(likelihood, modelled, generators).items():
        block[name][usable] = share


def _robust_sd(modelled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half of the central 68 %: a few draws of a normal density lie where carbon is endless."""
    low, high = np.quantile(modelled, [0.16, 0.84], axis=0)
    return np.asarray(0.5 * (high - low))
