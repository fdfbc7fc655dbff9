"""From profiles of the United States to maps on named grids, a SCRIP grid and a mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.forcing import read_climatology
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.observations import build_sites, open_covariates, read_profiles
from ctsm_socnn.parameters import PARAMETERS
from ctsm_socnn.regrid.grids import read_grid

pytestmark = pytest.mark.real_data

COLUMNS = {
    "top": "upper_cm [cm]",
    "bottom": "lower_cm [cm]",
    "oc": "oc_g_per_kg [g/kg]",
    "bulk_density": "bulk_density_g_cm3 [g/cm3]",
}

GRIDS = {
    "f09": ("f09", 1044),
    "f19": ("f19", 275),
    "T42": ("grids/scrip_T42.nc", 165),
    "mesh": ("ctsm_run/mesh.nc", 1),
}
"""Grid -> where it is, and the cells that the maps cover."""


@pytest.fixture(scope="module")
def maps(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Maps of a network that has hardly learnt, from some of the profiles."""
    data, directory = shared_data / "data" / "conus", tmp_path_factory.mktemp("conus")
    table = pd.read_csv(data / "profiles.csv.gz", low_memory=False)
    some = table["profile_id"].isin(table["profile_id"].unique()[::60])
    table[some].to_csv(directory / "profiles.csv", index=False)
    sites, _ = build_sites(
        read_climatology([data / "conus.clm2.h0.climo.nc"]),
        read_profiles(directory / "profiles.csv", "generic", COLUMNS),
        open_covariates(data / "grid_covariates.nc"),
        categorical=["igbp"],
    )
    write_dataset(sites, directory / "sites.nc")
    model, output = str(directory / "model"), directory / "maps.nc"
    few = ["--members", "1", "--epochs", "2", "--no-forcing-summaries"]
    train = ["train", str(directory / "sites.nc"), "--method", "end-to-end", "-o", model, *few]
    assert main(train) == 0
    assert main(["predict", model, str(data / "grid_covariates.nc"), "-o", str(output)]) == 0
    return output


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
