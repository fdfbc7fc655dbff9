"""From the pixels of a raster to the cells of a coarser grid.

Covariates reach sites and maps through the same gridded file, so that training and prediction
cannot see different values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import GridError
from ctsm_socnn.observations.rasters import Raster
from ctsm_socnn.regrid.geometry import edges_between

__all__ = ["METHODS", "CellGrid", "Method", "aggregate", "class_shares", "values_at"]

Method = Literal["mean", "mode", "nearest"]

_VALUES_AT_ONCE: Final = 20_000_000
_MOST_CLASSES: Final = 1000


@dataclass(frozen=True)
class CellGrid:
    """A rectilinear grid of cells whose edges lie half way between centres.

    Attributes
    ----------
    lat, lon : ndarray, degrees
        Centres, each rising or falling; longitudes may jump by 360.
    """

    lat: NDArray[np.float64]
    lon: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name, values in (("lat", self.lat), ("lon", self._eastward())):
            steps = np.diff(values)
            if values.size < 2 or not ((steps > 0).all() or (steps < 0).all()):
                raise GridError(f"{name} of the target grid must rise or fall over 2 cells or more")

    def _eastward(self) -> NDArray[np.float64]:
        """Longitudes without the jump at the date line or at the meridian of 0."""
        return np.unwrap(self.lon, period=360.0)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.lat.size, self.lon.size

    def rows(self, lat: NDArray[np.float64]) -> NDArray[np.int64]:
        """Row of the cell that holds each latitude; -1 outside."""
        return _bins(self.lat, lat)

    def columns(self, lon: NDArray[np.float64]) -> NDArray[np.int64]:
        """Column of the cell that holds each longitude, in either convention; -1 outside."""
        centres = self._eastward()
        west = edges_between(centres).min()
        return _bins(centres, west + (lon - west) % 360.0)


def aggregate(raster: Raster, grid: CellGrid, method: Method) -> tuple[NDArray[np.float64], int]:
    """Bring a raster to a grid.

    Parameters
    ----------
    raster : Raster
    grid : CellGrid
    method : {"mean", "mode", "nearest"}
        Mean over the pixels whose centre lies in the cell, weighted by their area; their most
        frequent class (the smaller of two that tie); or the pixel nearest to the cell's centre.

    Returns
    -------
    ndarray, shape (lat, lon)
        NaN where the raster has no value. A cell in which no pixel centre lies takes the nearest
        pixel, so that a raster may be coarser than the grid.
    int
        Cells that did so.

    Raises
    ------
    GridError
        If the raster and the grid do not overlap, or "mode" is asked of values that are no classes.
    """
    result, touched = METHODS[method](raster, grid)
    if touched.all():
        return result, 0
    nearest, _ = _nearest(raster, grid)
    filled = ~touched & np.isfinite(nearest)
    result[filled] = nearest[filled]
    if not touched.any() and not filled.any():
        raise GridError(
            f"the raster (latitude {raster.lat.min():.2f} to {raster.lat.max():.2f}, longitude "
            f"{raster.lon.min():.2f} to {raster.lon.max():.2f}) does not overlap the grid"
        )
    return result, int(filled.sum())


def class_shares(raster: Raster, grid: CellGrid) -> dict[float, NDArray[np.float64]]:
    """Share of each class in the cells of a grid.

    Parameters
    ----------
    raster : Raster
        Of classes.
    grid : CellGrid

    Returns
    -------
    dict of float to ndarray, shape (lat, lon)
        Area of the pixels of a class over that of all that have one; 0 in cells without any.

    Raises
    ------
    GridError
        If the values are no classes, or no pixel lies in the grid.
    """
    areas, _ = _class_areas(raster, grid)
    if not areas:
        raise GridError("no pixel of the raster lies in the grid")
    total = np.add.reduce(list(areas.values()))
    return {
        value: np.divide(area, total, out=np.zeros_like(total), where=total > 0).reshape(grid.shape)
        for value, area in areas.items()
    }


def values_at(
    raster: Raster, lat: NDArray[np.float64], lon: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Value of the pixel that holds each point.

    Parameters
    ----------
    raster : Raster
    lat, lon : ndarray, shape (point,), degrees

    Returns
    -------
    ndarray, shape (point,)
        NaN outside the raster and where it has no value.
    """
    row, row_inside = _nearest_index(raster.lat, lat)
    column, column_inside = _nearest_column(raster, lon)
    result = np.full(lat.shape, np.nan)
    for start, stop in _row_blocks(raster):
        held = np.flatnonzero((row >= start) & (row < stop) & row_inside & column_inside)
        if held.size:
            result[held] = raster.read_rows(start, stop)[row[held] - start, column[held]]
    return result


_Result = tuple[NDArray[np.float64], NDArray[np.bool_]]


def _mean(raster: Raster, grid: CellGrid) -> _Result:
    total, weight, pixels = (np.zeros(grid.shape[0] * grid.shape[1]) for _ in range(3))
    for cells, values, area in _pixels(raster, grid):
        good = np.isfinite(values)
        total += np.bincount(cells[good], (values * area)[good], minlength=total.size)
        weight += np.bincount(cells[good], area[good], minlength=total.size)
        pixels += np.bincount(cells, minlength=total.size)
    mean = np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)
    return mean.reshape(grid.shape), (pixels > 0).reshape(grid.shape)


def _mode(raster: Raster, grid: CellGrid) -> _Result:
    areas, touched = _class_areas(raster, grid)
    result, best = np.full(touched.size, np.nan), np.zeros(touched.size)
    for value in sorted(areas):
        wins = areas[value] > best
        result[wins], best[wins] = value, areas[value][wins]
    return result.reshape(grid.shape), touched.reshape(grid.shape)


def _class_areas(
    raster: Raster, grid: CellGrid
) -> tuple[dict[float, NDArray[np.float64]], NDArray[np.bool_]]:
    """Area of each class in each cell, flattened, and which cells hold a pixel at all."""
    size = grid.shape[0] * grid.shape[1]
    counts: dict[float, NDArray[np.float64]] = {}
    pixels = np.zeros(size)
    for cells, values, area in _pixels(raster, grid):
        pixels += np.bincount(cells, minlength=size)
        for value in np.unique(values[np.isfinite(values)]).tolist():
            one = values == value
            found = np.bincount(cells[one], area[one], minlength=size)
            counts.setdefault(value, np.zeros(size))[:] += found
        if len(counts) > _MOST_CLASSES:
            raise GridError(f"more than {_MOST_CLASSES} different values; are they classes?")
    return counts, pixels > 0


def _nearest(raster: Raster, grid: CellGrid) -> _Result:
    row, row_inside = _nearest_index(raster.lat, grid.lat)
    column, column_inside = _nearest_column(raster, grid.lon)
    inside = row_inside[:, np.newaxis] & column_inside
    result = np.full(grid.shape, np.nan)
    for start_row, stop_row in _row_blocks(raster):
        held = np.flatnonzero((row >= start_row) & (row < stop_row))
        if held.size:
            values = raster.read_rows(start_row, stop_row)
            result[held] = values[(row[held] - start_row)[:, np.newaxis], column]
    result[~inside] = np.nan
    return result, inside


METHODS: Final[Mapping[Method, Callable[[Raster, CellGrid], _Result]]] = {
    "mean": _mean,
    "mode": _mode,
    "nearest": _nearest,
}


def _pixels(
    raster: Raster, grid: CellGrid
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]]:
    """Pixels inside the grid, some rows at a time: cell, value and relative area."""
    rows, columns = grid.rows(raster.lat), grid.columns(raster.lon)
    inside = np.flatnonzero(columns >= 0)
    for start, stop in _row_blocks(raster):
        held = np.flatnonzero(rows[start:stop] >= 0)
        if held.size == 0 or inside.size == 0:
            continue
        values = raster.read_rows(start, stop)[np.ix_(held, inside)]
        cells = rows[start:stop][held, np.newaxis] * grid.shape[1] + columns[inside]
        area = np.cos(np.radians(raster.lat[start:stop][held]))
        weights = np.broadcast_to(area[:, np.newaxis], values.shape)
        yield cells.ravel(), values.ravel(), weights.ravel()


def _row_blocks(raster: Raster) -> Iterator[tuple[int, int]]:
    at_once = max(1, _VALUES_AT_ONCE // raster.lon.size)
    for start in range(0, raster.lat.size, at_once):
        yield start, min(start + at_once, raster.lat.size)


def _bins(centres: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    edges = edges_between(centres)
    falls = edges[0] > edges[-1]
    found = np.searchsorted(edges[::-1] if falls else edges, values, side="right") - 1
    found = np.where((found < 0) | (found >= centres.size), -1, found)
    return np.where(falls & (found >= 0), centres.size - 1 - found, found)


def _nearest_column(
    raster: Raster, lon: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Nearest column to each longitude, in either convention, and whether it lies in that pixel."""
    after = raster.lon.min() + (lon - raster.lon.min()) % 360.0
    column, inside = _nearest_index(raster.lon, after)
    before, inside_before = _nearest_index(raster.lon, after - 360.0)
    return np.where(inside, column, before), inside | inside_before


def _nearest_index(
    centres: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Nearest centre to each value, and whether the value lies in that pixel."""
    order = np.argsort(centres)
    ordered = centres[order]
    right = np.clip(np.searchsorted(ordered, values), 1, ordered.size - 1)
    nearer = np.where(values - ordered[right - 1] <= ordered[right] - values, right - 1, right)
    half = 0.5 * np.abs(np.diff(ordered)).max()
    inside = np.abs(ordered[nearer] - values) <= half * (1.0 + 1e-6)
    return order[nearer], inside
