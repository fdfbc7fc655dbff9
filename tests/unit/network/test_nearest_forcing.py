from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.network import nearest_forcing as module
from ctsm_socnn.network.folds import positions_km
from ctsm_socnn.network.nearest_forcing import NearestForcing
from ctsm_socnn.schemas import FORCING_DIMENSIONS, open_file

N_LAT, N_LON = 12, 60


@pytest.fixture
def climatology(sites: xr.Dataset) -> xr.Dataset:
    """Forcing on 720 cells, each of another temperature; every seventh lacks something."""
    some = np.arange(N_LAT * N_LON)
    grid = xr.Dataset(coords={"lat": 40.0 + np.arange(N_LAT), "lon": 1.0 * np.arange(N_LON)})
    for name, dimensions in FORCING_DIMENSIONS.items():
        values = np.moveaxis(sites[name].values[some % 40].astype(np.float32), 0, -1)
        shaped = values.reshape(*values.shape[:-1], N_LAT, N_LON)
        grid[name] = ((*dimensions[1:], "lat", "lon"), shaped)
    grid["TSOI"] = grid["TSOI"] + 0.01 * some.reshape(N_LAT, N_LON).astype(np.float32)
    grid["FPI_vr"][0, 0] = grid["FPI_vr"][0, 0].where(some.reshape(N_LAT, N_LON) % 7 > 0)
    return grid


def as_cells(grid: xr.Dataset) -> xr.Dataset:
    return grid.stack(site=("lat", "lon"), create_index=False).transpose("site", ...)


def at_all_cells(forcing: NearestForcing, grid: xr.Dataset) -> dict[str, np.ndarray]:
    found = forcing.at(positions_km(as_cells(grid)))
    return {name: values for name, (_, values) in found.items()}


def test_a_cell_that_has_all_keeps_its_own_and_others_take_a_neighbour_s(
    climatology: xr.Dataset,
) -> None:
    found = at_all_cells(NearestForcing(climatology), climatology)
    cells = as_cells(climatology)
    own = np.arange(N_LAT * N_LON) % 7 > 0
    for name in FORCING_DIMENSIONS:
        np.testing.assert_array_equal(found[name][own], cells[name].values[own])
        assert np.isfinite(found[name]).all()


def test_forcing_reaches_a_hundred_kilometres(climatology: xr.Dataset) -> None:
    """South of the grid 0.85 degrees of latitude are 95 km, 0.95 are 106 km."""
    place = {"lat": ("site", [39.15, 39.05]), "lon": ("site", [1.0, 1.0])}
    _, found = NearestForcing(climatology).at(positions_km(xr.Dataset(place)))["TSOI"]
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


def test_forcing_without_sand_is_forcing(climatology: xr.Dataset) -> None:
    expected = at_all_cells(NearestForcing(climatology), climatology)["TSOI"]
    climatology["CELLSAND"] = climatology["CELLSAND"] * np.nan
    found = at_all_cells(NearestForcing(climatology), climatology)
    np.testing.assert_array_equal(found["TSOI"], expected)
    assert np.isnan(found["CELLSAND"]).all()


def test_what_is_read_at_a_time_does_not_change_the_forcing(
    climatology: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = at_all_cells(NearestForcing(climatology), climatology)
    climatology.to_netcdf(tmp_path / "forcing.nc")
    for cells in (25, 100):
        monkeypatch.setattr(module, "_CELLS_HELD", cells)
        with open_file(tmp_path / "forcing.nc", load=False) as file:
            found = at_all_cells(NearestForcing(file), climatology)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)


def test_forcing_in_a_file_does_not_fill_the_memory(
    climatology: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    climatology.to_netcdf(tmp_path / "forcing.nc")
    monkeypatch.setattr(module, "_CELLS_HELD", 30)
    positions = positions_km(as_cells(climatology))
    tracemalloc.start()
    with open_file(tmp_path / "forcing.nc", load=False) as file:
        forcing = NearestForcing(file)
        for start in range(0, len(positions), 30):
            forcing.at(positions[start : start + 30])
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < climatology.nbytes / 3
