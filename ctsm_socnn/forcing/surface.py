"""Sand and bedrock from a CLM surface dataset, for history that does not hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import netCDF4
import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import ForcingError, GridError
from ctsm_socnn.forcing.land_grid import LandGrid
from ctsm_socnn.forcing.months import open_history, stored_values
from ctsm_socnn.model import SOIL_GRID

__all__ = ["bedrock_layer", "read_surface_bedrock", "read_surface_sand", "surface_level"]

_LEAST_BEDROCK_LAYER: Final = 6
"""CLM sets bedrock no shallower than 0.4 m (`zmin_bedrock`), which lies in layer 6."""

_N_SURFACE_LEVELS: Final = 10
_COORDINATE_TOLERANCE: Final = 1e-3


def bedrock_layer(depth: NDArray[np.float64]) -> NDArray[np.int64]:
    """Layer in which bedrock begins, as initVerticalMod finds it.

    Parameters
    ----------
    depth : ndarray, m
        `zbedrock` of the surface dataset.

    Returns
    -------
    ndarray of int
        `nbedrock`, from 1.
    """
    layer = np.searchsorted(SOIL_GRID.interface_depth[1:], depth, side="left") + 1
    return np.clip(layer, _LEAST_BEDROCK_LAYER, SOIL_GRID.node_depth.size).astype(np.int64)


def surface_level() -> NDArray[np.int64]:
    """Surface-dataset level (from 0) that fills each of the 20 layers.

    The ten levels of the surface dataset are those of CLM4, exponential in depth; CTSM gives a layer
    the level in which its node lies (SoilStateInitTimeConstMod from ctsm1.0.dev054 on, so also in
    release-cesm2.2). release-clm5.0 looks for the lower boundary of the layer instead, and gives
    layers 2 to 5, 8 and 10 the level below; its history does not tell it from later versions.
    """
    levels = np.arange(1, _N_SURFACE_LEVELS + 2)
    nodes = 0.025 * (np.exp(0.5 * (levels - 0.5)) - 1.0)
    interfaces = 0.5 * (nodes[:-1] + nodes[1:])
    found = np.searchsorted(interfaces, SOIL_GRID.node_depth, side="right")
    return np.minimum(found, _N_SURFACE_LEVELS - 1).astype(np.int64)


def read_surface_sand(path: Path, grid: LandGrid) -> NDArray[np.float64]:
    """Sand content of the 20 layers, shape (20, cell), percent.

    Raises
    ------
    ForcingError, GridError
    """
    with open_history(path) as dataset:
        return _read(dataset, "PCT_SAND", grid, path)[surface_level()]


def read_surface_bedrock(path: Path, grid: LandGrid) -> NDArray[np.int64]:
    """`nbedrock` from `zbedrock`, shape (cell,).

    Raises
    ------
    ForcingError, GridError
    """
    with open_history(path) as dataset:
        return bedrock_layer(_read(dataset, "zbedrock", grid, path))


def _read(dataset: netCDF4.Dataset, name: str, grid: LandGrid, path: Path) -> NDArray[np.float64]:
    if name not in dataset.variables:
        raise ForcingError(f"{path} has no {name}; give the surface dataset (fsurdat) of the run")
    _require_grid(dataset, grid, path)
    return grid.take(stored_values(dataset, name).astype(np.float64))


def _require_grid(dataset: netCDF4.Dataset, grid: LandGrid, path: Path) -> None:
    lon, lat = (
        stored_values(dataset, name).astype(np.float64)
        if name in dataset.variables
        else np.empty(0)
        for name in ("LONGXY", "LATIXY")
    )
    if lon.shape != grid.shape:
        raise GridError(
            f"{path} has a grid of {lon.shape or 'unknown shape'}, the history {grid.shape}; "
            "give the surface dataset (fsurdat) of the same run"
        )
    wanted_lat = grid.lat if len(grid.dims) == 1 else grid.lat[:, np.newaxis]
    apart = np.maximum(np.abs(lat - wanted_lat), np.abs((lon - grid.lon + 180.0) % 360.0 - 180.0))
    if apart.max() > _COORDINATE_TOLERANCE:
        raise GridError(
            f"{path}: LONGXY and LATIXY differ from the history's lon and lat by up to "
            f"{apart.max():.3g} degrees; give the surface dataset (fsurdat) of the same run"
        )
