from __future__ import annotations

import numpy as np
import pytest

from ctsm_socnn.errors import GridError
from ctsm_socnn.regrid.geometry import (
    GridKind,
    bounds_between,
    cell_grid,
    polygon_areas,
    rectilinear_grid,
)

LAT = np.arange(30.5, 35.0)


def test_octant_has_an_eighth_of_the_sphere() -> None:
    area = polygon_areas(np.array([[0.0, 90.0, 0.0]]), np.array([[0.0, 0.0, 90.0]]))
    assert area == pytest.approx(4.0 * np.pi / 8.0, rel=1e-14)


def test_clockwise_polygons_have_negative_area() -> None:
    lon, lat = np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([[0.0, 1.0, 1.0, 0.0]])
    assert polygon_areas(lon, lat)[0] == pytest.approx(-(np.deg2rad(1.0) ** 2), rel=1e-3)


def test_cells_are_turned_counter_clockwise() -> None:
    lon, lat = np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([[0.0, 1.0, 1.0, 0.0]])
    grid = cell_grid("one", [0.5], [0.5], corner_lon=lon, corner_lat=lat)
    assert polygon_areas(*grid.corners())[0] > 0.0


def test_boxes_of_the_globe_add_up() -> None:
    grid = rectilinear_grid("globe", np.arange(0.0, 360.0, 2.5), np.linspace(-90.0, 90.0, 96))
    assert grid.box_areas().sum() == pytest.approx(4.0 * np.pi, rel=1e-14)


def test_polar_cells_at_the_pole_are_half_as_high() -> None:
    grid = rectilinear_grid("poles", np.arange(0.0, 360.0, 5.0), np.linspace(-90.0, 90.0, 46))
    assert grid.lat_bounds is not None
    np.testing.assert_allclose(grid.lat_bounds[[0, 1, -1]], [[-90, -88], [-88, -84], [88, 90]])


def test_single_precision_globe_closes_exactly() -> None:
    lon = np.linspace(0.0, 360.0, 145)[:-1].astype(np.float32) + np.float32(0.1)
    grid = rectilinear_grid("single", lon, LAT)
    assert grid.lon_bounds is not None
    assert grid.lon_bounds[-1, 1] - grid.lon_bounds[0, 0] == 360.0


@pytest.mark.parametrize(
    "lon",
    [
        np.arange(170.5, 190.0),
        (np.arange(170.5, 190.0) + 180.0) % 360.0 - 180.0,
        np.arange(189.5, 170.0, -1.0),
    ],
    ids=["0..360", "-180..180 across the date line", "descending"],
)
def test_every_way_to_write_longitudes_gives_the_same_cells(lon: np.ndarray) -> None:
    grid = rectilinear_grid("date line", lon, LAT)
    assert grid.lon_bounds is not None
    west = np.sort(grid.lon_bounds[:, 0] % 360.0)
    np.testing.assert_allclose(west, np.arange(170.0, 190.0))
    np.testing.assert_allclose(np.diff(grid.lon_bounds, axis=1), 1.0)


def test_given_bounds_may_jump_across_greenwich() -> None:
    bounds = [[359.0, 1.0], [1.0, 3.0]]
    grid = rectilinear_grid("jump", [0.0, 2.0], LAT, lon_bounds=bounds)
    assert grid.lon_bounds is not None
    np.testing.assert_allclose(np.diff(grid.lon_bounds, axis=1), 2.0)


def test_bounds_are_not_guessed_from_uneven_centres() -> None:
    assert bounds_between(np.array([20.0, 100.0, 260.0])) is None
    assert bounds_between(np.array([20.0])) is None
    grid = rectilinear_grid("uneven", [20.0, 100.0, 260.0], LAT)
    assert not grid.has_corners
    with pytest.raises(GridError, match=r"uneven: the edges of its cells.*mesh file"):
        grid.bounds()


@pytest.mark.parametrize(
    ("lon", "lat", "message"),
    [
        ([1.0, 2.0, np.nan], LAT, "longitude has 1 missing"),
        ([1.0, 2.0], [91.0, 92.0], "latitude 92 is outside.*exchanged"),
        ([1.0, 2.0, 2.0, 3.0], LAT, "longitude is not monotone: 2 is followed by 2"),
        ([1.0, 2.0], [3.0, 4.0, 3.5], "latitude is not monotone: 4 is followed by 3.5"),
        (np.arange(0.0, 361.0), LAT, "span 361 degrees, more than a circle"),
    ],
)
def test_impossible_axes_are_refused(lon: object, lat: object, message: str) -> None:
    with pytest.raises(GridError, match=message):
        rectilinear_grid("bad", lon, lat)


def test_boxes_of_zero_area_are_refused() -> None:
    bounds = [[0.0, 1.0], [1.0, 1.0]]
    with pytest.raises(GridError, match=r"longitude bounds make 1 cells of zero area.*index 1"):
        rectilinear_grid("flat", [0.5, 1.0], LAT, lon_bounds=bounds)


def test_overlapping_boxes_are_refused() -> None:
    bounds = [[0.0, 2.0], [1.0, 3.0]]
    with pytest.raises(GridError, match=r"overlap: 0\.\.2 and 1\.\.3"):
        rectilinear_grid("overlap", [1.0, 2.0], LAT, lon_bounds=bounds)
    with pytest.raises(GridError, match=r"overlap: 0\.\.2 and 1\.\.3"):
        rectilinear_grid("overlap", [1.0, 2.0], [1.0, 2.0], lat_bounds=bounds)


@pytest.mark.parametrize(
    ("mask", "message"),
    [(np.ones((2, 2)), "has shape"), (np.full((5, 2), 3), "holds 3; it must hold 1")],
)
def test_masks_that_do_not_fit_are_refused(mask: np.ndarray, message: str) -> None:
    with pytest.raises(GridError, match=message):
        rectilinear_grid("mask", [1.0, 2.0], LAT, mask=mask)


def _two_cells(second: list[float]) -> tuple[np.ndarray, np.ndarray]:
    lon = np.array([[0.0, 1.0, 1.0, 0.0], second])
    lat = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    return lon, lat


def test_repeated_corners_in_a_row_are_a_smaller_polygon() -> None:
    lon, lat = _two_cells([1.0, 2.0, 1.5, 1.5])
    grid = cell_grid("triangle", [0.5, 1.5], [0.5, 0.5], corner_lon=lon, corner_lat=lat)
    areas = polygon_areas(*grid.corners())
    assert areas[1] == pytest.approx(0.5 * areas[0], rel=1e-3)


def test_a_node_passed_twice_is_refused() -> None:
    lon, lat = _two_cells([1.0, 2.0, 1.0, 2.0])
    lat[1] = [0.0, 0.0, 0.0, 1.0]
    with pytest.raises(GridError, match="1 cells pass twice through one node, the first is cell 2"):
        cell_grid("bow tie", [0.5, 1.5], [0.5, 0.5], corner_lon=lon, corner_lat=lat)


def test_cells_without_area_are_refused_unless_masked() -> None:
    lon, lat = _two_cells([1.0, 1.0, 1.0, 1.0])
    corners = {"corner_lon": lon, "corner_lat": lat}
    with pytest.raises(GridError, match="1 cells have zero area, the first is cell 2"):
        cell_grid("point", [0.5, 1.5], [0.5, 0.5], **corners)
    masked = cell_grid("point", [0.5, 1.5], [0.5, 0.5], **corners, mask=[1, 0])
    assert masked.kind is GridKind.UNSTRUCTURED


def test_checksum_tells_grids_and_masks_apart() -> None:
    grid = rectilinear_grid("a", [1.0, 2.0], LAT)
    same = rectilinear_grid("b", [1.0, 2.0], LAT)
    assert grid.checksum() == same.checksum()
    moved = rectilinear_grid("a", [1.0, 2.0 + 1e-9], LAT)
    mask = grid.mask.copy()
    mask[0, 0] = False
    wider = rectilinear_grid("a", [1.0, 2.0], LAT, lon_bounds=[[0.4, 1.5], [1.5, 2.5]])
    others = (moved, wider, grid.with_mask(mask))
    assert len({grid.checksum(), *(other.checksum() for other in others)}) == 4


def test_centres_and_corners_run_in_the_order_of_the_mask() -> None:
    grid = rectilinear_grid("order", [1.0, 2.0, 3.0], LAT)
    lon, lat = grid.centres()
    assert lon[:4].tolist() == [1.0, 2.0, 3.0, 1.0]
    assert lat[:4].tolist() == [30.5, 30.5, 30.5, 31.5]
    corner_lon, corner_lat = grid.corners()
    np.testing.assert_allclose(corner_lon.mean(axis=1), lon)
    np.testing.assert_allclose(corner_lat.mean(axis=1), lat)


def test_cells_may_be_wider_than_half_the_circle() -> None:
    bounds = [[0.0, 60.0], [60.0, 280.0], [280.0, 360.0]]
    grid = rectilinear_grid("wide", [30.0, 170.0, -40.0], LAT, lon_bounds=bounds)
    assert grid.lon_bounds is not None
    np.testing.assert_array_equal(np.diff(grid.lon_bounds, axis=1)[:, 0], [60.0, 220.0, 80.0])


def test_a_cell_may_go_all_the_way_round() -> None:
    grid = rectilinear_grid(
        "zonal", [180.0], [-45.0, 45.0], lon_bounds=[[0.0, 360.0]], lat_bounds=[[-90, 0], [0, 90]]
    )
    np.testing.assert_allclose(grid.box_areas(), 2.0 * np.pi, rtol=1e-15)


@pytest.mark.parametrize("axis", ["lon", "lat"])
def test_bounds_of_other_cells_are_refused(axis: str) -> None:
    centres = {"lon": [0.0, 10.0, 20.0], "lat": [0.0, 10.0, 20.0]}
    bounds = np.array([[15.0, 25.0], [5.0, 15.0], [-5.0, 5.0]])
    with pytest.raises(GridError, match="at index 0 lies outside its own bounds 15 to 25"):
        rectilinear_grid("grid", **centres, **{f"{axis}_bounds": bounds})
