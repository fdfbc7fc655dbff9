"""Grids, reference pairs and maps that the regridding tests share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy import sparse

from ctsm_socnn.parameters import PARAMETERS
from ctsm_socnn.regrid.esmf import esmpy_problem
from ctsm_socnn.regrid.geometry import Grid, rectilinear_grid


@dataclass(frozen=True)
class GoldenPair:
    """A grid pair of the ESMPy reference file."""

    path: Path
    name: str
    source: Grid
    target: Grid
    field: np.ndarray

    def method(self, name: str) -> tuple[sparse.csr_array, xr.Dataset]:
        """Reference weights, shape (target, source), and the group that they stand in."""
        with xr.open_dataset(self.path, group=f"{self.name}/{name}") as group:
            loaded = group.load()
        entries = (loaded["row"].values - 1, loaded["col"].values - 1)
        shape = (self.target.size, self.source.size)
        return sparse.csr_array((loaded["S"].values, entries), shape=shape), loaded


def _side(group: xr.Dataset, side: str) -> Grid:
    lon, lat = group[f"{side}_lon_edges"].values, group[f"{side}_lat_edges"].values
    return rectilinear_grid(
        side,
        group[f"{side}_lon"].values,
        group[f"{side}_lat"].values,
        lon_bounds=np.stack([lon[:-1], lon[1:]], axis=1),
        lat_bounds=np.stack([lat[:-1], lat[1:]], axis=1),
        mask=group[f"{side}_mask"].values,
    )


@pytest.fixture
def golden(shared_data: Path) -> Callable[[str], GoldenPair]:
    path = shared_data / "golden" / "regrid_esmpy.nc"

    def pair(name: str) -> GoldenPair:
        with xr.open_dataset(path, group=name) as group:
            loaded = group.load()
        field = loaded["src_field"].values.ravel()
        return GoldenPair(path, name, _side(loaded, "src"), _side(loaded, "dst"), field)

    return pair


@pytest.fixture(autouse=True)
def _esmpy_where_needed(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("esmf") and (problem := esmpy_problem()):
        pytest.skip(f"needs ESMPy, which cannot be imported: {problem}")


@pytest.fixture
def two_degrees() -> Grid:
    """The globe in 2-degree boxes, all land."""
    return rectilinear_grid("2 degrees", np.arange(1.0, 360.0, 2.0), np.arange(-89.0, 90.0, 2.0))


@pytest.fixture
def region_maps() -> xr.Dataset:
    """All parameters with spread and flag on 20..50 N, 240..290 E; a corner of it has no data."""
    lat, lon = np.arange(20.25, 50.0, 0.5), np.arange(240.25, 290.0, 0.5)
    rng = np.random.default_rng(5)
    missing = (lat[:, None] > 45.0) & (lon > 280.0)
    variables: dict[str, object] = {}
    for p in PARAMETERS:
        values = p.lower + (p.upper - p.lower) * rng.random((lat.size, lon.size))
        values[missing] = np.nan
        attributes = {"units": p.units, "valid_min": p.lower, "valid_max": p.upper}
        variables[p.name] = (("lat", "lon"), values, attributes)
        variables[f"{p.name}_sd"] = (("lat", "lon"), 0.1 * values, {"units": p.units})
    flag = (rng.random((lat.size, lon.size)) < 0.3).astype(np.int8)
    variables["extrapolated"] = (("lat", "lon"), flag)
    return xr.Dataset(
        variables,
        coords={"lat": lat, "lon": lon},
        attrs={"turnover_time_convention": "unnormalised", "seed": "5"},
    )
