from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.land_area import LandArea

EARTH_M2 = 4.0 * np.pi * 6.371e6**2


def globe() -> xr.Dataset:
    return xr.Dataset(
        coords={"lat": np.arange(-87.5, 90.0, 5.0), "lon": np.arange(2.5, 360.0, 5.0)}
    )


def test_boxes_of_a_globe_add_up_to_the_earth() -> None:
    area = LandArea.from_grid(globe(), ("lat", "lon"))
    assert area is not None
    halves = (
        area.of_cells((slice(0, 18), slice(None))),
        area.of_cells((slice(18, 36), slice(None))),
    )
    assert halves[0].shape == (18 * 72,)
    assert sum(half.sum() for half in halves) == pytest.approx(EARTH_M2)
    assert area.source == "whole boxes"


def test_boxes_are_known_whichever_dimension_comes_first() -> None:
    shape = {"lat": slice(0, 2), "lon": slice(0, 5)}
    usual = LandArea.from_grid(globe(), ("lat", "lon"))
    turned = LandArea.from_grid(globe(), ("lon", "lat"))
    assert usual is not None
    assert turned is not None
    expected = usual.of_cells(tuple(shape.values())).reshape(2, 5)
    found = turned.of_cells((shape["lon"], shape["lat"])).reshape(5, 2)
    np.testing.assert_array_equal(found, expected.T)


def test_land_of_one_time_is_land() -> None:
    land = (("time", "lat", "lon"), np.full((1, 36, 72), 0.25))
    area = LandArea.from_grid(globe().assign(landfrac=land), ("lat", "lon"))
    assert area is not None
    assert area.of_cells().sum() == pytest.approx(EARTH_M2 / 4.0)


def test_land_is_a_share_of_the_cell() -> None:
    land = (("lat", "lon"), np.full((36, 72), 0.25))
    area = LandArea.from_grid(globe().assign(landfrac=land), ("lat", "lon"))
    assert area is not None
    assert area.of_cells().sum() == pytest.approx(EARTH_M2 / 4.0)
    assert area.source == "boxes times landfrac"


@pytest.mark.parametrize("share", [25.0, -0.25])
def test_a_share_of_land_beyond_one_is_refused(share: float) -> None:
    land = np.full((36, 72), 0.25)
    land[5, 7] = share
    area = LandArea.from_grid(globe().assign(landfrac=(("lat", "lon"), land)), ("lat", "lon"))
    assert area is not None
    with pytest.raises(NetworkError, match=rf"landfrac is {share:g} .* between 0 and 1"):
        area.of_cells()


def test_rows_from_north_to_south_are_as_large() -> None:
    turned = LandArea.from_grid(globe().isel(lat=slice(None, None, -1)), ("lat", "lon"))
    assert turned is not None
    assert turned.of_cells().sum() == pytest.approx(EARTH_M2)
    assert turned.of_cells().min() > 0.0


def test_the_share_of_land_counts_before_its_mask_and_areas_before_boxes() -> None:
    by_cell = {
        name: (("lat", "lon"), np.full((36, 72), value))
        for name, value in (("landmask", 1.0), ("landfrac", 0.25), ("area", 8.0))
    }
    grid = globe().assign(by_cell)
    grid["area"].attrs["units"] = "km2"
    area = LandArea.from_grid(grid, ("lat", "lon"))
    assert area is not None
    np.testing.assert_allclose(area.of_cells(), 2e6)
    assert area.source == "area times landfrac"


def test_areas_of_cells_are_taken_in_their_unit() -> None:
    cells = xr.Dataset(coords={"lat": ("cell", [1.0, 2.0]), "lon": ("cell", [3.0, 4.0])})
    assert LandArea.from_grid(cells, ("cell",)) is None
    cells["area"] = ("cell", [2.0, np.nan], {"units": "km^2"})
    area = LandArea.from_grid(cells, ("cell",))
    assert area is not None
    np.testing.assert_array_equal(area.of_cells(), [2e6, 0.0])
    cells["area"].attrs["units"] = "acres"
    with pytest.raises(NetworkError, match=r"has the unit 'acres'; state one of m2"):
        LandArea.from_grid(cells, ("cell",))
