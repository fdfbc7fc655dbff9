"""Land masks: where a file keeps its mask, and whether the mask is inverted.

A mask of the wrong sense would fill the oceans and empty the continents without any error later,
so every mask is held against the file's own land fraction and against a few points of the Earth
that are land or sea on every grid.

Grids by name know no land; their mask may come from another file of the same cells.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ctsm_socnn.errors import GridError
from ctsm_socnn.regrid.geometry import BoolArray, FloatArray, Grid, unit_vectors

__all__ = [
    "SAME_CELL",
    "index_of_cells",
    "land_mask",
    "require_mask_sense",
    "takes_sea_for_land",
    "values_on_cells",
    "with_land_of",
]

_MASKS: Final = ("elementMask", "grid_imask", "mask", "landmask", "PFTDATA_MASK")
_FRACTIONS: Final = ("frac", "landfrac", "LANDFRAC_PFT")

_LAND: Final = ((10.0, 23.0), (100.0, 60.0), (-60.0, -5.0), (-98.0, 38.0), (134.0, -24.0))
"""Sahara, Siberia, Amazon, Kansas, central Australia: degrees east and north."""
_SEA: Final = ((-150.0, 0.0), (-150.0, 30.0), (-110.0, -40.0), (-35.0, 30.0), (80.0, -30.0))
"""Pacific, Atlantic and Indian Ocean, far from any island: degrees east and north."""
SAME_CELL: Final = np.deg2rad(1e-3)
"""Radians; centres this close are one cell: many files store them in single precision."""
_REACH: Final = 8.0
"""A point is on a grid if a cell centre lies within this many degrees."""


def land_mask(
    dataset: xr.Dataset, dims: tuple[Hashable, ...], shape: tuple[int, ...], name: str
) -> BoolArray | None:
    """Mask of a grid file, True on land.

    Parameters
    ----------
    dataset : xarray.Dataset
        Any form that `read_grid_file` takes.
    dims : tuple of str
        The dimensions along which the file lists its cells, in the order of the grid.
    shape : tuple of int
        Shape of the grid.
    name : str
        For messages.

    Returns
    -------
    ndarray of bool of that shape, or None where the file has neither mask nor land fraction

    Raises
    ------
    GridError
        If the mask is all zero, holds anything but 0 and 1, contradicts the land fraction, or
        changes along another dimension.
    """
    fraction = _first(dataset, _FRACTIONS, dims, shape, name)
    mask = _first(dataset, _MASKS, dims, shape, name)
    if mask is None:
        return None if fraction is None else fraction > 0.0
    if not np.isin(mask, (0.0, 1.0)).all():
        strange = mask[~np.isin(mask, (0.0, 1.0))][0]
        raise GridError(f"{name}: the mask holds {strange:g}; it must hold 1 (land) and 0 only")
    if not mask.any():
        raise GridError(f"{name}: the mask is 0 everywhere; 1 must mark land")
    if fraction is not None:
        _require_agreement(mask > 0.0, fraction, name)
    return mask > 0.0


def require_mask_sense(grid: Grid) -> None:
    """Refuse a land mask that calls the Sahara sea and the Pacific land.

    Only grids that hold at least two of the land points and two of the sea points are judged.

    Raises
    ------
    GridError
    """
    land, sea = _values_at(grid, _LAND), _values_at(grid, _SEA)
    if min(land.size, sea.size) >= 2 and not land.any() and sea.all():
        raise GridError(
            f"{grid.name}: the mask is 0 on the continents and 1 on the oceans; "
            "1 must mark land. Invert it"
        )


def takes_sea_for_land(grid: Grid) -> bool:
    """Whether the open ocean counts as land, for want of a mask."""
    sea = _values_at(grid, _SEA)
    return bool(sea.size and sea.all())


def with_land_of(grid: Grid, other: Grid) -> Grid:
    """Give a grid the land mask of a file of the same cells, in whatever order it has them.

    Parameters
    ----------
    grid : Grid
    other : Grid
        With a mask; it may lack cells of the grid, which are not land then.

    Raises
    ------
    GridError
        If a cell of the other is none of the grid's, or none is land.
    """
    mask = np.zeros(grid.size, dtype=bool)
    mask[index_of_cells(grid, other)] = other.mask.ravel()
    if not mask.any():
        raise GridError(f"{other.name}: none of its cells is land")
    return grid.with_mask(mask)


def index_of_cells(grid: Grid, other: Grid) -> NDArray[np.intp]:
    """Index in one grid of each cell of another, which has the same cells in whatever order.

    Parameters
    ----------
    grid : Grid
    other : Grid
        It may lack cells of the grid.

    Raises
    ------
    GridError
        If a cell of the other is none of the grid's.
    """
    tree = cKDTree(unit_vectors(*grid.centres()))
    apart, cell = tree.query(unit_vectors(*other.centres()))
    strange = np.flatnonzero(apart > SAME_CELL)
    if strange.size:
        lon, lat = other.centres()
        raise GridError(
            f"{other.name} does not have the cells of {grid.name}: {strange.size} of its "
            f"{other.size} are not there, the first at {lon[strange[0]]:g} E "
            f"{lat[strange[0]]:g} N; give a surface dataset, domain file or history file of that grid"
        )
    return np.asarray(cell, dtype=np.intp)


def values_on_cells(
    variable: xr.DataArray, dims: tuple[Hashable, ...], shape: tuple[int, ...], name: str
) -> NDArray[Any] | None:
    """Values of a field in the order of a grid's cells, or None where it is not a field on them.

    Parameters
    ----------
    variable : xarray.DataArray
        Further dimensions are allowed if nothing changes along them, as in history files that a
        program has joined along time.
    dims : tuple of str
        The dimensions along which the file lists its cells, in the order of the grid.
    shape : tuple of int
        Shape of the grid.
    name : str
        For messages.

    Raises
    ------
    GridError
        If the field changes along another dimension.
    """
    if not dims or not set(dims) <= set(variable.dims):
        # Some files call the same dimensions by two names.
        return variable.values if variable.shape == shape else None
    others = [d for d in variable.dims if d not in dims]
    first = variable.isel(dict.fromkeys(others, 0))
    if not (variable == first).where(variable.notnull() | first.notnull(), True).all():
        raise GridError(
            f"{name}: {variable.name} changes along {', '.join(map(str, others))}; "
            "it must be the same everywhere along that dimension"
        )
    return first.transpose(*dims).values.reshape(shape)


def _first(
    dataset: xr.Dataset,
    names: tuple[str, ...],
    dims: tuple[Hashable, ...],
    shape: tuple[int, ...],
    name: str,
) -> FloatArray | None:
    for candidate in names:
        if candidate in dataset.variables:
            values = values_on_cells(dataset[candidate], dims, shape, name)
            if values is not None:
                return np.nan_to_num(values.astype(np.float64))
    return None


def _require_agreement(mask: BoolArray, fraction: FloatArray, name: str) -> None:
    agree = (mask & (fraction > 0.0)) | (~mask & (fraction <= 0.0))
    if not agree.any() or (~mask & (fraction >= 1.0)).sum() > agree.sum():
        raise GridError(
            f"{name}: the mask is the opposite of the land fraction; 1 must mark land. Invert it"
        )


def _values_at(grid: Grid, points: tuple[tuple[float, float], ...]) -> BoolArray:
    wanted = unit_vectors(*np.array(points).T)
    cosine = unit_vectors(*grid.centres()) @ wanted.T
    nearest = cosine.argmax(axis=0)
    on_grid = cosine.max(axis=0) > np.cos(np.deg2rad(_REACH))
    values: BoolArray = grid.mask.ravel()[nearest[on_grid]]
    return values
