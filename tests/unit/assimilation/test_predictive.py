"""Intervals of replicated observations cover what they should, and only that."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import kstest, t

from ctsm_socnn.assimilation.likelihood import (
    LIKELIHOODS,
    Likelihood,
    LogLikelihood,
    PublishedLikelihood,
    make_likelihood,
)
from ctsm_socnn.assimilation.predictive import predictive_coverage

N_SITES, N_OBS = 400, 5
CARBON = 20.0


def likelihood_of(soc: np.ndarray, name: str) -> Likelihood:
    depth = np.linspace(0.05, 1.0, soc.shape[1])
    return make_likelihood(
        xr.Dataset(
            {
                "soc": (("site", "obs"), soc),
                "soc_depth": (("site", "obs"), np.tile(depth, (len(soc), 1))),
                "nbedrock": (("site",), np.full(len(soc), 20)),
            }
        ),
        name,
    )


def generators(seed: int, n: int = N_SITES) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, site]) for site in range(n)]


@pytest.mark.parametrize("name", ["lognormal", "student-t"])
def test_observations_with_the_errors_assumed_are_covered_as_often_as_said(name: str) -> None:
    modelled = np.full((100, N_SITES * N_OBS), CARBON)
    errors_of = likelihood_of(np.full((N_SITES, N_OBS), CARBON), name)
    observed = errors_of.replicate(modelled[:1], generators(1)).reshape(N_SITES, N_OBS)
    shares = predictive_coverage(likelihood_of(observed, name), modelled, generators(2))
    assert shares["coverage_50"].mean() == pytest.approx(0.5, abs=0.05)
    assert shares["coverage_90"].mean() == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_model_that_is_far_off_covers_nothing(name: str) -> None:
    likelihood = likelihood_of(np.full((N_SITES, N_OBS), CARBON), name)
    wrong = np.full((100, N_SITES * N_OBS), 30.0 * CARBON)
    shares = predictive_coverage(likelihood, wrong, generators(2))
    assert shares["coverage_90"].mean() < 0.02


def test_published_errors_are_relative_to_the_observation_and_shrink_with_the_weight() -> None:
    observed = np.random.default_rng(3).uniform(1e3, 1e4, (3, N_OBS))
    likelihood = likelihood_of(observed, "published")
    assert isinstance(likelihood, PublishedLikelihood)
    replicates = likelihood.replicate(np.full((20_000, 3 * N_OBS), CARBON), generators(4, 3))
    expected = 0.6 * observed.ravel() / np.sqrt(likelihood.weights)
    np.testing.assert_allclose(replicates.std(axis=0), expected, rtol=0.03)
    np.testing.assert_allclose(replicates.mean(axis=0), CARBON, atol=5.0 * expected.max() / 141.0)


def test_replicates_are_correlated_down_the_profile_as_the_likelihood_has_it() -> None:
    likelihood = likelihood_of(np.full((1, N_OBS), CARBON), "lognormal")
    assert isinstance(likelihood, LogLikelihood)
    replicates = likelihood.replicate(np.full((40_000, N_OBS), CARBON), generators(5, 1))
    whitened = likelihood.whitening @ np.log(replicates / CARBON).T
    np.testing.assert_allclose(np.cov(whitened), np.eye(N_OBS), atol=0.03)


def test_replicates_of_student_t_have_its_tails() -> None:
    likelihood = likelihood_of(np.full((1, N_OBS), CARBON), "student-t")
    assert isinstance(likelihood, LogLikelihood)
    replicates = likelihood.replicate(np.full((40_000, N_OBS), CARBON), generators(7, 1))
    whitened = likelihood.whitening @ np.log(replicates / CARBON).T
    assert kstest(whitened.ravel(), t(df=4.0).cdf).pvalue > 1e-3


def test_what_a_site_draws_does_not_depend_on_its_company() -> None:
    likelihood = likelihood_of(np.full((3, N_OBS), CARBON), "student-t")
    alone = likelihood_of(np.full((1, N_OBS), CARBON), "student-t")
    together = likelihood.replicate(np.full((7, 3 * N_OBS), CARBON), generators(6, 3))
    single = alone.replicate(np.full((7, N_OBS), CARBON), generators(6, 3)[2:])
    np.testing.assert_array_equal(together[:, -N_OBS:], single)
