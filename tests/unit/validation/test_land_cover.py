from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import GridError, ValidationError
from ctsm_socnn.forcing.land_grid import LandGrid
from ctsm_socnn.validation.comparison import Prediction
from ctsm_socnn.validation.land_cover import land_cover_of
from ctsm_socnn.validation.model_runs import RunAtSites

FOREST, FIELD = 4.0, 12.0


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    """Quarter degrees over four cells of one degree: fields in a west that is a quarter, no data north-east."""
    lat, lon = (np.arange(40.125, 42.0, 0.25), np.arange(-80.875, -79.0, 0.25))
    classes = np.where(lon[np.newaxis, :] < -80.75, FIELD, FOREST) * np.ones((lat.size, 1))
    classes[lat > 41.0, 4:] = np.nan
    path = tmp_path / "cover.nc"
    xr.Dataset({"lct": (("lat", "lon"), classes)}, {"lat": lat, "lon": lon}).to_netcdf(path)
    return path


def _run(cell: list[int], dims: tuple[str, ...] = ("lat", "lon")) -> RunAtSites:
    """Three land cells of a history in east longitudes; the fourth is sea."""
    grid = LandGrid(dims, np.array([40.5, 41.5]), np.array([279.5, 280.5]), np.array([0, 1, 3]))
    prediction = Prediction("clm", "run", np.zeros((len(cell), 20)))
    places = np.zeros(3)
    return RunAtSites(prediction, np.array(cell), places, places, np.ones(3), grid)


def _sites(lon: list[float], lat: list[float]) -> xr.Dataset:
    return xr.Dataset({"lon": ("site", lon), "lat": ("site", lat)})


def test_class_and_share_come_from_the_pixels_of_the_cell(raster):
    sites = _sites([-80.9, -80.2, -79.3, -79.3, -60.0], [40.2, 40.3, 40.6, 41.6, 40.5])
    cover = land_cover_of(raster, None, sites, _run([0, 0, 1, 2, 1]))
    np.testing.assert_array_equal(cover.label, [FIELD, FOREST, FOREST, np.nan, np.nan])
    np.testing.assert_allclose(cover.share, [0.25, 0.75, 1.0, 0.0, 0.0])


def test_a_raster_that_lies_elsewhere_is_refused(raster):
    run = _run([0])
    run.grid.lat[:] = [-40.5, -39.5]
    with pytest.raises(GridError, match="no pixel of the raster"):
        land_cover_of(raster, "lct", _sites([-80.9], [40.2]), run)


def test_a_grid_without_rows_is_refused(raster):
    with pytest.raises(ValidationError, match="need latitude and longitude"):
        land_cover_of(raster, None, _sites([-80.9], [40.2]), _run([0], ("lndgrid",)))
