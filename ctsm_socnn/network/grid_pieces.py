"""Division of grids into pieces, and the values of a piece by cell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.schemas import N_LAYERS, N_MONTHS

__all__ = [
    "CELLS_AT_ONCE",
    "Place",
    "horizontal_dimensions",
    "one_value_a_cell",
    "pieces",
    "raveled",
]

CELLS_AT_ONCE: Final = 5_000
_DIMENSION_SIZES: Final = {"month": N_MONTHS, "layer": N_LAYERS}

Place = tuple[slice, ...]
"""Where a piece lies, one slice for each horizontal dimension."""


def pieces(shape: tuple[int, ...], cells_at_once: int) -> Iterator[Place]:
    """Divide a grid into whole rows of at most `cells_at_once` cells, or a longer row into parts.

    In C order, so that concatenated pieces of whole rows make up the grid.
    """
    row = math.prod(shape[1:])
    step = max(cells_at_once // row, 1)
    for start in range(0, shape[0], step):
        rows = slice(start, min(start + step, shape[0]))
        if row <= cells_at_once:
            yield (rows, *(slice(0, size) for size in shape[1:]))
        else:
            yield from ((rows, *rest) for rest in pieces(shape[1:], cells_at_once))


def horizontal_dimensions(grid: xr.Dataset, name: str) -> tuple[str, ...]:
    """Dimensions along which `lat` and `lon` run, in the order of a variable.

    Raises
    ------
    NetworkError
        If there are none.
    """
    of_positions = (*grid["lat"].dims, *grid["lon"].dims)
    order = dict.fromkeys((*grid[name].dims, *of_positions))
    found = tuple(str(dimension) for dimension in order if dimension in of_positions)
    if not found:
        raise NetworkError(
            "lat and lon of the grid are single numbers; put them on (lat, lon) or a list of cells"
        )
    return found


def one_value_a_cell(grid: xr.Dataset, horizontal: tuple[str, ...]) -> xr.Dataset:
    """Drop non-horizontal dimensions of length 1.

    Raises
    ------
    NetworkError
        If a variable has any other dimension than these, months and layers.
    """
    usual = {*horizontal, *_DIMENSION_SIZES}
    single = {name: 0 for name, size in grid.sizes.items() if size == 1 and name not in usual}
    grid = grid.isel(single, drop=True)
    for name, field in grid.data_vars.items():
        for dimension in field.dims:
            if dimension not in usual:
                raise NetworkError(
                    f"{name} has {field.sizes[dimension]} values along {dimension}, but lat and "
                    f"lon run along {', '.join(horizontal)}; give one value per cell"
                )
    return grid


def raveled(field: xr.DataArray, sizes: Mapping[str, int]) -> NDArray[Any]:
    """Values by cell, shape (cell,) and month and layer if the field has them.

    Parameters
    ----------
    field : xarray.DataArray
        A field without one of the horizontal dimensions is constant along it.
    sizes : mapping of str to int
        Of the horizontal dimensions.
    """
    trailing = {name: field.sizes[name] for name in _DIMENSION_SIZES if name in field.dims}
    same = {name: size for name, size in sizes.items() if name not in field.dims}
    values = field.expand_dims(same).transpose(*sizes, *trailing).values
    return np.asarray(values).reshape(-1, *trailing.values())
