"""The vertical grid, to the last bit: the depth of thaw is compared with its interfaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from ctsm_socnn.model import Columns
from ctsm_socnn.model.coefficients import coefficients
from ctsm_socnn.model.ctsm_forcing import CtsmColumns, CtsmForcing
from ctsm_socnn.model.ctsm_parameters import CtsmParameters
from ctsm_socnn.model.ctsm_scheme import CtsmScheme, mixing
from ctsm_socnn.model.grid import SOIL_GRID


def thickness_in_ctsm() -> np.ndarray:
    """Levels 1 to 21 as initVerticalMod computes them for 20SL_8.5m."""
    steps = [(0, 4, 0.02), (4, 13, 0.04), (13, 20, 0.10)]
    thickness = [0.0]
    for first, last, growth in steps:
        start = thickness[first]
        thickness += [start + (j - first) * growth for j in range(first + 1, last + 1)]
    return np.array([*thickness[1:], thickness[20] + 25.0**1.5 / 100.0])


def interfaces_in_ctsm() -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(thickness_in_ctsm())])


def test_grid_is_that_of_the_model_bit_for_bit() -> None:
    interfaces = interfaces_in_ctsm()
    assert_array_equal(SOIL_GRID.thickness, thickness_in_ctsm()[:20])
    assert_array_equal(SOIL_GRID.interface_depth, interfaces[:21])
    assert_array_equal(SOIL_GRID.node_depth, 0.5 * (interfaces[:20] + interfaces[1:21]))


@pytest.mark.parametrize("nbedrock", range(1, 21))
def test_ctsm_does_not_mix_the_level_below_bedrock_where_thaw_ends(nbedrock: int) -> None:
    thaw = interfaces_in_ctsm()[nbedrock + 1]
    parameters = CtsmParameters(max_altdepth_cryoturbation=20.0, max_depth_cryoturb=20.0)
    forcing = CtsmForcing.from_arrays(
        np.full((1, 20), 280.0), -0.1, altmax=thaw, altmax_lastyear=0.0
    )
    columns = CtsmColumns.from_arrays(nbedrock, 50.0)
    found = mixing(CtsmScheme.of("ctsm5.4", parameters), columns, forcing).diffusivity[0]
    expected = np.where(np.arange(21) < nbedrock, parameters.cryoturb_diffusion_k, 0.0)
    assert_array_equal(found, expected)


@pytest.mark.parametrize("nbedrock", range(1, 11))
def test_published_model_does_not_mix_the_level_below_bedrock_where_thaw_ends(
    nbedrock: int,
    make_forcing: Callable[..., dict[str, Any]],
    make_parameters: Callable[..., np.ndarray],
) -> None:
    thaw = np.full((1, 12), round(float(interfaces_in_ctsm()[nbedrock + 1]), 2))
    changes = {"thaw": thaw, "thaw_last_year": thaw}
    columns = Columns.from_arrays(**(make_forcing(1, bedrock=nbedrock) | changes))
    exchange = coefficients(columns, make_parameters(1))
    assert exchange.upper[0, nbedrock - 1] < 1e-20
    assert nbedrock == 1 or exchange.upper[0, nbedrock - 2] > 1e-6
