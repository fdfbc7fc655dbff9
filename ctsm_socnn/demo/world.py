"""The twin world: all the files that a user would provide, with the truth beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.demo.geography import EAST, NORTH, SOUTH, WEST, Geography, Place
from ctsm_socnn.demo.history import write_history
from ctsm_socnn.demo.model_run import ModelRun, forcing_dataset, simulate
from ctsm_socnn.demo.paramfile import write_paramfile_clm50, write_paramfile_ctsm54
from ctsm_socnn.demo.profiles import COLUMNS, measured_table
from ctsm_socnn.demo.truth import true_parameters
from ctsm_socnn.netcdf import atomic_output, write_ctsm_input, write_dataset
from ctsm_socnn.parameters import PARAMETERS, TurnoverConvention
from ctsm_socnn.provenance import provenance_attributes

__all__ = ["CONFIGURATION", "TRUTH", "make_twin_world"]

Array = NDArray[np.float64]

CONFIGURATION: Final = "twin.toml"
TRUTH: Final = "truth.nc"

_N_LAT, _N_LON = 12, 16
_COVARIATE_REFINEMENT: Final = 2
_YEARS: Final = range(2001, 2003)
_SCATTER: Final = 0.2
_NOISE: Final = 0.25
_N_SURFACE_LEVELS: Final = 10


@dataclass(frozen=True)
class _Grid:
    """Cell centres of a regular grid over the region, degrees."""

    lat: Array
    lon: Array

    @classmethod
    def over_region(cls, refinement: int) -> _Grid:
        return cls(
            lat=_centres(SOUTH, NORTH, _N_LAT * refinement),
            lon=_centres(WEST, EAST, _N_LON * refinement),
        )

    def mesh(self) -> tuple[Array, Array]:
        """Longitude and latitude of each cell, shape (lat, lon)."""
        lon, lat = np.meshgrid(self.lon, self.lat)
        return lon, lat

    def places(self, geography: Geography) -> Place:
        """Fields at all cells, flattened row by row."""
        lon, lat = self.mesh()
        return geography.at(lon.ravel(), lat.ravel())

    def nearest(self, lon: Array, lat: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of the cells that hold places of the region."""
        rows = (lat - SOUTH) / (NORTH - SOUTH) * self.lat.size
        columns = (lon - WEST) / (EAST - WEST) * self.lon.size
        return rows.astype(np.int64), columns.astype(np.int64)


def make_twin_world(directory: str | Path, seed: int, n_profiles: int) -> Path:
    """Write history, paramfiles, surface dataset, covariates, profiles and a configuration.

    Parameters
    ----------
    directory : Path
        Existing directory; nothing in it is replaced.
    seed : int
        The same seed gives the same world.
    n_profiles : int
        Profiles on land; a few more lie in the sea or hold impossible values, as in real tables.

    Returns
    -------
    Path
        The configuration for `ctsm-socnn build-params`.

    Raises
    ------
    FileError
        If the directory is missing or read-only, or a file exists.
    """
    directory = Path(directory)
    geography = Geography(seed)
    grid, fine = _Grid.over_region(1), _Grid.over_region(_COVARIATE_REFINEMENT)
    on_grid = grid.places(geography)
    mask = on_grid.land.reshape(grid.lat.size, grid.lon.size)
    run = simulate(_only_land(on_grid))
    history = directory / "history"
    history.mkdir(exist_ok=True)
    write_history(history, run, mask, grid.lat, grid.lon, _YEARS)
    write_paramfile_clm50(directory / "clm50_params.nc")
    write_paramfile_ctsm54(directory / "ctsm54_params.nc")
    write_ctsm_input(_surface(grid, on_grid), directory / "surfdata.nc")
    covariates = _covariates(fine, fine.places(geography))
    covariates.attrs = provenance_attributes(seed=seed)
    write_dataset(covariates, directory / "covariates.nc")
    truth = _truth(fine, fine.places(geography), seed).assign_attrs(profiles=n_profiles)
    write_dataset(truth, directory / TRUTH)
    table = _profiles(geography, run, grid, mask, fine, n_profiles, seed)
    with atomic_output(directory / "profiles.csv") as temporary:
        table.to_csv(temporary, index=False)
    with atomic_output(directory / CONFIGURATION) as temporary:
        temporary.write_text(_configuration(seed), encoding="utf-8")
    return directory / CONFIGURATION


def _centres(lower: float, upper: float, size: int) -> Array:
    edges = np.linspace(lower, upper, size + 1)
    return np.asarray(0.5 * (edges[:-1] + edges[1:]))


def _only_land(place: Place) -> Place:
    return Place(**{name: values[place.land] for name, values in vars(place).items()})


def _profiles(
    geography: Geography,
    run: ModelRun,
    grid: _Grid,
    mask: NDArray[np.bool_],
    fine: _Grid,
    n_profiles: int,
    seed: int,
) -> pd.DataFrame:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    lon, lat = _places_on_land(grid, mask, n_profiles, rng)
    rows, columns = grid.nearest(lon, lat)
    cell = (np.cumsum(mask).reshape(mask.shape) - 1)[rows, columns]
    fine_rows, fine_columns = fine.nearest(lon, lat)
    # Soils are known by the map only: the truth of a profile is that of its covariate cell.
    place = geography.at(fine.lon[fine_columns], fine.lat[fine_rows])
    parameters = true_parameters(place, rng, _SCATTER)
    forcing = forcing_dataset(run).isel(site=cell)
    forcing = forcing.assign(
        profile_id=("site", np.array([f"twin{i:04d}" for i in range(n_profiles)])),
        lon=("site", lon),
        lat=("site", lat),
    )
    table = measured_table(forcing, parameters, _NOISE, rng)
    return pd.concat([table, _flawed_profiles()], ignore_index=True)


def _places_on_land(
    grid: _Grid, mask: NDArray[np.bool_], n_profiles: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Random places whose model cell is land, in degrees to four digits."""
    lon = np.round(rng.uniform(WEST + 1e-3, EAST - 1e-3, 4 * n_profiles), 4)
    lat = np.round(rng.uniform(SOUTH + 1e-3, NORTH - 1e-3, 4 * n_profiles), 4)
    on_land = np.flatnonzero(mask[grid.nearest(lon, lat)])[:n_profiles]
    return lon[on_land], lat[on_land]


def _flawed_profiles() -> pd.DataFrame:
    """Make rows as real tables hold them too: a place in the sea, carbon below zero, layers upside down."""
    at_sea = ("at_sea", EAST + 9.0, 44.0, 0.0, 10.0, 20.0, 1.2, 0.0)
    negative = ("negative", 260.0, 44.0, 0.0, 10.0, -3.0, 1.2, 0.0)
    upside_down = ("upside_down", 261.0, 44.0, 10.0, 0.0, 20.0, 1.2, 0.0)
    return pd.DataFrame([at_sea, negative, upside_down], columns=list(COLUMNS))


def _covariates(fine: _Grid, place: Place) -> xr.Dataset:
    fields = {
        "temperature": (place.temperature, "degC", "annual mean air temperature"),
        "temperature_range": (place.temperature_range, "K", "half the annual range"),
        "precipitation": (place.precipitation, "mm yr-1", "annual precipitation"),
        "elevation": (place.elevation, "m", "height above the sea"),
        "npp": (place.npp, "gC m-2 yr-1", "net primary production"),
        "clay": (place.clay, "percent", "clay content"),
        "sand": (place.sand, "percent", "sand content"),
        "ph": (place.ph, "1", "pH in water"),
        "soil_depth": (place.soil_depth, "m", "depth to bedrock"),
        "land_cover": (
            place.land_cover.astype(float),
            "1",
            "1 grass, 2 broad-leaved forest, 3 needle-leaved forest, 4 shrubs",
        ),
    }
    shape = (fine.lat.size, fine.lon.size)
    variables = {
        f"cov_{name}": (
            ("lat", "lon"),
            np.where(place.land, values, np.nan).reshape(shape),
            {"units": units, "long_name": meaning},
        )
        for name, (values, units, meaning) in fields.items()
    }
    return xr.Dataset(variables, coords=_coordinates(fine))


def _truth(fine: _Grid, place: Place, seed: int) -> xr.Dataset:
    """Map the true parameters, without the scatter that no covariate tells."""
    values = true_parameters(place, np.random.default_rng(seed), scatter=0.0)
    shape = (fine.lat.size, fine.lon.size)
    variables = {
        p.name: (
            ("lat", "lon"),
            np.where(place.land, values[:, index], np.nan).reshape(shape),
            {"units": p.units, "long_name": p.meaning, "valid_min": p.lower, "valid_max": p.upper},
        )
        for index, p in enumerate(PARAMETERS)
    }
    attributes = provenance_attributes(seed=seed)
    attributes["turnover_time_convention"] = str(TurnoverConvention.UNNORMALISED)
    return xr.Dataset(variables, coords=_coordinates(fine), attrs=attributes)


def _coordinates(grid: _Grid) -> dict[str, tuple[str, Array, dict[str, str]]]:
    return {
        "lat": ("lat", grid.lat, {"units": "degrees_north"}),
        "lon": ("lon", grid.lon, {"units": "degrees_east"}),
    }


def _surface(grid: _Grid, place: Place) -> xr.Dataset:
    lon, lat = grid.mesh()
    plane = ("lsmlat", "lsmlon")
    sand, clay, depth = (
        values.reshape(lon.shape) for values in (place.sand, place.clay, place.soil_depth)
    )
    land = place.land.reshape(lon.shape)
    levels = ("nlevsoi", *plane)
    return xr.Dataset(
        {
            "LONGXY": (plane, lon, {"units": "degrees east", "long_name": "longitude"}),
            "LATIXY": (plane, lat, {"units": "degrees north", "long_name": "latitude"}),
            "LANDFRAC_PFT": (plane, land.astype(float), {"units": "unitless"}),
            "PFTDATA_MASK": (plane, land.astype(np.int32), {"units": "unitless"}),
            "zbedrock": (plane, depth, {"units": "m", "long_name": "soil depth"}),
            "PCT_SAND": (levels, np.stack([sand] * _N_SURFACE_LEVELS), {"units": "unitless"}),
            "PCT_CLAY": (levels, np.stack([clay] * _N_SURFACE_LEVELS), {"units": "unitless"}),
        }
    )


def _configuration(seed: int) -> str:
    return f"""\
# The twin world of ctsm-socnn: a made-up region, with its true parameters in truth.nc.
#
#   ctsm-socnn build-params {CONFIGURATION} -o OUTPUT

seed = {seed}

[forcing]
history = ["history/twin.clm2.h0a.*.nc"]
surface = "surfdata.nc"

[profiles]
file = "profiles.csv"

[profiles.columns]
profile_id = "profile_id"
lon = "lon [degrees]"
lat = "lat [degrees]"
top = "top_cm [cm]"
bottom = "bottom_cm [cm]"
oc = "oc_g_per_kg [g/kg]"
bulk_density = "bulk_density_g_per_cm3 [g/cm3]"
coarse_fragments = "coarse_fragments_percent [%]"

[covariates]
file = "covariates.nc"
categorical = ["cov_land_cover"]

[network]
members = 2          # fewer than usual, to save time

[grid]
target = "surfdata.nc"

[[case]]
name = "twin_clm50"
version = "release-clm5.0"
paramfile = "clm50_params.nc"

[[case]]
name = "twin_ctsm54"
version = "ctsm5.4"
paramfile = "ctsm54_params.nc"
"""
