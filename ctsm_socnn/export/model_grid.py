"""Compares the cells of a map with those of the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ctsm_socnn.errors import ExportError
from ctsm_socnn.regrid.geometry import unit_vectors
from ctsm_socnn.regrid.grid_files import read_grid_file

__all__ = ["MapGrid", "fill_outside_land", "map_grid", "require_same_cells", "same_cells"]

_SAME: Final = 1e-3
"""Degrees within which two cell centres are the same; surface datasets may be single precision."""


@dataclass(frozen=True)
class MapGrid:
    """Cell centres and land of a map.

    Attributes
    ----------
    lat, lon : ndarray, shape (lat, lon) or (cell,), degrees
    land : ndarray of bool, same shape
        Where values must be.
    """

    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    land: NDArray[np.bool_]

    @property
    def ctsm_dims(self) -> tuple[str, ...]:
        """Names of the dimensions that CTSM's reader knows."""
        return ("lsmlat", "lsmlon") if self.land.ndim == 2 else ("gridcell",)


def map_grid(maps: xr.Dataset, name: str) -> MapGrid:
    """Cells of the maps, all of them taken for land.

    Parameters
    ----------
    maps : xarray.Dataset
        With coordinates `lat` and `lon` in degrees, on the dimensions of the maps.
    name : str
        The map that stands for all.

    Raises
    ------
    ExportError
        If there are no coordinates, or the dimensions are not lat-lon or a list of cells.
    """
    array = maps[name]
    if "lat" not in maps.variables or "lon" not in maps.variables:
        raise ExportError("parameter maps: the coordinates lat and lon are missing")
    if array.ndim not in (1, 2):
        raise ExportError(
            f"parameter maps: {name} has dimensions {array.dims}; (lat, lon) or (cell,) is needed"
        )
    like = xr.zeros_like(array, dtype=np.float64).reset_coords(drop=True)
    lat = (like + maps["lat"].reset_coords(drop=True)).transpose(*array.dims)
    lon = (like + maps["lon"].reset_coords(drop=True)).transpose(*array.dims)
    if array.dims == ("lon", "lat"):
        raise ExportError(
            f"parameter maps: {name} has dimensions (lon, lat); CTSM reads longitude fastest, "
            "so transpose the maps to (lat, lon)"
        )
    return MapGrid(
        np.asarray(lat.values, dtype=np.float64),
        np.asarray(lon.values, dtype=np.float64) % 360.0,
        np.ones(array.shape, dtype=bool),
    )


def require_same_cells(grid: MapGrid, model_grid: Path) -> MapGrid:
    """Refuse maps that do not lie on the model's cells; take over the model's land.

    Parameters
    ----------
    grid : MapGrid
    model_grid : Path
        Surface dataset, mesh or domain file of the case.

    Returns
    -------
    MapGrid
        With the model's land.

    Raises
    ------
    ExportError
        Saying whether the maps are of another size, flipped, shifted or transposed.
    """
    model = read_grid_file(model_grid)
    lon, lat = (np.asarray(axis) for axis in model.centres())
    if grid.land.size != model.size:
        raise ExportError(
            f"parameter maps have {grid.land.size} cells {grid.land.shape}, but {model_grid} has "
            f"{model.size} {model.shape}; regrid the maps to the grid of the case"
        )
    if not same_cells(grid.lat.ravel(), grid.lon.ravel(), lat, lon):
        raise ExportError(
            f"parameter maps are not on the cells of {model_grid}: {_difference(grid, lat, lon)}"
        )
    return replace(grid, land=np.asarray(model.mask, dtype=bool).reshape(grid.land.shape))


def same_cells(
    lat: NDArray[np.float64],
    lon: NDArray[np.float64],
    model_lat: NDArray[np.float64],
    model_lon: NDArray[np.float64],
) -> bool:
    """Whether cell centres, each of shape (cell,) and in degrees, are the same one by one."""
    turn = (lon - model_lon + 180.0) % 360.0 - 180.0
    at_pole = np.abs(np.abs(model_lat) - 90.0) < _SAME
    apart = np.where(at_pole, 0.0, np.abs(turn))
    return bool((np.abs(lat - model_lat) < _SAME).all() and (apart < _SAME).all())


def _difference(
    grid: MapGrid, model_lat: NDArray[np.float64], model_lon: NDArray[np.float64]
) -> str:
    arrangements = {
        "latitudes run the other way": (grid.lat[::-1], grid.lon[::-1]),
        "rows and columns are exchanged": (grid.lat.T, grid.lon.T),
    }
    if grid.land.ndim == 2:
        half = grid.land.shape[1] // 2
        arrangements["longitudes start half a turn away"] = (
            np.roll(grid.lat, half, axis=1),
            np.roll(grid.lon, half, axis=1),
        )
    for words, (lat, lon) in arrangements.items():
        if same_cells(lat.ravel(), lon.ravel(), model_lat, model_lon):
            return words
    lat, lon = grid.lat.ravel(), grid.lon.ravel()
    apart = np.linalg.norm(unit_vectors(lon, lat) - unit_vectors(model_lon, model_lat), axis=1)
    worst = int(np.argmax(apart))
    return (
        f"cell {worst} lies at lat {lat[worst]:g}, lon {lon[worst]:g} in "
        f"the maps and at lat {model_lat[worst]:g}, lon {model_lon[worst]:g} in the model"
    )


def fill_outside_land(
    values: NDArray[np.float64], missing: NDArray[np.bool_], grid: MapGrid
) -> NDArray[np.float64]:
    """Give cells without a value that of the nearest cell with one.

    CTSM never uses them, unless its land mask differs from ours in a coastal cell; a plausible
    value is safer there than a fill value.
    """
    if not missing.any():
        return values
    points = unit_vectors(grid.lon.ravel(), grid.lat.ravel())
    holes = missing.ravel()
    nearest = KDTree(points[~holes]).query(points[holes])[1]
    filled = values.ravel().copy()
    filled[holes] = values.ravel()[~holes][nearest]
    return filled.reshape(values.shape)
