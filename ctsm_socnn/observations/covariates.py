"""Covariates on a grid: opened once, read in the same way for sites and maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ConfigError, GridError
from ctsm_socnn.observations.nearest import nearest_cell
from ctsm_socnn.observations.tables import read_table
from ctsm_socnn.schemas import COVARIATE_PREFIX, covariate_names, matches_covariate, open_file

__all__ = ["MISSING_RULES", "MissingRule", "covariates_at", "open_covariates"]

MissingRule = Literal["drop", "nearest", "median"]
MISSING_RULES: Final[tuple[MissingRule, ...]] = ("drop", "nearest", "median")
"""What to do about a site without a covariate: leave it out, take the nearest cell that has it, or
take the median over all cells (the most frequent class, where it is one)."""


def open_covariates(path: str | Path, names: Sequence[str] | None = None) -> xr.Dataset:
    """Open covariates on a grid.

    Parameters
    ----------
    path : str or Path
        netCDF file with variables on `lat, lon` in either order, or on one dimension with
        `lat` and `lon` along it; or a text table with columns `lon`, `lat` and one per covariate.
    names : sequence of str, optional
        Covariates to take, with or without the prefix `cov_`; by default all on the grid.

    Returns
    -------
    xarray.Dataset
        The covariates, prefixed with `cov_`.

    Raises
    ------
    FileError, GridError, ConfigError
    """
    path = Path(path)
    grid = open_file(path) if path.suffix == ".nc" else _table_of_points(path)
    dims = _grid_dimensions(grid, path)
    on_grid = {
        str(name).removeprefix(COVARIATE_PREFIX): name
        for name in grid.data_vars
        if set(grid[name].dims) == set(dims) and name not in ("lat", "lon", "landmask")
    }
    wanted = list(on_grid) if names is None else [n.removeprefix(COVARIATE_PREFIX) for n in names]
    unknown = sorted(set(wanted) - set(on_grid))
    if unknown or not wanted:
        raise ConfigError(
            f"{path} has no covariate {', '.join(unknown)} on {dims}; it has {', '.join(on_grid)}"
        )
    chosen = {COVARIATE_PREFIX + name: grid[on_grid[name]].transpose(*dims) for name in wanted}
    return xr.Dataset(chosen, {"lat": grid["lat"], "lon": grid["lon"]})


def covariates_at(
    covariates: xr.Dataset,
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
    *,
    missing: MissingRule = "drop",
    categorical: Sequence[str] = (),
) -> tuple[xr.Dataset, dict[str, int]]:
    """Values at the nearest cell that holds any covariate.

    Parameters
    ----------
    covariates : xarray.Dataset
        From `open_covariates`.
    lon, lat : ndarray, shape (site,), degrees
    missing : {"drop", "nearest", "median"}
        With "drop" missing values stay NaN, for the caller to leave the site out.
    categorical : sequence of str
        Shell patterns of covariates that are classes, for which no median exists; those with an
        attribute `categorical` of 1 are known already. All get that attribute.

    Returns
    -------
    xarray.Dataset
        Covariates on `site`.
    dict of str to int
        Sites at which each covariate was missing, those with none left out.

    Raises
    ------
    ConfigError
        If the rule is unknown, or no covariate is of a name that is said to be a class.
    GridError
        If no cell holds any covariate.
    """
    if missing not in MISSING_RULES:
        raise ConfigError(f"rule {missing!r} is unknown; choose from {', '.join(MISSING_RULES)}")
    names = covariate_names(covariates)
    classes = _classes(covariates, names, categorical)
    cell_lon, cell_lat = _cell_centres(covariates)
    fields = np.stack(
        [np.asarray(covariates[name].values, dtype=np.float64).ravel() for name in names]
    )
    held = _holds_any(covariates, names, fields)
    if not held.any():
        raise GridError(f"no cell holds any of the covariates {', '.join(names)}")
    cell, _ = nearest_cell(lon, lat, cell_lon[held], cell_lat[held])
    values = fields[:, held][:, cell]
    absent = np.isnan(values)
    if missing == "median":
        for row, name in enumerate(names):
            values[row, absent[row]] = _typical(fields[row], name in classes)
    elif missing == "nearest":
        for row in range(len(names)):
            gap = absent[row]
            values[row, gap] = _nearest_value(fields[row], cell_lon, cell_lat, lon[gap], lat[gap])
    at_sites = {
        name: (
            "site",
            values[row],
            covariates[name].attrs | ({"categorical": 1} if name in classes else {}),
        )
        for row, name in enumerate(names)
    }
    counts = {name: int(absent[row].sum()) for row, name in enumerate(names) if absent[row].any()}
    return xr.Dataset(at_sites), counts


def _table_of_points(path: Path) -> xr.Dataset:
    """Read a table with a row a place; what is no number is missing."""
    table = read_table(path).apply(pd.to_numeric, errors="coerce").astype(np.float64)
    placed = table.dropna(subset=[name for name in ("lon", "lat") if name in table])
    return xr.Dataset({name: ("cell", placed[name].to_numpy()) for name in placed.columns})


def _holds_any(
    covariates: xr.Dataset, names: Sequence[str], fields: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Cells with a covariate; integers, which cannot be missing, do not count beside others."""
    telling = np.array([covariates[name].dtype.kind == "f" for name in names])
    chosen = fields[telling] if telling.any() else fields
    return np.asarray(np.isfinite(chosen).any(axis=0))


def _classes(covariates: xr.Dataset, names: Sequence[str], categorical: Sequence[str]) -> set[str]:
    """Names of the covariates that are classes, declared here or by the file."""
    for pattern in categorical:
        if not any(matches_covariate(name, [pattern]) for name in names):
            known = ", ".join(name.removeprefix(COVARIATE_PREFIX) for name in names)
            raise ConfigError(f"categorical: no covariate is named {pattern}; there are {known}")
    return {
        name
        for name in names
        if matches_covariate(name, categorical) or covariates[name].attrs.get("categorical")
    }


def _typical(field: NDArray[np.float64], is_class: bool) -> float:
    """Median, or the most frequent class; NaN if nothing is known."""
    known = field[np.isfinite(field)]
    if known.size == 0:
        return np.nan
    if not is_class:
        return float(np.median(known))
    classes, counts = np.unique(known, return_counts=True)
    return float(classes[counts.argmax()])


def _nearest_value(
    field: NDArray[np.float64],
    cell_lon: NDArray[np.float64],
    cell_lat: NDArray[np.float64],
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Value of the nearest cell that has one; NaN if none has."""
    known = np.isfinite(field)
    if lon.size == 0 or not known.any():
        return np.full(lon.size, np.nan)
    cell, _ = nearest_cell(lon, lat, cell_lon[known], cell_lat[known])
    return np.asarray(field[known][cell])


def _grid_dimensions(grid: xr.Dataset, path: Path) -> tuple[str, ...]:
    if {"lat", "lon"} <= set(grid.variables) and grid["lat"].ndim == grid["lon"].ndim == 1:
        dims = (str(grid["lat"].dims[0]), str(grid["lon"].dims[0]))
        return dims if dims[0] != dims[1] else dims[:1]
    raise GridError(
        f"{path} needs one-dimensional coordinates lat and lon; found "
        f"{', '.join(map(str, grid.variables))}"
    )


def _cell_centres(covariates: xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lat, lon = covariates["lat"], covariates["lon"]
    if lat.dims == lon.dims:
        return lon.values, lat.values
    spread_lon, spread_lat = np.meshgrid(lon.values, lat.values)
    return spread_lon.ravel(), spread_lat.ravel()
