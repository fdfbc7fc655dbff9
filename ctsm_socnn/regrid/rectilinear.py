"""Exact conservative weights between rectilinear grids, without ESMF.

The overlap of two lat-lon boxes is (overlap in longitude) x (overlap in sine of latitude), so the
matrix of overlaps is the Kronecker product of two small ones. Cell edges are meridians and
parallels; ESMF takes great circles, from which the small differences between the two come.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ctsm_socnn.errors import GridError
from ctsm_socnn.regrid.geometry import BoolArray, FloatArray, Grid, GridKind
from ctsm_socnn.regrid.weights import Method, Normalisation, RemapWeights

__all__ = ["conservative_weights"]


def conservative_weights(
    source: Grid, target: Grid, normalisation: Normalisation = Normalisation.FRACAREA
) -> RemapWeights:
    """First-order conservative weights between two rectilinear grids.

    Parameters
    ----------
    source, target : Grid
        Rectilinear, with bounds; masked cells neither give nor take.
    normalisation : Normalisation

    Returns
    -------
    RemapWeights

    Raises
    ------
    GridError
        If a grid is not rectilinear or its bounds are unknown.
    """
    for grid in (source, target):
        if grid.kind is not GridKind.RECTILINEAR:
            raise GridError(
                f"{grid.name}: is {grid.kind}; the exact method is for lat-lon boxes only"
            )
    overlap = _overlap_areas(source, target)
    covered_area: FloatArray = np.asarray(overlap.sum(axis=1), dtype=np.float64).ravel()
    used_area: FloatArray = np.asarray(overlap.sum(axis=0), dtype=np.float64).ravel()
    source_areas, target_areas = source.box_areas(), target.box_areas()
    divisor = covered_area if normalisation is Normalisation.FRACAREA else target_areas
    return RemapWeights(
        matrix=_rows_divided(overlap, divisor),
        source=source,
        target=target,
        method=Method.CONSERVATIVE,
        normalisation=normalisation,
        covered=covered_area / target_areas,
        used=used_area / source_areas,
        source_areas=source_areas,
        target_areas=target_areas,
        backend="ctsm-socnn",
    )


def _overlap_areas(source: Grid, target: Grid) -> sparse.csr_array:
    """Overlap of every pair of unmasked cells, steradians, shape (target cell, source cell)."""
    source_lon, source_lat = source.bounds()
    target_lon, target_lat = target.bounds()
    across = _overlaps_on_circle(target_lon, source_lon)
    along = _overlaps(np.sin(np.deg2rad(target_lat)), np.sin(np.deg2rad(source_lat)))
    overlap = sparse.kron(along, across, format="coo")
    kept = target.mask.ravel()[overlap.row] & source.mask.ravel()[overlap.col]
    return sparse.csr_array(
        (overlap.data[kept], (overlap.row[kept], overlap.col[kept])), shape=overlap.shape
    )


def _overlaps_on_circle(target: FloatArray, source: FloatArray) -> sparse.coo_array:
    """Overlaps of longitude intervals in degrees, radians, shape (target, source)."""
    origin = target[:, 0].min()
    shifted = source - 360.0 * np.floor((source[:, :1] - origin) / 360.0)
    turns = np.concatenate([shifted - 360.0, shifted])
    both = _overlaps(np.deg2rad(target), np.deg2rad(turns))
    folded = sparse.coo_array(
        (both.data, (both.row, both.col % len(source))), shape=(len(target), len(source))
    )
    folded.sum_duplicates()
    return folded


def _overlaps(target: FloatArray, source: FloatArray) -> sparse.coo_array:
    """Lengths of the overlaps of two sets of disjoint intervals, shape (target, source).

    All ends together cut the line into pieces, and each piece lies in at most one interval of
    either set.
    """
    ends = np.unique(np.concatenate([target.ravel(), source.ravel()]))
    middle, length = 0.5 * (ends[1:] + ends[:-1]), np.diff(ends)
    row, in_target = _containing(target, middle)
    col, in_source = _containing(source, middle)
    kept = in_target & in_source
    overlaps = sparse.coo_array(
        (length[kept], (row[kept], col[kept])), shape=(len(target), len(source))
    )
    overlaps.sum_duplicates()
    return overlaps


def _containing(intervals: FloatArray, points: FloatArray) -> tuple[NDArray[np.intp], BoolArray]:
    """Interval in which each point lies, and whether it lies in any."""
    order = np.argsort(intervals[:, 0])
    position = np.searchsorted(intervals[order, 0], points) - 1
    index = order[np.maximum(position, 0)]
    return index, (position >= 0) & (points < intervals[index, 1])


def _rows_divided(matrix: sparse.csr_array, divisor: FloatArray) -> sparse.csr_array:
    data = matrix.data / np.repeat(divisor, np.diff(matrix.indptr))
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
