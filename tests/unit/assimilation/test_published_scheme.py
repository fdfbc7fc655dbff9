"""The published sampler: its rules, its summary, its notion of singular."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn import _kernel
from ctsm_socnn.assimilation import SamplingPlan, Settings, SiteStatus, site_by_site
from ctsm_socnn.assimilation.likelihood import make_likelihood
from ctsm_socnn.assimilation.published_scheme import gelman_rubin, sample_as_published
from ctsm_socnn.assimilation.site_problem import SiteProblem, site_problems
from ctsm_socnn.errors import ConfigError
from ctsm_socnn.model.verification.proda import columns_of, parameters_of

SHORT = SamplingPlan(chains=3, warmup=500, draws=6000)


@pytest.fixture
def problems(twin: tuple[xr.Dataset, np.ndarray]) -> list[SiteProblem]:
    return list(site_problems(twin[0], make_likelihood(twin[0], "published")))


def seeds(n: int) -> list[np.random.SeedSequence]:
    return [np.random.SeedSequence(7, spawn_key=(i,)) for i in range(n)]


def test_a_site_finds_the_same_in_any_company(problems: list[SiteProblem]) -> None:
    together = sample_as_published(problems, SHORT, seeds(6))
    alone = sample_as_published(problems[3:4], SHORT, seeds(6)[3:4])[0]
    np.testing.assert_array_equal(alone.draws, together[3].draws)
    assert alone.evaluations == together[3].evaluations


def test_the_chain_of_least_error_is_summarised(problems: list[SiteProblem]) -> None:
    chains = sample_as_published(problems[:1], SHORT, seeds(1))[0]
    assert chains.chosen is not None
    assert chains.draws.shape == (21, 3, 500)
    assert ((chains.draws > 0.0) & (chains.draws < 1.0)).all()
    np.testing.assert_array_equal(chains.pooled, chains.draws[:, chains.chosen.index])
    spread = chains.pooled.std(axis=1)
    assert (np.abs(chains.mean - chains.pooled.mean(axis=1)) < 0.2 * spread).all()
    np.testing.assert_allclose(chains.sd, spread, rtol=0.2)


def test_acceptance_outside_the_limits_restarts_and_then_gives_up(
    problems: list[SiteProblem],
) -> None:
    impossible = replace(problems[0], weights=1e6 * problems[0].weights)
    chains = sample_as_published([impossible], SHORT, seeds(1))[0]
    assert chains.chosen is not None
    assert chains.chosen.abandoned
    assert chains.evaluations > 6 * SHORT.draws


def test_every_chain_runs_both_parts(problems: list[SiteProblem]) -> None:
    chains = sample_as_published(problems[:1], SHORT, seeds(1))[0]
    whole = 3 * (SHORT.warmup + SHORT.draws)
    assert chains.evaluations >= 1 + whole
    assert ((chains.acceptance > 0.09) & (chains.acceptance < 0.51)).all()


def test_gelman_rubin_follows_the_published_formula() -> None:
    rng = np.random.default_rng(0)
    accepted = np.array([200, 300, 100], dtype=np.int32)
    halves = [rng.normal(i, 1.0, 0 + n // 2) for i, n in enumerate(accepted)]
    mean = np.array([[half.mean() for half in halves]])
    sd = np.array([[half.std(ddof=1) for half in halves]])
    between = 100 / 2 * np.sum((mean[0] - mean[0].mean()) ** 2)
    within = sum(np.sum((half - half.mean()) ** 2) for half in halves) / 3 / 99
    expected = np.sqrt((within * 99 / 100 + between / 100) / within)
    assert gelman_rubin(mean, sd, accepted)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.real_data
def test_what_the_published_code_calls_singular_is_known(shared_data: Path) -> None:
    with xr.open_dataset(shared_data / "golden" / "golden_proda_public.nc") as dataset:
        golden = dataset.load()
    columns, parameters = columns_of(golden), parameters_of(golden)
    condition = _kernel.published_condition(
        columns.climate.T,
        columns.exchange.T,
        columns.annual_input.T,
        parameters.T,
        golden["forcing_index"].values.astype(np.int32) + 1,
    )
    flagged = golden["octave_singular_flag"].values == 1
    assert np.mean((condition < np.finfo(float).eps) == flagged) > 0.98
    ratio = condition / np.maximum(golden["octave_rcond"].values, 1e-300)
    assert np.median(ratio[~flagged]) == pytest.approx(1.0, abs=0.05)


def test_the_posterior_says_how_it_was_judged(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    settings = Settings(sampler="published", likelihood="published", plan=SHORT)
    posterior = site_by_site(twin[0].isel(site=[0, 1]), settings, output=tmp_path / "p.nc")
    mean = posterior["gelman_rubin"].mean("parameter").values
    expected = np.where(mean <= 1.05, SiteStatus.CONVERGED, SiteStatus.RHAT_TOO_HIGH)
    np.testing.assert_array_equal(posterior["status"], expected)
    observed = twin[0]["soc"].values[:2]
    np.testing.assert_allclose(posterior["soc_fit"], observed, rtol=0.5)
    assert np.isnan(posterior["soc_fit_sd"]).all()


def test_it_goes_with_the_published_likelihood_only() -> None:
    with pytest.raises(ConfigError, match="published likelihood, not 'lognormal'"):
        Settings(sampler="published", likelihood="lognormal")


def test_the_statistic_of_a_single_chain_is_unknown() -> None:
    one = np.ones((2, 1))
    assert np.isnan(gelman_rubin(one, one, np.array([100], dtype=np.int32))).all()
