"""Numbers in the posterior are what their names say, worked out again from its draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.special import ndtri

from ctsm_socnn.assimilation import SamplingPlan, Settings, make_prior, one_batch, site_by_site
from ctsm_socnn.assimilation.diagnostics import Limits
from ctsm_socnn.assimilation.likelihood import make_likelihood
from ctsm_socnn.assimilation.pooled import PooledPosterior
from ctsm_socnn.assimilation.prior import UNIFORM_PRIOR
from ctsm_socnn.assimilation.samplers import SAMPLERS
from ctsm_socnn.assimilation.screening import SiteStatus
from ctsm_socnn.assimilation.site_problem import site_problems
from ctsm_socnn.model import Columns, soil_carbon
from ctsm_socnn.parameters import lower_bounds, upper_bounds

ALL_KEPT = Settings(plan=SamplingPlan(chains=4, warmup=60, draws=25), seed=4)
"""The file keeps 100 draws of a site: here all that there are."""

Q10_NEAR_TWO = make_prior("uniform", given={"q10": (2.0, 0.005)})


def shallow(sites: xr.Dataset) -> xr.Dataset:
    """Sites whose last two observations lie below bedrock."""
    return sites.assign(nbedrock=(("site",), np.full(sites.sizes["site"], 6)))


def without_the_last_two(sites: xr.Dataset) -> xr.Dataset:
    return sites.assign(soc=sites["soc"].where(np.arange(5) < 3))


def test_statistics_are_those_of_the_draws(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    sites = twin[0]
    found = site_by_site(sites, ALL_KEPT, output=tmp_path / "posterior.nc").load()
    draws = found["draws"].values.astype(np.float64)
    sd = draws.std(axis=1, ddof=1)
    np.testing.assert_allclose(found["mean"], draws.mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(found["sd"], sd, rtol=1e-4)
    for probability, values in found["quantile"].groupby("probability"):
        expected = np.quantile(draws, probability, axis=1)
        np.testing.assert_allclose(values.squeeze("probability"), expected, rtol=1e-4)
    width = upper_bounds() - lower_bounds()
    np.testing.assert_allclose(found["contraction"], 1.0 - 12.0 * (sd / width) ** 2, atol=1e-3)
    columns, likelihood = Columns.from_sites(sites), make_likelihood(sites, "student-t")
    carbon = np.array([soil_carbon(columns, draws[:, d]) for d in range(100)])
    at_observations = np.array([likelihood.modelled(c).reshape(6, 5) for c in carbon])
    np.testing.assert_allclose(found["soc_fit"], at_observations.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found["soc_fit_sd"], at_observations.std(axis=0, ddof=1), rtol=1e-3)
    costs = np.array([likelihood.costs(c)[0] for c in carbon])
    at_best = likelihood.costs(soil_carbon(columns, found["best"].values))[0]
    np.testing.assert_allclose(at_best, costs.min(axis=0), rtol=1e-3)
    np.testing.assert_allclose(found["cost_mean"], costs.mean(axis=0), rtol=1e-3)


def test_a_site_finds_the_same_beside_sites_that_cannot_be_run(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    broken = twin[0].copy(deep=True)
    broken["TSOI"][0, 0, 0] = np.nan
    settings = Settings(sampler="laplace", seed=4)
    whole = site_by_site(twin[0], settings, output=tmp_path / "whole.nc")
    rest = site_by_site(broken, settings, output=tmp_path / "rest.nc")
    np.testing.assert_array_equal(rest["draws"][1:], whole["draws"][1:])


def test_a_narrow_prior_of_one_parameter_holds_it_at_every_site(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    settings = Settings(sampler="laplace", prior=Q10_NEAR_TWO)
    found = site_by_site(twin[0], settings, output=tmp_path / "posterior.nc")
    np.testing.assert_allclose(found["mean"].sel(parameter="q10"), 2.0, atol=0.01)
    batch = one_batch(twin[0], starts=1, prior=Q10_NEAR_TWO, draws=0)["parameters"]
    assert float(batch.sel(parameter="q10")) == pytest.approx(2.0, abs=0.02)


def test_observations_below_bedrock_that_are_dropped_do_not_count(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    deep, cut = shallow(twin[0]), without_the_last_two(shallow(twin[0]))
    settings = Settings(sampler="laplace", below_bedrock="drop")
    dropped, expected = (
        site_by_site(sites, settings, output=tmp_path / f"{name}.nc")
        for name, sites in (("deep", deep), ("cut", cut))
    )
    np.testing.assert_array_equal(dropped["draws"], expected["draws"])
    one = deep.isel(site=[0, 1]).copy(deep=True)
    one["soc"][0, :3] = np.nan
    alone = site_by_site(one, settings, output=tmp_path / "one.nc")
    assert alone["status"].values[0] == SiteStatus.TOO_FEW_OBSERVATIONS
    whole, part = (
        one_batch(sites, cost="log", starts=1, draws=0, below_bedrock="drop")
        for sites in (deep, cut)
    )
    np.testing.assert_array_equal(whole["parameters"], part["parameters"])


def test_statistics_of_one_batch_are_those_of_its_draws(
    twin: tuple[xr.Dataset, np.ndarray],
) -> None:
    found = one_batch(twin[0], cost="log", starts=1, draws=8)
    draws = found["draws"].values
    np.testing.assert_allclose(found["sd"], draws.std(axis=0, ddof=1))
    for probability, values in found["quantile"].groupby("probability"):
        expected = np.quantile(draws, probability, axis=0)
        np.testing.assert_allclose(values.squeeze("probability"), expected)


def test_the_spread_of_carbon_by_laplace_is_half_of_the_central_68_percent(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    sites = twin[0].isel(site=[0, 3])
    found = site_by_site(sites, Settings(sampler="laplace"), output=tmp_path / "posterior.nc")
    columns = Columns.from_sites(sites)
    for site in range(2):
        draws = found["draws"].values[site].astype(float)
        soc = soil_carbon(columns, draws, np.full(len(draws), site))[:, ::2][:, :5]
        low, high = np.quantile(soc, [0.16, 0.84], axis=0)
        np.testing.assert_allclose(found["soc_fit_sd"].values[site], 0.5 * (high - low), rtol=1e-4)


class NormalMeans:
    """Sites that each measure the probits themselves: the posterior is known in closed form."""

    def __init__(self, measured: np.ndarray) -> None:
        self._measured = measured
        self.cluster = np.arange(len(measured))

    def of_sites(self, unit: np.ndarray) -> tuple[float, np.ndarray]:
        probit = ndtri(unit)
        off = probit - self._measured
        density = np.exp(-0.5 * probit**2) / np.sqrt(2.0 * np.pi)
        return 0.5 * float((off**2).sum()), off / density

    def of_all(
        self, unit: np.ndarray, weight: np.ndarray | float = 1.0
    ) -> tuple[float, np.ndarray]:
        off = ndtri(unit) - self._measured
        _, gradient = self.of_sites(np.broadcast_to(unit, off.shape))
        each = np.broadcast_to(weight, len(off))
        return 0.5 * float(each @ (off**2).sum(axis=1)), each @ gradient


def test_one_batch_draws_from_a_posterior_that_is_known() -> None:
    """Mean of n values with scatter s and a standard normal prior: precision n / s^2 + 1."""
    n, s = 40, 4.0
    measured = s * np.random.default_rng(5).standard_normal((n, 21))
    posterior = PooledPosterior(NormalMeans(measured), UNIFORM_PRIOR, np.full(21, 0.5))
    precision = n / posterior.scale + 1.0
    assert posterior.scale == pytest.approx(s**2, rel=0.15)
    draws = ndtri(posterior.draw(np.random.default_rng(6), 300))
    mean = measured.sum(axis=0) / posterior.scale / precision
    assert (draws.mean(axis=0) - mean) == pytest.approx(np.zeros(21), abs=0.15)
    assert draws.var(axis=0).mean() == pytest.approx(1.0 / precision, rel=0.1)


def test_a_long_random_walk_keeps_every_second_state(twin: tuple[xr.Dataset, np.ndarray]) -> None:
    sites = twin[0].isel(site=[0])
    problem = next(iter(site_problems(sites, make_likelihood(sites, "lognormal"))))
    short, long = (
        SAMPLERS["adaptive-metropolis"]
        .run([problem], SamplingPlan(2, 300, n), [np.random.SeedSequence(3)])[0]
        .draws
        for n in (500, 1000)
    )
    np.testing.assert_array_equal(long[:, :, :250], short[:, :, 1::2])


@pytest.mark.parametrize(
    "other",
    [
        {"likelihood": "lognormal"},
        {"below_bedrock": "drop"},
        {"prior": Q10_NEAR_TWO},
        {"limits": Limits(ess=50.0)},
        {"plan": SamplingPlan(8, 300, 201)},
        {"sampler": "laplace"},
    ],
)
def test_settings_that_change_the_result_are_told_apart(other: dict) -> None:
    """A checkpoint of other settings is refused by these, and so is a shard."""
    assert Settings(**other).attributes() != Settings().attributes()
