from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.config import EvaluationConfig
from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.chosen_folds import choose_folds
from ctsm_socnn.network.folds import block_folds, location_folds
from ctsm_socnn.network.variogram import residual_variogram


def test_blocks_are_as_large_as_residuals_are_alike(sites: xr.Dataset) -> None:
    chosen = choose_folds(sites, "block", 2, 3)
    side = residual_variogram(sites, 3).range_km
    assert chosen.block_km == side
    np.testing.assert_array_equal(chosen.fold, block_folds(sites, 2, side, 3))
    assert chosen.description == f"2 folds by block of {side:.3g} km"
    assert chosen.reason is not None
    assert chosen.attributes["folds_reason"].startswith(f"blocks of {side:.3g} km, the range")


def test_a_given_size_is_taken(sites: xr.Dataset) -> None:
    chosen = choose_folds(sites, "block", 3, 0, 12.5)
    np.testing.assert_array_equal(chosen.fold, block_folds(sites, 3, 12.5, 0))
    assert chosen.attributes == {"folds": "3 folds by block of 12.5 km"}


def test_locations_need_no_size(sites: xr.Dataset) -> None:
    chosen = choose_folds(sites, "location", 4, 0, 12.5)
    np.testing.assert_array_equal(chosen.fold, location_folds(sites, 4, 0))
    assert (chosen.block_km, chosen.reason) == (0.0, None)
    assert chosen.description == "4 folds by location"


def test_a_configuration_leaves_the_size_to_the_residuals() -> None:
    assert EvaluationConfig().block_km is None


def test_too_few_sites_for_a_variogram_are_told(sites: xr.Dataset) -> None:
    with pytest.raises(NetworkError, match="give the side of the blocks in km"):
        choose_folds(sites.isel(site=slice(0, 20)), "block", 2, 0)
