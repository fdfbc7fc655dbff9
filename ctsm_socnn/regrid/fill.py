"""Filling of land cells without data: a separate step, flagged and counted.

Conservative weights cannot extrapolate, and a model grid may have no gap over land, so what a
map does not reach is filled afterwards and said to be filled.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ctsm_socnn.errors import GridError
from ctsm_socnn.regrid.geometry import BoolArray, FloatArray, Grid, GridKind, polygon_areas
from ctsm_socnn.regrid.nearest import nearest_donors

__all__ = ["Fill", "FillFlag", "FillPlan", "plan_fill"]


class Fill(StrEnum):
    """Where the values of uncovered land cells come from."""

    NEAREST = "nearest"
    """The nearest covered cell in great-circle distance."""
    BIOME = "biome"
    """The area mean over covered cells of the same biome; nearest where the biome has none."""
    DEFAULT = "default"
    """CLM's default values."""
    NONE = "none"
    """Nowhere: gaps stay."""


class FillFlag(IntEnum):
    """Values of the variable `filled`."""

    NO_LAND = -1
    REGRIDDED = 0
    NEAREST = 1
    BIOME = 2
    DEFAULT = 3
    GAP = 4


@dataclass(frozen=True, eq=False)
class FillPlan:
    """How gaps are filled from covered cells.

    Attributes
    ----------
    cells : ndarray of int, shape (gap,)
        Cells to be filled from others.
    group : ndarray of int, shape (gap,)
        Row of `donors` for each of them.
    donors : scipy.sparse.csr_array, shape (group, cell), 1
        Weights of the covered cells; rows sum to 1.
    flag : ndarray of int8, shape (cell,)
        `FillFlag` of every cell of the grid.
    """

    cells: NDArray[np.intp]
    group: NDArray[np.intp]
    donors: sparse.csr_array
    flag: NDArray[np.int8]

    def apply(self, fields: FloatArray) -> FloatArray:
        """Fill gaps of fields, shape (cell, ...), from their covered cells."""
        filled = fields.copy()
        columns = fields.reshape(fields.shape[0], -1)
        filled[self.cells] = (self.donors @ columns)[self.group].reshape(-1, *fields.shape[1:])
        return filled


def plan_fill(
    grid: Grid, covered: BoolArray, fill: Fill, biomes: NDArray[np.integer] | None = None
) -> FillPlan:
    """Decide how each uncovered land cell is filled.

    Parameters
    ----------
    grid : Grid
        Its mask says what is land.
    covered : ndarray of bool, shape (cell,)
    fill : Fill
    biomes : ndarray of int, shape (cell,), optional
        Biome of each cell, negative where there is none; needed by `Fill.BIOME`.

    Returns
    -------
    FillPlan
        With no cells for `Fill.DEFAULT` and `Fill.NONE`; its flag tells them.

    Raises
    ------
    GridError
        If there is nothing to fill from, or biomes are missing.
    """
    land = grid.mask.ravel()
    gaps = np.flatnonzero(land & ~covered)
    flag = np.where(land, FillFlag.REGRIDDED, FillFlag.NO_LAND).astype(np.int8)
    if fill is Fill.BIOME:
        return _biome_plan(grid, covered, gaps, flag, biomes)
    if fill is Fill.NEAREST:
        flag[gaps] = FillFlag.NEAREST
        return _plan(gaps, _nearest(grid, covered, gaps), flag)
    flag[gaps] = FillFlag.DEFAULT if fill is Fill.DEFAULT else FillFlag.GAP
    nobody = np.empty(0, dtype=np.intp)
    return _plan(nobody, sparse.csr_array((0, grid.size)), flag)


def _nearest(grid: Grid, covered: BoolArray, gaps: NDArray[np.intp]) -> sparse.csr_array:
    if gaps.size == 0:
        return sparse.csr_array((0, grid.size))
    lon, lat = grid.centres()
    donor = nearest_donors((lon, lat), covered, (lon[gaps], lat[gaps]))
    ones, rows = np.ones(gaps.size), np.arange(gaps.size)
    return sparse.csr_array((ones, (rows, donor)), shape=(gaps.size, grid.size))


def _biome_plan(
    grid: Grid,
    covered: BoolArray,
    gaps: NDArray[np.intp],
    flag: NDArray[np.int8],
    biomes: NDArray[np.integer] | None,
) -> FillPlan:
    if biomes is None or biomes.size != grid.size:
        raise GridError(
            f"{grid.name}: filling by biome needs a biome for each of its {grid.size} cells; "
            "give them with --biomes FILE:VARIABLE on the model grid"
        )
    known = covered & (biomes.ravel() >= 0)
    kinds, kind_of_donor = np.unique(biomes.ravel()[known], return_inverse=True)
    by_biome = np.isin(biomes.ravel()[gaps], kinds)
    flag[gaps] = np.where(by_biome, FillFlag.BIOME, FillFlag.NEAREST)
    weights = _areas(grid)[known]
    weights /= np.bincount(kind_of_donor, weights)[kind_of_donor]
    means = sparse.csr_array(
        (weights, (kind_of_donor, np.flatnonzero(known))), shape=(kinds.size, grid.size)
    )
    nearest = _nearest(grid, covered, gaps[~by_biome])
    group = np.empty(gaps.size, dtype=np.intp)
    group[by_biome] = np.searchsorted(kinds, biomes.ravel()[gaps[by_biome]])
    group[~by_biome] = kinds.size + np.arange(nearest.shape[0])
    return FillPlan(gaps, group, sparse.csr_array(sparse.vstack([means, nearest])), flag)


def _plan(gaps: NDArray[np.intp], donors: sparse.csr_array, flag: NDArray[np.int8]) -> FillPlan:
    return FillPlan(gaps, np.arange(gaps.size), donors, flag)


def _areas(grid: Grid) -> FloatArray:
    """Areas of the cells; those whose extent is unknown count alike."""
    if not grid.has_corners:
        return np.ones(grid.size)
    return grid.box_areas() if grid.kind is GridKind.RECTILINEAR else polygon_areas(*grid.corners())
