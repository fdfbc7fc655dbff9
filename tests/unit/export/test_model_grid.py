"""Cells of maps against cells of the model."""

from __future__ import annotations

import numpy as np

from ctsm_socnn.export.model_grid import MapGrid, fill_outside_land, same_cells


def test_nearest_is_so_on_the_sphere() -> None:
    """At 80 degrees north 40 degrees of longitude are 770 km, less than 10 of latitude."""
    lat, lon = np.array([80.0, 80.0, 70.0]), np.array([0.0, 40.0, 0.0])
    grid = MapGrid(lat, lon, np.array([False, True, True]))
    values, missing = np.array([np.nan, 1.0, 2.0]), np.array([True, False, False])
    np.testing.assert_array_equal(fill_outside_land(values, missing, grid), [1.0, 1.0, 2.0])


def test_longitudes_of_a_pole_are_all_the_same() -> None:
    def same(lat: float, lon: float, other: float) -> bool:
        place = np.array([lat])
        return same_cells(place, np.array([lon]), place, np.array([other]))

    assert same(90.0, 10.0, 200.0)
    assert same(-90.0, 10.0, 200.0)
    assert not same(89.0, 10.0, 200.0)
    assert same(0.0, 0.0, 360.0)
