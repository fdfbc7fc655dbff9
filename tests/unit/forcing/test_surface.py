from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import GridError
from ctsm_socnn.forcing import read_climatology
from ctsm_socnn.forcing.surface import bedrock_layer, surface_level
from ctsm_socnn.model import SOIL_GRID


@pytest.mark.parametrize(
    ("depth", "layer"),
    [(0.1, 6), (0.4, 6), (0.9, 8), (1.2, 9), (2.0, 12), (3.0, 14), (10.0, 20), (50.0, 20)],
)
def test_bedrock_lies_in_the_layer_that_holds_its_depth(depth, layer):
    assert bedrock_layer(np.array([depth]))[0] == layer


CLM4_NODES = [0.0071, 0.0279, 0.0623, 0.1189, 0.2122, 0.3661, 0.6198, 1.0380, 1.7276, 2.8646]
"""m; Oleson et al. (2010), Technical description of version 4.0 of CLM."""


def test_layer_takes_the_surface_level_whose_node_is_nearest():
    apart = np.abs(SOIL_GRID.node_depth[:, np.newaxis] - CLM4_NODES)
    np.testing.assert_array_equal(surface_level(), apart.argmin(axis=1))


def surface_file(path, lon):
    """Surface dataset of the 2 x 3 cells of the history: sand of level k, from 0, is 10 k percent."""
    lat, lon = np.meshgrid([40.0, 41.0], lon, indexing="ij")
    sand = np.broadcast_to(10.0 * np.arange(10)[:, np.newaxis, np.newaxis], (10, 2, 3))
    cells = ("lsmlat", "lsmlon")
    xr.Dataset(
        {
            "LATIXY": (cells, lat),
            "LONGXY": (cells, lon),
            "PCT_SAND": (("nlevsoi", *cells), sand, {"units": "unitless"}),
            "zbedrock": (cells, np.full((2, 3), 2.0)),
        }
    ).to_netcdf(path)
    return path


@pytest.mark.parametrize("lon", [[280.0, 281.0, 282.0], [-80.0, -79.0, -78.0]])
def test_surface_dataset_gives_sand_and_bedrock_in_either_longitude(history_file, tmp_path, lon):
    history = history_file(edit=lambda dataset: dataset.drop_vars(["CELLSAND", "nbedrock"]))
    surface = surface_file(tmp_path / "surfdata.nc", lon)
    climatology = read_climatology([history], surface=surface)
    np.testing.assert_array_equal(climatology["CELLSAND"][:, 0, 0], 10.0 * surface_level())
    assert climatology["nbedrock"][0, 0] == bedrock_layer(np.array([2.0]))[0]


def test_surface_dataset_of_other_cells_is_refused(history_file, tmp_path):
    history = history_file(edit=lambda dataset: dataset.drop_vars("CELLSAND"))
    surface = surface_file(tmp_path / "surfdata.nc", [285.0, 286.0, 287.0])
    with pytest.raises(GridError, match=r"LONGXY and LATIXY differ .* by up to 5 degrees"):
        read_climatology([history], surface=surface)
