"""Convergence of many parameters at once, against arviz-stats one by one."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats

from ctsm_socnn.assimilation.diagnostics import convergence


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
