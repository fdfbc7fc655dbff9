"""Paramfiles and maps made here, in the form of CTSM's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.parameters import PARAMETER_NAMES, PARAMETERS, clm5_defaults
from ctsm_socnn.parameters.ctsm_versions import resolve_version

STOCK = {
    "som_diffus": 1e-4 / (86400 * 365),
    "cryoturb_diffusion_k": 5e-4 / (86400 * 365),
    "q10": 1.5,
    "froz_q10": 1.5,
    "decomp_depth_efolding": 10.0,
    "tau_cwd": 3.33333325386047,
    "tau_l1": 0.0540540553629398,
    "tau_l2_l3": 0.204081624746323,
    "tau_s1": 0.136986300349236,
    "tau_s2": 5.0,
    "tau_s3": 222.222229003906,
    "rf_l1s1": 0.55,
    "rf_l2s1": 0.5,
    "rf_l3s2": 0.5,
    "rf_s2s1": 0.55,
    "rf_s2s3": 0.55,
    "rf_s3s1": 0.55,
    "rf_cwdl2": 0.0,
    "rf_cwdl3": 0.0,
    "cwd_fcel": 0.76,
    "cwd_flig": 0.24,
    "minpsi_hr": -2.0,
    "maxpsi_hr": -0.002,
}
"""CTSM's values by item."""

N_SITES = 5


def write_template(path: Path, version: str, *, allpfts: bool = False) -> Path:
    """A paramfile of that version: the soil scalars, a pft variable and attributes."""
    dimensions = ("allpfts",) if allpfts else ()
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as dataset:
        dataset.setncattr("history", "made for a test")
        dataset.createDimension("pft", 4)
        dataset.createDimension("allpfts", 1)
        for key, value in STOCK.items():
            name = resolve_version(version).item(key).variable
            variable = dataset.createVariable(name, "f8", dimensions)
            variable.setncattr("units", "1/year")
            variable[...] = value
        slatop = dataset.createVariable("slatop", "f8", ("pft",), fill_value=1e36)
        slatop[:] = np.array([0.0, 0.01, 1e36, 0.03])
        dataset.createDimension("variants", 2)
        rooting = dataset.createVariable("rootprof_beta", "f8", ("variants", "pft"))
        rooting[:] = np.array([[0.98] * 4, [0.976, 0.94, 0.95, 0.96]])
        for name, ratio in {"froot_leaf": 1.5, "croot_stem": 0.3}.items():
            dataset.createVariable(name, "f8", ("pft",))[:] = [0.0, ratio, ratio, 2.0 * ratio]
        names = dataset.createVariable("froz_flag", "i4", ("pft",))
        names[:] = [1, 2, 3, 4]
    return path


@pytest.fixture
def template(tmp_path: Path) -> Callable[..., Path]:
    def make(version: str = "ctsm5.4", *, allpfts: bool = False) -> Path:
        return write_template(tmp_path / f"params_{version}.nc", version, allpfts=allpfts)

    return make


@pytest.fixture
def values() -> np.ndarray:
    """An estimate inside the published bounds that no CTSM default equals."""
    chosen = np.array([0.7 * p.lower + 0.3 * p.upper for p in PARAMETERS])
    chosen[PARAMETER_NAMES.index("fs2s3")] = 0.02
    return chosen


@pytest.fixture
def maps() -> xr.Dataset:
    """Maps on three latitudes and four longitudes, different in every cell."""
    lat, lon = np.array([-30.0, 0.0, 40.0]), np.array([0.0, 90.0, 180.0, 270.0])
    share = (np.arange(12.0).reshape(3, 4) + 1.0) / 13.0
    data = {
        p.name: (("lat", "lon"), (1.0 - share) * max(p.lower, 1e-3 * p.upper) + share * p.upper)
        for p in PARAMETERS
    }
    dataset = xr.Dataset(data, coords={"lat": lat, "lon": lon})
    for p in PARAMETERS:
        dataset[p.name].attrs = {"units": p.units, "valid_min": p.lower, "valid_max": p.upper}
    dataset.attrs["turnover_time_convention"] = "unnormalised"
    return dataset


def write_surface(path: Path, lat: np.ndarray, lon: np.ndarray, land: np.ndarray) -> Path:
    """A surface dataset: coordinates and land fraction."""
    lon_2d, lat_2d = np.meshgrid(lon, lat)
    dims = ("lsmlat", "lsmlon")
    xr.Dataset(
        {
            "LATIXY": (dims, lat_2d),
            "LONGXY": (dims, lon_2d),
            "LANDFRAC_PFT": (dims, land.astype(float)),
            "PFTDATA_MASK": (dims, land.astype(np.int32)),
        }
    ).to_netcdf(path)
    return path


@pytest.fixture
def surface(tmp_path: Path, maps: xr.Dataset) -> Path:
    """The model grid of `maps`; its last column is ocean."""
    land = np.ones((3, 4), dtype=bool)
    land[:, 3] = False
    return write_surface(tmp_path / "surfdata.nc", maps["lat"].values, maps["lon"].values, land)


@pytest.fixture
def defaults() -> np.ndarray:
    return clm5_defaults()


@pytest.fixture
def sites() -> xr.Dataset:
    """Five temperate sites with a year of weather and sand that differ."""
    draw = np.random.default_rng(11)
    layered, monthly = ("site", "month", "layer"), ("site", "month")
    season = 8.0 * np.sin(2 * np.pi * (np.arange(12) - 3) / 12)
    warmth = 283.0 + season[None, :, None] + draw.normal(0, 3, (N_SITES, 1, 1)) + np.zeros(20)
    shape = (N_SITES, 12, 20)
    inputs = {
        f"{pool}_INPUT": (monthly, draw.uniform(2.0, 9.0, (N_SITES, 12)))
        for pool in ("CWD", "LITR1", "LITR2", "LITR3")
    }
    return xr.Dataset(
        {
            "TSOI": (layered, warmth),
            "W_SCALAR": (layered, draw.uniform(0.2, 0.95, shape)),
            "O_SCALAR": (layered, np.ones(shape)),
            "FPI_vr": (layered, np.ones(shape)),
            "ALTMAX": (monthly, np.full((N_SITES, 12), 8.0)),
            "ALTMAX_LASTYEAR": (monthly, np.full((N_SITES, 12), 8.0)),
            "nbedrock": ("site", np.full(N_SITES, 20)),
            "CELLSAND": (("site", "layer"), draw.uniform(10, 80, (N_SITES, 1)) + np.zeros(20)),
            **inputs,
            "lon": ("site", np.zeros(N_SITES)),
            "lat": ("site", np.zeros(N_SITES)),
            "soc": (("site", "obs"), np.ones((N_SITES, 1))),
            "soc_depth": (("site", "obs"), np.ones((N_SITES, 1))),
        }
    )
