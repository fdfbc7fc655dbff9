"""The samplers draw from the densities that they claim to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import emcee
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from ctsm_socnn.assimilation.chains import Chains, SamplingPlan
from ctsm_socnn.assimilation.diagnostics import convergence
from ctsm_socnn.assimilation.likelihood import LIKELIHOODS, make_likelihood
from ctsm_socnn.assimilation.prior import UNIFORM_PRIOR, Prior, make_prior
from ctsm_socnn.assimilation.samplers import SAMPLERS
from ctsm_socnn.assimilation.screening import screen_sites
from ctsm_socnn.assimilation.site_problem import SiteProblem, site_problems
from ctsm_socnn.model import SOIL_GRID, Columns, steady_state
from ctsm_socnn.parameters import PARAMETER_NAMES, to_physical
from ctsm_socnn.schemas import open_sites

POSTERIOR_SAMPLERS = ("hamiltonian", "adaptive-metropolis")
NORMAL_PRIOR = make_prior("normal")
LAPLACE_PLAN = SAMPLERS["laplace"].default_plan
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


@pytest.mark.parametrize("prior", [UNIFORM_PRIOR, NORMAL_PRIOR], ids=["uniform", "normal"])
@pytest.mark.parametrize("name", POSTERIOR_SAMPLERS)
def test_without_information_the_prior_comes_back(name: str, prior: Prior) -> None:
    _, problem = one_problem("lognormal")
    vague = replace(problem, whitening=1e-9 * problem.whitening, prior=prior)
    plan = {
        "hamiltonian": SamplingPlan(8, 300, 500),
        "adaptive-metropolis": SamplingPlan(8, 10_000, 100_000),
    }[name]
    chains = run(name, vague, plan, np.random.SeedSequence(11))
    found = convergence(chains.draws)
    pooled = chains.draws.reshape(21, -1)
    assert found.rhat.max() < 1.03
    expected = prior.draw(np.random.default_rng(12), 100_000)
    np.testing.assert_allclose(expected.var(axis=0), prior.variance, rtol=0.03)
    error = np.sqrt(prior.variance / found.ess_bulk)
    assert (np.abs(pooled.mean(axis=1) - expected.mean(axis=0)) < 4.5 * error).all()
    np.testing.assert_allclose(pooled.var(axis=1) / prior.variance, 1.0, atol=0.15)
    low, high = np.quantile(expected, [0.01, 0.99], axis=0)
    assert (pooled.min(axis=1) < low).all()
    assert (pooled.max(axis=1) > high).all()


@pytest.mark.parametrize("likelihood", ["lognormal", "student-t", "published"])
def test_compiled_costs_are_those_of_the_python_likelihoods(likelihood: str) -> None:
    sites, problem = one_problem(likelihood)
    problem = replace(problem, prior=NORMAL_PRIOR)
    chains = run("hamiltonian", problem, SamplingPlan(2, 20, 10), np.random.SeedSequence(1))
    columns = Columns.from_sites(sites)
    reference = make_likelihood(sites, likelihood)
    for chain in range(2):
        point = chains.draws[:, chain, -1]
        soc = steady_state(columns, to_physical(point)[np.newaxis]).soc
        expected = reference.costs(soc)[0][0] + NORMAL_PRIOR.cost(point)[0]
        assert chains.cost[chain, -1] == pytest.approx(expected, rel=1e-9)


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
@pytest.mark.parametrize("prior", [UNIFORM_PRIOR, NORMAL_PRIOR], ids=["uniform", "normal"])
def test_ranks_of_the_truth_are_uniform(prior: Prior) -> None:
    """Simulation-based calibration (Talts et al. 2018) of the gradient sampler."""
    ranks = ranks_of_the_truth("hamiltonian", SamplingPlan(8, 200, 126), prior)
    for parameter, of_parameter in zip(PARAMETER_NAMES, ranks.T, strict=True):
        counts = np.bincount(of_parameter // 8, minlength=8)
        assert stats.chisquare(counts).pvalue > 1e-4, parameter
    within = (ranks >= 4) & (ranks < 60)
    assert within.mean() == pytest.approx(56.0 / 64.0, abs=0.02)


def ranks_of_the_truth(sampler: str, plan: SamplingPlan, prior: Prior) -> np.ndarray:
    """Ranks (0 to 63) of true parameters drawn from the prior among draws of their posteriors."""
    n, thinned = 120, 63
    truth = prior.draw(np.random.default_rng(21), n)
    sites = made_up_sites(n, seed=22)
    soc = true_carbon(sites, truth)
    noise = np.random.default_rng(24)
    ranks = np.empty((n, 21), dtype=np.int64)
    likelihood = make_likelihood(sites, "lognormal")
    for site, problem in enumerate(site_problems(sites, likelihood, prior)):
        seed = np.random.SeedSequence(23, spawn_key=(site,))
        observed = replace(problem, observed=observe(problem, soc[site], noise))
        pooled = run(sampler, observed, plan, seed).draws.reshape(21, -1)
        spread = pooled[:, :: pooled.shape[1] // thinned][:, :thinned]
        ranks[site] = (spread < truth[site, :, np.newaxis]).sum(axis=1)
    return ranks


@pytest.mark.parametrize("prior", [UNIFORM_PRIOR, NORMAL_PRIOR], ids=["uniform", "normal"])
def test_laplace_without_information_is_the_prior(prior: Prior) -> None:
    _, problem = one_problem("lognormal")
    vague = replace(problem, whitening=1e-9 * problem.whitening, prior=prior)
    chains = run("laplace", vague, SamplingPlan(1, 0, 4000), np.random.SeedSequence(3))
    expected = prior.draw(np.random.default_rng(4), 4000)
    for ours, theirs in zip(chains.draws[:, 0], expected.T, strict=True):
        assert stats.ks_2samp(ours, theirs).pvalue > 1e-4


@pytest.mark.parametrize("prior", [UNIFORM_PRIOR, NORMAL_PRIOR], ids=["uniform", "normal"])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_no_draw_of_the_posterior_is_denser_than_the_mode(likelihood: str, prior: Prior) -> None:
    sites, problem = one_problem(likelihood)
    problem = replace(problem, prior=prior)
    mode = run("laplace", problem, LAPLACE_PLAN, np.random.SeedSequence(4)).mode
    assert mode is not None
    assert mode.found
    carbon = steady_state(Columns.from_sites(sites), to_physical(mode.point)[np.newaxis]).soc
    cost = make_likelihood(sites, likelihood).costs(carbon)[0][0] + prior.cost(mode.point)[0]
    chains = run("hamiltonian", problem, SamplingPlan(8, 200, 200), np.random.SeedSequence(5))
    draws = chains.draws.reshape(21, -1).T
    ours = energy_of_probits(np.array([cost]), mode.point[np.newaxis], prior)
    assert ours < energy_of_probits(chains.cost.ravel(), draws, prior).min()


def energy_of_probits(cost: np.ndarray, points: np.ndarray, prior: Prior) -> np.ndarray:
    """Negative log density in the coordinates in which the prior is standard normal."""
    sd = np.where(np.isinf(prior.sd), 1.0, prior.sd)
    low, high = -np.array(prior.centre) / sd, (1.0 - np.array(prior.centre)) / sd
    share = stats.truncnorm.cdf(points, low, high, loc=prior.centre, scale=sd)
    probit = stats.norm.ppf(np.where(np.isinf(prior.sd), points, share))
    of_prior = np.array([prior.cost(point)[0] for point in points])
    return cost - of_prior + 0.5 * (probit**2).sum(axis=1)


@pytest.mark.parametrize("prior", [UNIFORM_PRIOR, NORMAL_PRIOR], ids=["uniform", "normal"])
def test_intervals_of_laplace_cover_known_truth(prior: Prior) -> None:
    ranks = ranks_of_the_truth("laplace", LAPLACE_PLAN, prior)
    within = (ranks >= 4) & (ranks < 60)
    assert within.mean() == pytest.approx(56.0 / 64.0, abs=0.03)


@pytest.mark.real_data
def test_laplace_is_near_the_gradient_sampler_at_real_sites(shared_data: Path) -> None:
    sites = open_sites(shared_data / "data" / "northeast_us" / "sites.nc").isel(
        site=slice(0, None, 40)
    )
    usable = screen_sites(sites, "deepest", 3) == 0
    sites = sites.isel(site=usable)
    shift, ratio = [], []
    for i, problem in enumerate(site_problems(sites, make_likelihood(sites, "student-t"))):
        seed = np.random.SeedSequence(6, spawn_key=(i,))
        reference = run("hamiltonian", problem, SAMPLERS["hamiltonian"].default_plan, seed)
        ours = run("laplace", problem, LAPLACE_PLAN, seed)
        assert ours.mode is not None
        assert ours.mode.found
        shift.append((ours.mean - reference.mean) / reference.sd)
        ratio.append(ours.sd / reference.sd)
    assert np.median(np.abs(shift)) < 0.1
    assert np.abs(shift).mean() < 0.2
    np.testing.assert_allclose(np.quantile(ratio, [0.05, 0.5, 0.95]), [0.8, 1.0, 1.2], atol=0.1)
