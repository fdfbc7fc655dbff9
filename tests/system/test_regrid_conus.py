"""Maps on the real grid of the United States onto named grids, a SCRIP grid and a mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.parameters import PARAMETERS
from ctsm_socnn.regrid.grids import read_grid

pytestmark = pytest.mark.real_data

GRIDS = {
    "f09": ("f09", 1044),
    "f19": ("f19", 275),
    "T42": ("grids/scrip_T42.nc", 165),
    "mesh": ("ctsm_run/mesh.nc", 1),
}
"""Grid -> where it is, and the cells that the maps cover."""


@pytest.fixture
def maps(shared_data: Path, tmp_path: Path) -> Path:
    """Parameters that follow mean annual temperature, on the grid of the covariates."""
    with xr.open_dataset(shared_data / "data" / "conus" / "grid_covariates.nc") as file:
        temperature = file["BIO1"].load()
    share = (temperature - temperature.min()) / (temperature.max() - temperature.min())
    variables = {
        p.name: (p.lower + (p.upper - p.lower) * share).assign_attrs(
            units=p.units, valid_min=p.lower, valid_max=p.upper
        )
        for p in PARAMETERS
    }
    attributes = {"turnover_time_convention": "unnormalised"}
    xr.Dataset(variables, attrs=attributes).to_netcdf(tmp_path / "maps.nc")
    return tmp_path / "maps.nc"


@pytest.mark.parametrize("name", GRIDS)
def test_conus_maps_reach_every_kind_of_grid(
    name: str, shared_data: Path, maps: Path, tmp_path: Path
) -> None:
    where, covered = GRIDS[name]
    path = shared_data / "data" / where
    grid = str(path) if path.exists() else where
    output = tmp_path / "out.nc"
    assert main(["regrid", str(maps), "--to", grid, "-o", str(output), "--backend", "own"]) == 0
    with xr.open_dataset(output) as result:
        assert result["q10"].shape == read_grid(grid).shape
        assert result.attrs["cells_regridded"] == covered
        for p in PARAMETERS:
            values = result[p.name].values
            assert np.isfinite(values).all()
            assert p.lower <= values.min() <= values.max() <= p.upper
