from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from ctsm_socnn.errors import FileError, GridError
from ctsm_socnn.observations.aggregate import CellGrid, aggregate
from ctsm_socnn.observations.rasters import Raster, open_raster


def raster(lat: np.ndarray, lon: np.ndarray, values: np.ndarray) -> Raster:
    return Raster(lat, lon, lambda start, stop: values[start:stop].astype(float), "")


def centres(start: float, stop: float, count: int) -> np.ndarray:
    edges = np.linspace(start, stop, count + 1)
    return 0.5 * (edges[1:] + edges[:-1])


GRID = CellGrid(lat=np.array([40.5, 41.5]), lon=np.array([280.5, 281.5, 282.5]))
LAT, LON = centres(40.0, 42.0, 8), centres(280.0, 283.0, 12)


def test_mean_is_that_of_the_pixels_weighted_by_area():
    values = np.random.default_rng(1).normal(size=(8, 12))
    result, filled = aggregate(raster(LAT, LON, values), GRID, "mean")
    weights = np.cos(np.radians(LAT[:4]))
    expected = np.average(values[:4, :4].mean(axis=1), weights=weights)
    assert result[0, 0] == pytest.approx(expected, rel=1e-13)
    assert filled == 0


def test_missing_pixels_do_not_count():
    values = np.full((8, 12), 5.0)
    values[0, :3] = np.nan
    values[4:, 8:] = np.nan
    result, _ = aggregate(raster(LAT, LON, values), GRID, "mean")
    assert result[0, 0] == pytest.approx(5.0, rel=1e-14)
    assert np.isnan(result[1, 2])


def test_mode_takes_the_most_frequent_class():
    values = np.full((8, 12), 3.0)
    values[:4, :3] = 9.0
    values[4:, :2] = 9.0
    result, _ = aggregate(raster(LAT, LON, values), GRID, "mode")
    assert result[0, 0] == 9.0
    assert result[0, 1] == 3.0
    # A tie goes to the smaller class: the result does not depend on the order of the file.
    assert result[1, 0] == 3.0


@pytest.mark.parametrize("method", ["mean", "mode", "nearest"])
def test_order_and_convention_of_coordinates_do_not_matter(method):
    values = np.random.default_rng(2).integers(1, 4, size=(8, 12)).astype(float)
    plain, _ = aggregate(raster(LAT, LON, values), GRID, method)
    upside = raster(LAT[::-1], LON - 360.0, values[::-1])
    turned = CellGrid(GRID.lat[::-1], GRID.lon)
    np.testing.assert_allclose(aggregate(upside, GRID, method)[0], plain, rtol=1e-14)
    np.testing.assert_allclose(aggregate(upside, turned, method)[0], plain[::-1], rtol=1e-14)


def test_grid_may_cross_the_meridian_at_which_the_raster_begins():
    lon = centres(-180.0, 180.0, 72)
    values = np.broadcast_to(lon, (8, 72))
    grid = CellGrid(GRID.lat, np.array([175.0, 185.0]))
    result, _ = aggregate(raster(LAT, lon, values), grid, "mean")
    np.testing.assert_allclose(result[0], [175.0, -175.0])


@pytest.mark.parametrize("lon", [[179.0, -179.0, -177.0], [359.0, 1.0, 3.0]])
def test_grid_may_jump_at_the_date_line_or_the_meridian_of_zero(lon):
    world = centres(-180.0, 180.0, 720)
    values = np.broadcast_to(np.cos(np.radians(world)), (8, 720))
    east = np.unwrap(lon, period=360.0)
    jumping, rising = (
        aggregate(raster(LAT, world, values), CellGrid(GRID.lat, np.array(cells)), "mean")[0]
        for cells in (lon, east)
    )
    assert np.isfinite(rising).all()
    np.testing.assert_array_equal(jumping, rising)


@pytest.mark.parametrize("lon", [[280.5], [280.5, 281.5, 281.0]])
def test_target_grid_without_direction_is_refused(lon):
    with pytest.raises(GridError, match="lon of the target grid must rise or fall"):
        CellGrid(GRID.lat, np.array(lon))


@pytest.mark.parametrize(("lat", "lon"), [(LAT[:1], LON), (LAT, LON[:1]), (LAT, LON * np.nan)])
def test_raster_without_an_extent_is_refused(lat, lon):
    with pytest.raises(GridError, match="needs two or more, all finite"):
        raster(lat, lon, np.zeros((lat.size, lon.size)))


def test_coarse_raster_gives_its_nearest_pixel():
    coarse = raster(
        np.array([40.0, 42.0]), np.array([280.0, 282.0]), np.array([[1.0, 2.0], [3.0, 4.0]])
    )
    result, filled = aggregate(coarse, GRID, "mean")
    assert filled > 0
    assert np.isfinite(result).all()
    assert result[0, 0] == 1.0


def test_raster_elsewhere_is_refused():
    with pytest.raises(GridError, match="does not overlap the grid"):
        aggregate(raster(LAT - 60.0, LON, np.ones((8, 12))), GRID, "mean")


def test_mode_of_a_measurement_is_refused():
    lat, lon = centres(40.0, 42.0, 40), centres(280.0, 283.0, 40)
    values = np.random.default_rng(3).normal(size=(40, 40))
    with pytest.raises(GridError, match="are they classes"):
        aggregate(raster(lat, lon, values), GRID, "mode")


@settings(max_examples=30, deadline=None)
@given(
    st.integers(2, 30), st.integers(2, 30), st.floats(-5, 5), st.sampled_from(["mean", "nearest"])
)
def test_constant_stays_constant(rows, columns, value, method):
    lat, lon = centres(39.0, 43.0, rows), centres(279.0, 284.0, columns)
    result, _ = aggregate(raster(lat, lon, np.full((rows, columns), value)), GRID, method)
    np.testing.assert_allclose(result, value, rtol=1e-12)


@pytest.fixture
def netcdf(tmp_path: Path) -> Path:
    fields = {name: (("lat", "lon"), np.full((8, 12), 7.0), {"units": "K"}) for name in ("a", "b")}
    xr.Dataset(fields, {"lat": LAT, "lon": LON}).to_netcdf(tmp_path / "raster.nc")
    return tmp_path / "raster.nc"


def test_netcdf_field_is_read_by_name(netcdf):
    with open_raster(netcdf, "a") as opened:
        assert opened.units == "K"
        np.testing.assert_array_equal(opened.read_rows(2, 4), np.full((2, 12), 7.0))


def test_field_must_be_named_where_there_are_several(netcdf):
    with (
        pytest.raises(GridError, match=r"holds several fields .* name one of a, b"),
        open_raster(netcdf),
    ):
        pass


def test_missing_raster_is_named(tmp_path):
    with (
        pytest.raises(FileError, match=r"none\.tif does not exist"),
        open_raster(tmp_path / "none.tif"),
    ):
        pass


@pytest.fixture
def geotiff(tmp_path: Path):
    rasterio = pytest.importorskip("rasterio", reason="GeoTIFF needs rasterio")
    affine = pytest.importorskip("affine")

    def write(crs: str) -> Path:
        path = tmp_path / "raster.tif"
        values = np.arange(96, dtype=np.float32).reshape(8, 12)
        values[0, 0] = -9999.0
        profile = {
            "driver": "GTiff",
            "height": 8,
            "width": 12,
            "count": 1,
            "dtype": "float32",
            "crs": crs,
            "nodata": -9999.0,
            "transform": affine.Affine(0.25, 0.0, -80.0, 0.0, -0.25, 42.0),
            "compress": "deflate",
        }
        with rasterio.open(path, "w", **profile) as dataset:
            dataset.write(values, 1)
        return path

    return write


def test_geotiff_is_read_from_north_to_south(geotiff):
    with open_raster(geotiff("EPSG:4326")) as opened:
        np.testing.assert_allclose(opened.lat, LAT[::-1])
        np.testing.assert_allclose(opened.lon, LON - 360.0)
        assert np.isnan(opened.read_rows(0, 1)[0, 0])
        result, _ = aggregate(opened, GRID, "mean")
    assert np.isfinite(result).all()
    assert result[1, 0] < result[0, 0]


def test_projected_geotiff_is_refused(geotiff):
    with (
        pytest.raises(GridError, match="not in geographic coordinates"),
        open_raster(geotiff("EPSG:5070")),
    ):
        pass
