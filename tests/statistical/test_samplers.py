"""The samplers draw from the densities that they claim to."""

from __future__ import annotations

from dataclasses import replace

import emcee
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from ctsm_socnn.assimilation.chains import Chains, SamplingPlan
from ctsm_socnn.assimilation.diagnostics import convergence
from ctsm_socnn.assimilation.likelihood import make_likelihood
from ctsm_socnn.assimilation.samplers import SAMPLERS
from ctsm_socnn.assimilation.site_problem import SiteProblem, site_problems
from ctsm_socnn.model import SOIL_GRID, Columns, steady_state
from ctsm_socnn.parameters import PARAMETER_NAMES, to_physical

POSTERIOR_SAMPLERS = ("hamiltonian", "adaptive-metropolis")
LAYERS = [0, 2, 4, 6, 8]


def made_up_sites(n: int, seed: int) -> xr.Dataset:
    """Sites with a forcing, and observed carbon that stands in until `observe` makes it."""
    rng = np.random.default_rng(seed)
    season = 10.0 * np.cos(2.0 * np.pi * (np.arange(12) - 6.5) / 12.0)
    damping = np.exp(-SOIL_GRID.node_depth / 2.0)
    profile = ("site", "month", "layer")
    sites = xr.Dataset(
        {
            "TSOI": (profile, rng.uniform(278, 293, (n, 1, 1)) + season[:, None] * damping),
            "W_SCALAR": (profile, rng.uniform(0.3, 0.9, (n, 12, 20))),
            "O_SCALAR": (profile, np.full((n, 12, 20), 0.95)),
            "FPI_vr": (profile, np.full((n, 12, 20), 0.9)),
            "ALTMAX": (("site", "month"), np.full((n, 12), 20.0)),
            "ALTMAX_LASTYEAR": (("site", "month"), np.full((n, 12), 20.0)),
            "nbedrock": (("site",), np.full(n, 20)),
            **{
                f"{pool}_INPUT": (("site", "month"), rng.uniform(1.0, 20.0, (n, 12)))
                for pool in ("CWD", "LITR1", "LITR2", "LITR3")
            },
        }
    )
    depth = np.tile(SOIL_GRID.node_depth[LAYERS], (n, 1))
    sites["soc_depth"] = (("site", "obs"), depth)
    sites["soc"] = (("site", "obs"), np.full(depth.shape, 1000.0))
    return sites


def observe(problem: SiteProblem, soc: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Carbon of the true profile with errors as the log-normal likelihood has them."""
    return soc[LAYERS] * np.exp(np.linalg.solve(problem.whitening, rng.normal(size=len(LAYERS))))


def true_carbon(sites: xr.Dataset, truth: np.ndarray) -> np.ndarray:
    return steady_state(Columns.from_sites(sites), to_physical(truth)).soc


def one_problem(likelihood: str) -> tuple[xr.Dataset, SiteProblem]:
    sites = made_up_sites(1, seed=8)
    blank = next(iter(site_problems(sites, make_likelihood(sites, "lognormal"))))
    soc = true_carbon(sites, np.full((1, 21), 0.5))[0]
    sites["soc"][0] = observe(blank, soc, np.random.default_rng(9))
    return sites, next(iter(site_problems(sites, make_likelihood(sites, likelihood))))


def run(
    name: str, problem: SiteProblem, plan: SamplingPlan, seed: np.random.SeedSequence
) -> Chains:
    return SAMPLERS[name].run([problem], plan, [seed])[0]


@pytest.mark.parametrize("name", POSTERIOR_SAMPLERS)
def test_without_information_the_prior_comes_back(name: str) -> None:
    _, problem = one_problem("lognormal")
    vague = replace(problem, whitening=1e-9 * problem.whitening)
    plan = {
        "hamiltonian": SamplingPlan(8, 300, 500),
        "adaptive-metropolis": SamplingPlan(8, 10_000, 100_000),
    }[name]
    chains = run(name, vague, plan, np.random.SeedSequence(11))
    found = convergence(chains.draws)
    pooled = chains.draws.reshape(21, -1)
    assert found.rhat.max() < 1.03
    error = np.sqrt(1.0 / 12.0 / found.ess_bulk)
    assert (np.abs(pooled.mean(axis=1) - 0.5) < 4.5 * error).all()
    np.testing.assert_allclose(12.0 * pooled.var(axis=1), 1.0, atol=0.15)
    assert np.abs(pooled.min(axis=1)).max() < 0.03
    assert pooled.max(axis=1).min() > 0.97


@pytest.mark.parametrize("likelihood", ["lognormal", "student-t", "published"])
def test_compiled_costs_are_those_of_the_python_likelihoods(likelihood: str) -> None:
    sites, problem = one_problem(likelihood)
    chains = run("hamiltonian", problem, SamplingPlan(2, 20, 10), np.random.SeedSequence(1))
    columns = Columns.from_sites(sites)
    reference = make_likelihood(sites, likelihood)
    for chain in range(2):
        soc = steady_state(columns, to_physical(chains.draws[:, chain, -1])[np.newaxis]).soc
        assert chains.cost[chain, -1] == pytest.approx(reference.costs(soc)[0][0], rel=1e-9)


@pytest.mark.slow
def test_samplers_agree_with_an_independent_library() -> None:
    sites, problem = one_problem("lognormal")
    likelihood, columns = make_likelihood(sites, "lognormal"), Columns.from_sites(sites)

    def log_density(points: np.ndarray) -> np.ndarray:
        inside = ((points > 0.0) & (points < 1.0)).all(axis=1)
        result = np.full(len(points), -np.inf)
        if inside.any():
            parameters = to_physical(points[inside])
            index = np.zeros(len(parameters), dtype=np.int64)
            soc = steady_state(columns, parameters, index, threads=1).soc
            result[inside] = [-likelihood.costs(s[np.newaxis])[0][0] for s in soc]
        return result

    rng = np.random.default_rng(3)
    walkers = 84
    reference = emcee.EnsembleSampler(
        walkers, 21, log_density, vectorize=True, moves=emcee.moves.DEMove()
    )
    reference.random_state = np.random.RandomState(5).get_state()
    reference.run_mcmc(rng.uniform(0.3, 0.7, (walkers, 21)), 3000)
    theirs = np.moveaxis(reference.get_chain(discard=1000), (0, 1, 2), (2, 1, 0))
    spread = theirs.reshape(21, -1).std(axis=1)
    their_error = spread / np.sqrt(convergence(theirs).ess_bulk)
    for name in POSTERIOR_SAMPLERS:
        plan = (
            SamplingPlan(8, 400, 600) if name == "hamiltonian" else SamplingPlan(8, 10_000, 30_000)
        )
        chains = run(name, problem, plan, np.random.SeedSequence(2))
        ours = chains.draws
        error = np.hypot(their_error, spread / np.sqrt(convergence(ours).ess_bulk))
        difference = ours.reshape(21, -1).mean(axis=1) - theirs.reshape(21, -1).mean(axis=1)
        assert (np.abs(difference) < 4.5 * error).all()
        np.testing.assert_allclose(ours.reshape(21, -1).std(axis=1), spread, rtol=0.25)


@pytest.mark.slow
def test_ranks_of_the_truth_are_uniform() -> None:
    """Simulation-based calibration (Talts et al. 2018) of the gradient sampler."""
    n, thinned = 120, 63
    truth = np.random.default_rng(21).uniform(size=(n, 21))
    sites = made_up_sites(n, seed=22)
    soc = true_carbon(sites, truth)
    noise = np.random.default_rng(24)
    ranks = np.empty((n, 21), dtype=np.int64)
    for site, problem in enumerate(site_problems(sites, make_likelihood(sites, "lognormal"))):
        seed = np.random.SeedSequence(23, spawn_key=(site,))
        observed = replace(problem, observed=observe(problem, soc[site], noise))
        chains = run("hamiltonian", observed, SamplingPlan(8, 200, 126), seed)
        pooled = chains.draws.reshape(21, -1)[:, :: 8 * 126 // thinned][:, :thinned]
        ranks[site] = (pooled < truth[site, :, np.newaxis]).sum(axis=1)
    for parameter, of_parameter in zip(PARAMETER_NAMES, ranks.T, strict=True):
        counts = np.bincount(of_parameter // 8, minlength=8)
        assert stats.chisquare(counts).pvalue > 1e-4, parameter
    within = (ranks >= 4) & (ranks < 60)
    assert within.mean() == pytest.approx(56.0 / 64.0, abs=0.02)
