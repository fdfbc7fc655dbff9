"""Exchange between layers in the published model, against its equations written out month by month.

PRODA, `tri_matrix.m`: diffusivity at the bottom of each layer stands for its node; faces take the mean
of two nodes, harmonic and weighted by distance, times Patankar's power law of the Peclet number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ctsm_socnn.model import Columns
from ctsm_socnn.model.coefficients import coefficients
from ctsm_socnn.parameters import PARAMETER_NAMES

THICKNESS = np.array(
    [2, 4, 6, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 54, 64, 74, 84, 94, 104, 114, 239]
) / 100.0  # fmt: skip
BOTTOM = np.round(np.cumsum(THICKNESS), 2)
NODE = BOTTOM - 0.5 * THICKNESS
FLOOR = 1e-30
"""m2 day-1 of diffusivity, m day-1 of advection."""
DIFFUS, CRYO = PARAMETER_NAMES.index("diffus"), PARAMETER_NAMES.index("cryo")
TURN_OF_BRANCH = 2.0
THAWS = [0.0, 0.01, 0.32, 0.5, 1.2, 1.999, TURN_OF_BRANCH, np.nextafter(TURN_OF_BRANCH, 3.0), 7.0]


def diffusivity(thaw: float, bedrock: int, diffus: float, cryo: float) -> np.ndarray:
    """m2 day-1 at the bottoms of levels 1 to 21."""
    shape = np.zeros(21)
    if thaw > TURN_OF_BRANCH:
        shape[: bedrock + 1] = diffus
    elif thaw > 0.0:
        end = min(3.0, BOTTOM[bedrock])
        for j in range(bedrock + 1):
            if BOTTOM[j] < thaw:
                shape[j] = cryo
            elif end != thaw:
                shape[j] = max(0.0, cryo * (1.0 - (BOTTOM[j] - thaw) / (end - thaw)))
    return np.maximum(shape / 365.0, FLOOR)


def face(j: int, at_node: np.ndarray) -> float:
    """Conductance (m day-1) between layers j - 1 and j, counted from 0."""
    distance = NODE[j] - NODE[j - 1]
    above = (BOTTOM[j - 1] - NODE[j - 1]) / distance
    return float(1.0 / ((1.0 - above) / at_node[j] + above / at_node[j - 1]) / distance)


def power_law(peclet: float) -> float:
    return max(0.0, (1.0 - 0.1 * abs(peclet)) ** 5)


def exchange(
    thaw: float, bedrock: int, diffus: float, cryo: float
) -> tuple[np.ndarray, np.ndarray]:
    """With the layer above and the layer below, yr-1, shape (20,)."""
    at_node = diffusivity(thaw, bedrock, diffus, cryo)
    lower, upper = np.zeros(20), np.zeros(20)
    for j in range(20):
        above = face(j, at_node) if j > 0 else 0.0
        if j > 0:
            lower[j] = above * power_law(FLOOR / above) + FLOOR
        if j < 19:
            below = face(j + 1, at_node)
            upper[j] = above if j >= bedrock else below * power_law(FLOOR / below)
    return lower / THICKNESS[:20] * 365.0, upper / THICKNESS[:20] * 365.0


@pytest.mark.parametrize("bedrock", [1, 2, 3, 7, 12, 13, 18, 19, 20])
@pytest.mark.parametrize("thaw", THAWS)
def test_exchange_follows_the_equations_floors_included(
    thaw: float,
    bedrock: int,
    make_forcing: Callable[..., dict[str, Any]],
    make_parameters: Callable[..., np.ndarray],
) -> None:
    forcing, parameters = make_forcing(1, bedrock=bedrock), make_parameters(1)
    forcing |= {"thaw": np.full((1, 12), thaw), "thaw_last_year": np.full((1, 12), 0.5 * thaw)}
    found = coefficients(Columns.from_arrays(**forcing), parameters)
    lower, upper = exchange(thaw, bedrock, parameters[0, DIFFUS], parameters[0, CRYO])
    assert_allclose(found.lower[0], lower, rtol=1e-11)
    assert_allclose(found.upper[0], upper, rtol=1e-11)
