"""Likelihoods: the published cost against the published code, gradients, error models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.interpolate import PchipInterpolator
from scipy.stats import multivariate_normal, t

from ctsm_socnn import _kernel
from ctsm_socnn.assimilation.likelihood import (
    LIKELIHOODS,
    ErrorModel,
    LogLikelihood,
    PublishedLikelihood,
    make_likelihood,
)
from ctsm_socnn.errors import ConfigError

NODE = _kernel.grid()[0]


@pytest.fixture
def sites() -> xr.Dataset:
    rng = np.random.default_rng(3)
    soc = rng.lognormal(9.0, 1.0, (5, 6))
    soc[1, 2:] = np.nan
    soc[3] = np.nan
    depth = np.sort(rng.uniform(0.005, 2.5, (5, 6)), axis=1)
    return xr.Dataset(
        {
            "soc": (("site", "obs"), soc),
            "soc_depth": (("site", "obs"), depth),
            "nbedrock": (("site",), np.array([20, 18, 20, 15, 12])),
        }
    )


@pytest.fixture
def soc() -> np.ndarray:
    rng = np.random.default_rng(4)
    return np.exp(9.0 - NODE + 0.1 * rng.normal(size=(5, 20)))


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> xr.Dataset:
    with xr.open_dataset(shared_data / "golden" / "golden_proda_public.nc") as dataset:
        return dataset.load()


def profile_dataset(depth: np.ndarray, observed: np.ndarray) -> xr.Dataset:
    return xr.Dataset(
        {
            "soc": (("site", "obs"), observed),
            "soc_depth": (("site", "obs"), depth),
            "nbedrock": (("site",), np.full(len(depth), 20)),
        }
    )


@pytest.mark.real_data
def test_the_published_code_is_matched(golden: xr.Dataset) -> None:
    n, m = golden["obs_depth"].shape
    first = np.arange(n + 1) * m + 1
    depth, observed = golden["obs_depth"].values.ravel(), golden["obs_soc"].values.ravel()
    weights = _kernel.published_weights(first, depth, observed)
    np.testing.assert_allclose(weights, golden["layer_weight"].values.ravel(), rtol=1e-14)
    cost, modelled, _ = _kernel.published_costs(
        golden["octave_soc"].values.T, first, depth, observed, weights
    )
    np.testing.assert_array_equal(modelled, golden["octave_soc_at_obs"].values.ravel())
    np.testing.assert_allclose(cost, golden["octave_cost"].values, rtol=1e-14)


def test_pchip_goes_on_beyond_the_end_nodes_as_in_matlab() -> None:
    rng = np.random.default_rng(5)
    profile = rng.normal(1e4, 3e3, 20)
    depth = np.array([[0.0, 0.005, 0.03, 0.26, 1.0, 7.9, 8.3, 9.0]])
    likelihood = make_likelihood(profile_dataset(depth, np.ones_like(depth)), "published")
    assert isinstance(likelihood, PublishedLikelihood)
    expected = PchipInterpolator(NODE, profile)(depth[0])
    np.testing.assert_allclose(likelihood.modelled(profile[np.newaxis]), expected, rtol=1e-12)


def test_equal_deviations_are_ranked_in_order() -> None:
    depth = np.array([[0.1, 0.2, 0.3]])
    likelihood = make_likelihood(
        profile_dataset(depth, np.array([[2.0, 1.0, 0.0 + 3e-9]])), "published"
    )
    assert isinstance(likelihood, PublishedLikelihood)
    order = np.argsort(-likelihood.weights)
    assert likelihood.weights[1] == 10.0 * np.exp(-2.0)
    assert list(order)[-1] == 1


@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_gradients_agree_with_differences(name: str, sites: xr.Dataset, soc: np.ndarray) -> None:
    likelihood = make_likelihood(sites, name)
    _, gradient = likelihood.costs(soc)
    for layer in (0, 3, 7, 11):
        step = np.zeros_like(soc)
        step[:, layer] = 1e-5 * soc[:, layer]
        difference = likelihood.costs(soc + step)[0] - likelihood.costs(soc - step)[0]
        np.testing.assert_allclose(
            difference / (2.0 * step[:, layer]), gradient[:, layer], rtol=1e-5, atol=1e-10
        )


@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_a_site_without_observations_costs_nothing(
    name: str, sites: xr.Dataset, soc: np.ndarray
) -> None:
    cost, gradient = make_likelihood(sites, name).costs(soc)
    assert cost[3] == 0.0
    assert not gradient[3].any()
    assert (cost[[0, 1, 2, 4]] > 0.0).all()


def test_lognormal_is_a_multivariate_normal_density(sites: xr.Dataset, soc: np.ndarray) -> None:
    likelihood = make_likelihood(sites, "lognormal")
    operator, errors = likelihood.operator, ErrorModel()
    here = operator.site == 0
    depth = operator.depth[here]
    distance = np.abs(depth[:, None] - depth) / errors.correlation_length
    covariance = errors.representativeness_sd**2 * np.exp(-distance)
    covariance += errors.observation_sd**2 * np.eye(depth.size)
    residual = np.log(operator.values[here]) - np.log(operator.apply(soc)[here])
    normal = multivariate_normal(cov=covariance)
    expected = normal.logpdf(np.zeros(depth.size)) - normal.logpdf(residual)
    assert likelihood.costs(soc)[0][0] == pytest.approx(expected, rel=1e-12)


def test_student_t_is_a_density_of_whitened_residuals(sites: xr.Dataset, soc: np.ndarray) -> None:
    likelihood = make_likelihood(sites, "student-t")
    assert isinstance(likelihood, LogLikelihood)
    operator = likelihood.operator
    whitened = likelihood.whitening @ (np.log(operator.values) - np.log(operator.apply(soc)))
    density = t(df=likelihood.degrees_of_freedom)
    expected = (density.logpdf(0.0) - density.logpdf(whitened))[operator.site == 2].sum()
    assert likelihood.costs(soc)[0][2] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["lognormal", "student-t"])
def test_costs_do_not_depend_on_the_order_of_the_layers(
    name: str, sites: xr.Dataset, soc: np.ndarray
) -> None:
    sites["soc_sd"] = sites["soc"] * np.linspace(0.05, 0.5, 6)
    sites["soc_depth"][2, 3] = sites["soc_depth"][2, 2]
    mixed = sites.isel(obs=[4, 0, 5, 2, 1, 3])
    cost, slope = make_likelihood(sites, name).costs(soc)
    found, found_slope = make_likelihood(mixed, name).costs(soc)
    np.testing.assert_allclose(found, cost, rtol=1e-10)
    np.testing.assert_allclose(found_slope, slope, rtol=1e-8, atol=1e-15)


def test_a_stated_error_replaces_the_default(sites: xr.Dataset, soc: np.ndarray) -> None:
    vague = sites.assign(soc_sd=10.0 * sites["soc"])
    cost, _ = make_likelihood(vague, "lognormal").costs(soc)
    assert cost[0] < 0.5 * make_likelihood(sites, "lognormal").costs(soc)[0][0]


def test_carbon_of_zero_has_a_finite_cost(sites: xr.Dataset) -> None:
    cost, gradient = make_likelihood(sites, "lognormal").costs(np.zeros((5, 20)))
    assert np.isfinite(cost).all()
    assert np.isfinite(gradient).all()


def test_an_unknown_name_is_refused(sites: xr.Dataset) -> None:
    with pytest.raises(ConfigError, match="'gauss'; choose from published"):
        make_likelihood(sites, "gauss")
