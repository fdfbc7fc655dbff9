"""Nearest cells in great-circle distance, between any two grids whose centres are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from ctsm_socnn.errors import GridError
from ctsm_socnn.regrid.geometry import BoolArray, FloatArray, Grid, unit_vectors
from ctsm_socnn.regrid.weights import Method, Normalisation, RemapWeights

__all__ = ["nearest_coverage", "nearest_donors", "nearest_weights"]

Centres = tuple[FloatArray, FloatArray]


def nearest_donors(centres: Centres, donor: BoolArray, wanted: Centres) -> NDArray[np.intp]:
    """Index of the nearest donor for each wanted point.

    Parameters
    ----------
    centres : (lon, lat), each shape (cell,), degrees
    donor : ndarray of bool, shape (cell,)
    wanted : (lon, lat), each shape (point,), degrees

    Returns
    -------
    ndarray of int, shape (point,)
        Of the straight line through the sphere, which is shortest where the great circle is.

    Raises
    ------
    GridError
        If there is no donor at all.
    """
    index = np.flatnonzero(donor)
    if index.size == 0:
        raise GridError(
            "no cell has data to take a nearest value from; do the maps and the model grid "
            "cover the same region?"
        )
    tree = cKDTree(unit_vectors(*centres)[index])
    _, nearest = tree.query(unit_vectors(*wanted))
    return index[nearest]


def nearest_weights(source: Grid, target: Grid) -> RemapWeights:
    """Weights that take each target cell's value from the nearest unmasked source centre.

    Raises
    ------
    GridError
        If every source cell is masked.
    """
    rows = np.flatnonzero(target.mask)
    lon, lat = target.centres()
    columns = nearest_donors(source.centres(), source.mask.ravel(), (lon[rows], lat[rows]))
    matrix = sparse.csr_array(
        (np.ones(rows.size), (rows, columns)), shape=(target.size, source.size)
    )
    used = np.bincount(columns, minlength=source.size) > 0
    return RemapWeights(
        matrix=matrix,
        source=source,
        target=target,
        method=Method.NEAREST,
        normalisation=Normalisation.FRACAREA,
        covered=nearest_coverage(matrix, source, target),
        used=used.astype(np.float64),
        source_areas=np.zeros(source.size),
        target_areas=np.zeros(target.size),
        backend="ctsm-socnn",
    )


def nearest_coverage(matrix: sparse.csr_array, source: Grid, target: Grid) -> FloatArray:
    """Tell target cells whose centre is within reach of their donor from those far away.

    A donor reaches as far as its farthest corner, or, where its corners are unknown, as its
    nearest neighbour. What lies beyond is extrapolated and belongs to the filling.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array, shape (target cell, source cell)
        With at most one entry per row.
    source, target : Grid

    Returns
    -------
    ndarray, shape (target cell,), 1
        1 within reach, 0 beyond and in rows without entry.
    """
    rows, donor = matrix.nonzero()
    at, to = unit_vectors(*source.centres()), unit_vectors(*target.centres())
    away = np.linalg.norm(to[rows] - at[donor], axis=1)
    covered = np.zeros(target.size)
    covered[rows] = away <= _reach(source, at)[donor]
    return covered


def _reach(source: Grid, centre: FloatArray) -> FloatArray:
    """How far each cell reaches, as a chord of the unit sphere, shape (cell,)."""
    reach: FloatArray
    if source.has_corners:
        corner = unit_vectors(*source.corners())
        reach = np.linalg.norm(corner - centre[:, None], axis=2).max(axis=1)
    elif source.size > 1:
        distance, _ = cKDTree(centre).query(centre, k=2)
        reach = np.asarray(distance)[:, 1]
    else:
        reach = np.zeros(1)
    return reach * (1.0 + 1e-12)
