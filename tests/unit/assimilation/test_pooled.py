"""The posterior of a shared vector, where it can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri

from ctsm_socnn.assimilation.pooled import PooledPosterior, cost_scale, scatter
from ctsm_socnn.assimilation.prior import Prior

UNIFORM = Prior((0.5, 0.5), (np.inf, np.inf))
N_CLUSTERS, EACH = 80, 3


class Quadratic:
    """Each site draws the probits of two parameters to a place of its own, with one curvature."""

    def __init__(self, places: np.ndarray, curvature: np.ndarray) -> None:
        self.places, self.curvature = places, curvature
        self.cluster = np.repeat(np.arange(N_CLUSTERS), EACH)

    def of_sites(self, unit: np.ndarray) -> tuple[float, np.ndarray]:
        probit = ndtri(unit)
        pull = (probit - self.places) @ self.curvature
        by_unit = np.sqrt(2.0 * np.pi) * np.exp(0.5 * probit**2)
        return 0.5 * float(np.sum(pull * (probit - self.places))), pull * by_unit

    def of_all(self, unit: np.ndarray, weight: Any = 1.0) -> tuple[float, np.ndarray]:
        weight = np.broadcast_to(weight, self.cluster.shape)
        probit = ndtri(unit)
        pull = (probit - self.places) @ self.curvature
        value = 0.5 * float(weight @ np.sum(pull * (probit - self.places), axis=1))
        return value, weight @ pull * np.sqrt(2.0 * np.pi) * np.exp(0.5 * probit**2)


def test_scatter_is_the_covariance_of_a_sum_over_independent_clusters() -> None:
    generator = np.random.default_rng(0)
    root = np.array([[1.0, 0.0], [0.8, 0.5]])
    sums = [root @ generator.normal(size=(2, N_CLUSTERS, EACH)).sum(axis=2) for _ in range(3000)]
    expected = np.cov(np.array(sums).sum(axis=2).T)
    cluster = np.repeat(np.arange(N_CLUSTERS), EACH)
    found = [
        scatter((root @ generator.normal(size=(2, cluster.size))).T, cluster) for _ in range(300)
    ]
    np.testing.assert_allclose(np.mean(found, axis=0), expected, rtol=0.1)


def test_draws_have_the_covariance_of_a_misspecified_model() -> None:
    generator = np.random.default_rng(1)
    shared = np.repeat(generator.normal(size=(N_CLUSTERS, 2)) * [1.0, 0.4], EACH, axis=0)
    places = 0.5 + shared + 0.3 * generator.normal(size=shared.shape)
    cost = Quadratic(places, np.array([[0.05, 0.02], [0.02, 0.04]]))
    posterior: Any = PooledPosterior(cost, UNIFORM, np.array([0.6, 0.6]))  # type: ignore[arg-type]
    hessian = len(places) * cost.curvature
    by_site = (places.mean(axis=0) - places) @ cost.curvature
    k, identity = posterior.scale, np.eye(2)
    assert k == pytest.approx(cost_scale(hessian, scatter(by_site, cost.cluster)), rel=0.05)
    inverse = np.linalg.inv(hessian / k + identity)
    middle = inverse @ (hessian / k @ places.mean(axis=0))
    expected = inverse @ (scatter(by_site, cost.cluster) / k**2 + identity) @ inverse
    probits = ndtri(posterior.draw(generator, 1500))
    np.testing.assert_allclose(probits.mean(axis=0), middle, atol=0.02)
    sd = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(
        np.cov(probits.T) / np.outer(sd, sd), expected / np.outer(sd, sd), atol=0.12
    )
