from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.spatial.distance import pdist

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.variogram import fit_variogram, residual_variogram


def field(length: float, nugget: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian field of variance 1 and exponential correlation, with noise, on 800 x 800 km."""
    generator = np.random.default_rng(seed)
    positions = np.zeros((700, 3))
    positions[:, :2] = generator.uniform(0.0, 800.0, (700, 2))
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    root = np.linalg.cholesky(np.exp(-distance / length) + 1e-9 * np.eye(700))
    noise = np.sqrt(nugget) * generator.normal(size=700)
    return positions, root @ generator.normal(size=700) + noise


@pytest.mark.parametrize("length", [10.0, 25.0])
def test_a_known_range_is_found(length: float) -> None:
    fits = [fit_variogram(*field(length, 0.3, seed)) for seed in range(6)]
    assert np.median([fit.range_km for fit in fits]) == pytest.approx(3.0 * length, rel=0.3)
    assert np.median([fit.nugget for fit in fits]) == pytest.approx(0.3, abs=0.15)
    assert np.median([fit.sill for fit in fits]) == pytest.approx(1.0, rel=0.3)


def test_noise_without_a_pattern_has_next_to_no_sill() -> None:
    generator = np.random.default_rng(3)
    positions = np.column_stack([generator.uniform(0.0, 800.0, (1500, 2)), np.zeros(1500)])
    fit = fit_variogram(positions, generator.normal(size=1500))
    far = fit.nugget + fit.sill
    near = fit.nugget + fit.sill * (1.0 - np.exp(-20.0 / fit.length))
    assert near == pytest.approx(far, rel=0.1)
    assert far == pytest.approx(1.0, rel=0.1)


def test_a_trend_is_told_from_a_range() -> None:
    generator = np.random.default_rng(5)
    positions = np.column_stack([generator.uniform(0.0, 800.0, (500, 2)), np.zeros(500)])
    trend = positions[:, 0] / 100.0 + 0.3 * generator.normal(size=500)
    fit = fit_variogram(positions, trend)
    assert fit.has_trend
    assert fit.range_km == pytest.approx(fit.longest, rel=0.01)
    assert fit.longest == pytest.approx(0.25 * pdist(positions).max())
    assert not fit_variogram(*field(10.0, 0.3, 0)).has_trend


def test_too_few_sites_or_one_place_are_explained(sites: xr.Dataset) -> None:
    with pytest.raises(NetworkError, match="29 sites are too few for a variogram"):
        residual_variogram(sites.isel(site=slice(0, 29)), seed=0)
    with pytest.raises(NetworkError, match="all sites lie at one place"):
        fit_variogram(np.zeros((40, 3)), np.arange(40.0))


def test_sites_have_a_variogram(sites: xr.Dataset) -> None:
    found = residual_variogram(sites, seed=0)
    assert 0.0 < found.range_km < 100.0
    assert found.distance.shape == found.semivariance.shape
    assert (np.diff(found.distance) > 0.0).all()


def test_depth_and_covariates_that_explain_all_leave_nothing(sites: xr.Dataset) -> None:
    """Whatever depths a profile lacks; what they do not explain is the variance of the sites."""
    sites["soc"].values[::4, 0] = np.nan
    assert residual_variogram(sites, seed=0).semivariance.max() < 1e-3
    own = np.random.default_rng(0).normal(scale=0.5, size=(40, 1))
    noisy = residual_variogram(sites.assign(soc=sites["soc"] * np.exp(own)), seed=0)
    assert noisy.semivariance.mean() == pytest.approx(0.25, rel=0.5)
