from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist
from scipy.stats import multivariate_normal

from ctsm_socnn.network import relevance
from ctsm_socnn.network.profile_process import Profiles
from ctsm_socnn.network.relevance import ProfileLines, relevances

DEPTHS = np.array([0.05, 0.2, 0.5, 1.2])
ONE_EACH = np.arange(4)


def profiles(n: int, seed: int, width: int = 4) -> Profiles:
    generator = np.random.default_rng(seed)
    return Profiles(
        generator.normal(size=(n, width)),
        np.zeros((n, 3)),
        np.repeat(np.arange(n), len(DEPTHS)),
        np.tile(DEPTHS, n),
    )


def told_by_one(of: Profiles, seed: int = 0) -> NDArray[np.float64]:
    noise = np.random.default_rng(seed).normal(0.0, 0.2, len(of.site))
    return np.asarray(np.sin(2.0 * of.features[of.site, 1]) - np.log(of.depth) + noise)


def test_the_covariate_that_tells_counts_most() -> None:
    known = profiles(120, 0)
    factors = relevances(known, told_by_one(known), ONE_EACH, seed=0)
    assert factors.argmax() == 1
    assert factors[1] > 2.0 * np.delete(factors, 1).max()


def test_features_of_one_group_count_alike() -> None:
    known = profiles(80, 0)
    factors = relevances(known, told_by_one(known), np.array([0, 1, 1, 2]), seed=0)
    assert factors[1] == factors[2]
    assert len(np.unique(factors)) == 3


def test_profiles_without_a_likeness_leave_the_factors_near_one() -> None:
    known = profiles(60, 0)
    noise = np.random.default_rng(1).normal(size=len(known.site))
    factors = relevances(known, noise, ONE_EACH, seed=0)
    assert (np.abs(np.log(factors)) < relevance._SPREAD).all()


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_sites_are_enough(n: int) -> None:
    known = profiles(n, 0)
    assert np.isfinite(relevances(known, told_by_one(known), ONE_EACH, seed=0)).all()


@pytest.mark.parametrize("scale", [0.0, 1e4])
def test_profiles_all_alike_or_wildly_unlike_are_no_obstacle(scale: float) -> None:
    known = profiles(40, 0)
    noise = scale * np.random.default_rng(1).normal(size=len(known.site))
    factors = relevances(known, noise, ONE_EACH, seed=0)
    assert (np.abs(np.log(factors)) <= relevance._WIDEST).all()


def test_covariates_that_do_not_differ_are_no_obstacle() -> None:
    known = profiles(20, 0)
    same = Profiles(np.ones_like(known.features), known.positions, known.site, known.depth)
    np.testing.assert_array_equal(relevances(same, told_by_one(known), ONE_EACH, seed=0), 1.0)


def test_many_sites_are_represented_by_some(monkeypatch: pytest.MonkeyPatch) -> None:
    known = profiles(150, 0)
    values = told_by_one(known)
    monkeypatch.setattr(relevance, "_MOST_SITES", 100)
    one, same, other = (relevances(known, values, ONE_EACH, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.argmax() == 1


def test_the_likelihood_is_that_of_the_stated_covariance() -> None:
    known = profiles(15, 0)
    lines = ProfileLines.through(known, told_by_one(known))
    likelihood = relevance._Likelihood(known.features, ONE_EACH, lines.values, lines.variances)
    log_relevance = np.array([0.3, -0.2, 0.5, 0.0])
    hyper = np.array([[0.2, -0.5, -1.0], [-0.3, -1.5, -2.0]])
    found, _ = likelihood(np.concatenate([log_relevance, hyper.ravel()]))

    scaled = known.features / np.median(pdist(known.features)) * np.exp(log_relevance)
    wanted = np.sum(log_relevance**2) / (2.0 * 0.7**2)
    for values, variances, (scale, told, rest) in zip(
        lines.values, lines.variances, np.exp(hyper), strict=True
    ):
        distance = np.sqrt(3.0) * scale * cdist(scaled, scaled)
        covariance = told * (1.0 + distance) * np.exp(-distance) + np.diag(rest + variances)
        constant = 0.5 * len(values) * np.log(2.0 * np.pi)
        wanted -= multivariate_normal(cov=covariance).logpdf(values) + constant
    assert found == pytest.approx(wanted, rel=1e-10)


def test_the_gradient_is_that_of_differences() -> None:
    known = profiles(25, 0)
    lines = ProfileLines.through(known, told_by_one(known))
    group = np.array([0, 1, 1, 2])
    likelihood = relevance._Likelihood(known.features, group, lines.values, lines.variances)
    at = likelihood.start + np.random.default_rng(2).normal(0.0, 0.3, len(likelihood.start))
    _, gradient = likelihood(at)
    step = 1e-5
    for i, slope in enumerate(gradient):
        aside = step * (np.arange(len(at)) == i)
        differences = (likelihood(at + aside)[0] - likelihood(at - aside)[0]) / (2.0 * step)
        assert slope == pytest.approx(differences, rel=1e-5, abs=1e-6)


def test_lines_have_the_level_and_slope_of_profiles() -> None:
    """Slopes that cancel over all sites leave the common curve as it is."""
    known = profiles(40, 0)
    depth = np.log(known.depth + 0.03)
    middle = depth.mean()
    level, slope = np.tile([1.0, -1.0], 20), np.tile([0.5, 0.5, -0.5, -0.5], 10)
    common = 8.0 - 0.7 * depth + 0.1 * depth**2
    values = common + level[known.site] + slope[known.site] * (depth - middle)
    lines = ProfileLines.through(known, values)
    np.testing.assert_allclose(lines.values, [level, slope], rtol=0.03)
    assert (lines.variances < 0.1).all()


def test_a_single_layer_says_nothing_of_the_slope() -> None:
    known = profiles(10, 0)
    first = known.site * len(DEPTHS) + 1
    kept = (known.site > 0) | (np.arange(len(known.site)) == first)
    some = Profiles(known.features, known.positions, known.site[kept], known.depth[kept])
    lines = ProfileLines.through(some, told_by_one(known)[kept])
    assert lines.variances[1, 0] > 20.0 * lines.variances[1, 1:].max()
