"""Convergence of many parameters at once, against arviz-stats one by one."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats

from ctsm_socnn.assimilation.diagnostics import Convergence, Limits, convergence
from ctsm_socnn.assimilation.screening import SiteStatus


def chains(kind: str) -> np.ndarray:
    """Three parameters, shape (parameter, chain, draw)."""
    rng = np.random.default_rng(12)
    draws = rng.uniform(size=(3, 4, 101))
    if kind == "slow":
        draws = np.cumsum(draws - 0.5, axis=2)
    if kind == "repeated":
        draws = np.repeat(draws[:, :, ::5], 5, axis=2)
    if kind == "apart":
        draws[0] += np.arange(4)[:, np.newaxis]
    if kind == "still":
        draws[1] = 0.5
    return draws


@pytest.mark.parametrize("kind", ["good", "slow", "repeated", "apart", "still"])
def test_equal_to_arviz_one_parameter_at_a_time(kind: str) -> None:
    draws = chains(kind)
    found = convergence(draws)
    with np.errstate(invalid="ignore", divide="ignore"):
        for parameter, one in enumerate(draws):
            expected = (
                array_stats.rhat(one),
                array_stats.ess(one, method="bulk"),
                array_stats.ess(one, method="tail", prob=(0.05, 0.95)),
            )
            values = (found.rhat, found.ess_bulk, found.ess_tail)
            np.testing.assert_array_equal([value[parameter] for value in values], expected)


@pytest.mark.parametrize(
    ("rhat", "ess", "divergent", "expected"),
    [
        (1.05, 100.0, 0.02, SiteStatus.CONVERGED),
        (1.051, 100.0, 0.0, SiteStatus.RHAT_TOO_HIGH),
        (np.nan, 100.0, 0.0, SiteStatus.RHAT_TOO_HIGH),
        (1.0, 99.0, 0.0, SiteStatus.TOO_FEW_EFFECTIVE_DRAWS),
        (1.0, 1000.0, 0.021, SiteStatus.DIVERGENT),
    ],
)
def test_a_site_is_judged_by_its_worst_identifiable_parameter(
    rhat: float, ess: float, divergent: float, expected: SiteStatus
) -> None:
    good, identifiable = np.ones(3), np.array([True, True, False])
    found = Convergence(np.array([1.0, rhat, 9.0]), np.array([1e3, ess, 1.0]), good)
    assert found.status(identifiable, divergent, Limits()) == expected
