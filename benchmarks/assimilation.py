"""Site-by-site assimilation: the samplers, and a library's sampler on the same kernel.

Eight made-up sites of five observations, whose carbon follows from known parameters with errors.
The effective sample size of a site is the least bulk size among the parameters that carbon depends
on; sites are summarised by their median.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import emcee
import numpy as np
import xarray as xr
from measuring import Measurement, at_least, at_most

from ctsm_socnn.assimilation import SAMPLERS
from ctsm_socnn.assimilation.chains import Chains
from ctsm_socnn.assimilation.diagnostics import convergence, identifiable_parameters
from ctsm_socnn.assimilation.likelihood import make_likelihood
from ctsm_socnn.assimilation.site_problem import site_problems
from ctsm_socnn.model import SOIL_GRID, Columns, steady_state
from ctsm_socnn.parameters import PARAMETER_NAMES, to_physical

N_SITES: Final = 8
LAYERS: Final = [0, 2, 4, 6, 8]
WALKERS, STEPS, BURN_IN = 84, 1500, 500


def measure() -> list[Measurement]:
    """Time of a site, of an evaluation, and effective draws a second."""
    sites = made_up_sites(N_SITES)
    published, published_time = _run("published", "published", sites)
    evaluations = sum(chains.evaluations for chains in published)
    gradient, gradient_time = _run("hamiltonian", "student-t", sites)
    library, library_time = _emcee_draws(sites)
    identifiable = identifiable_parameters(sites)
    ess = np.median([_least_ess(c.draws, identifiable[i]) for i, c in enumerate(gradient)])
    published_ess = np.median(
        [_least_ess(c.draws, identifiable[i]) for i, c in enumerate(published)]
    )
    rate = ess / gradient_time * N_SITES
    return [
        at_most("published scheme, 3 x 70,000, CPU a site", published_time / N_SITES, "s", 1.0),
        at_most(
            "published scheme, CPU an evaluation", 1e6 * published_time / evaluations, "us", 4.5
        ),
        at_most("gradient sampler, CPU a site", gradient_time / N_SITES, "s", 0.15),
        at_least("gradient sampler, least bulk ESS of a site", float(ess), "draws", 400.0),
        Measurement("gradient sampler, ESS a CPU-second", rate, "1/s"),
        Measurement(
            "ratio of that to the published scheme",
            rate / (published_ess / published_time * N_SITES),
            "times",
        ),
        Measurement(
            "ratio of that to emcee on the same kernel",
            rate / (_least_ess(library, identifiable[0]) / library_time),
            "times",
        ),
    ]


def made_up_sites(count: int) -> xr.Dataset:
    """Sites whose carbon follows from known parameters, with errors."""
    rng = np.random.default_rng(8)
    season = 10.0 * np.cos(2.0 * np.pi * (np.arange(12) - 6.5) / 12.0)
    damping = np.exp(-SOIL_GRID.node_depth / 2.0)
    profile, monthly = ("site", "month", "layer"), ("site", "month")
    inputs = {f"{pool}_INPUT": 10.0 for pool in ("CWD", "LITR1", "LITR2", "LITR3")}
    constants = {**inputs, "ALTMAX": 20.0, "ALTMAX_LASTYEAR": 20.0}
    sites = xr.Dataset(
        {
            "TSOI": (profile, rng.uniform(278, 293, (count, 1, 1)) + season[:, None] * damping),
            "W_SCALAR": (profile, rng.uniform(0.3, 0.9, (count, 12, 20))),
            "O_SCALAR": (profile, np.full((count, 12, 20), 0.95)),
            "FPI_vr": (profile, np.full((count, 12, 20), 0.9)),
            "nbedrock": (("site",), np.full(count, 20)),
            **{name: (monthly, np.full((count, 12), v)) for name, v in constants.items()},
            "CELLSAND": (("site", "layer"), np.full((count, 20), 50.0)),
            "lon": (("site",), np.linspace(-120.0, -70.0, count)),
            "lat": (("site",), np.linspace(30.0, 50.0, count)),
        }
    )
    truth = to_physical(rng.uniform(0.35, 0.65, (count, len(PARAMETER_NAMES))))
    soc = steady_state(Columns.from_sites(sites), truth).soc[:, LAYERS]
    sites["soc"] = (("site", "obs"), soc * np.exp(0.3 * rng.normal(size=soc.shape)))
    depth = np.tile(SOIL_GRID.node_depth[LAYERS], (count, 1))
    sites["soc_depth"] = (("site", "obs"), depth)
    return sites


def _run(sampler: str, likelihood: str, sites: xr.Dataset) -> tuple[list[Chains], float]:
    """Chains of all sites, and the CPU seconds that they took."""
    problems = list(site_problems(sites, make_likelihood(sites, likelihood)))
    seeds = [np.random.SeedSequence(1, spawn_key=(i,)) for i in range(len(problems))]
    started = time.thread_time()
    chains = SAMPLERS[sampler].run(problems, SAMPLERS[sampler].default_plan, seeds)
    return chains, time.thread_time() - started


def _emcee_draws(sites: xr.Dataset) -> tuple[np.ndarray, float]:
    """Draws of the first site by emcee, shape (parameter, walker, draw), and their CPU seconds."""
    log_density = _log_density(sites.isel(site=[0]))
    start = np.random.default_rng(2).uniform(0.3, 0.7, (WALKERS, len(PARAMETER_NAMES)))
    sampler = emcee.EnsembleSampler(
        WALKERS, start.shape[1], log_density, vectorize=True, moves=emcee.moves.DEMove()
    )
    started = time.thread_time()
    sampler.run_mcmc(start, STEPS)
    return np.moveaxis(sampler.get_chain(discard=BURN_IN), (0, 1, 2), (2, 1, 0)), (
        time.thread_time() - started
    )


def _log_density(site: xr.Dataset) -> Callable[[np.ndarray], np.ndarray]:
    columns = Columns.from_sites(site)
    row = np.zeros(1, dtype=np.int64)
    # One site many times over, so that all walkers are evaluated by one call.
    likelihood = make_likelihood(site.isel(site=np.repeat(row, WALKERS)), "student-t")

    def log_density(points: np.ndarray) -> np.ndarray:
        inside = ((points > 0.0) & (points < 1.0)).all(axis=1)
        filled = np.full((WALKERS, points.shape[1]), 0.5)
        filled[: len(points)][inside] = points[inside]
        soc = steady_state(columns, to_physical(filled), np.repeat(row, WALKERS), threads=1).soc
        cost = likelihood.costs(soc)[0][: len(points)]
        return np.where(inside, -cost, -np.inf)

    return log_density


def _least_ess(draws: np.ndarray, identifiable: np.ndarray) -> float:
    return float(convergence(draws).ess_bulk[identifiable].min())
