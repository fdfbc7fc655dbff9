"""Nearest cells on the sphere."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ctsm_socnn.regrid.geometry import unit_vectors

__all__ = ["EARTH_RADIUS", "nearest_cell"]

EARTH_RADIUS: Final = 6371.22
"""km, as CESM's shr_const_mod has it."""


def nearest_cell(
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
    cell_lon: NDArray[np.float64],
    cell_lat: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the nearest cell centre to each point, along the great circle.

    Parameters
    ----------
    lon, lat : ndarray, shape (n,), degrees
        Either longitude convention.
    cell_lon, cell_lat : ndarray, shape (m,), degrees

    Returns
    -------
    ndarray of int, shape (n,)
        Position of the cell.
    ndarray, shape (n,), km
        Distance to its centre.
    """
    tree = KDTree(unit_vectors(cell_lon, cell_lat))
    chord, cell = tree.query(unit_vectors(lon, lat))
    distance = 2.0 * EARTH_RADIUS * np.arcsin(np.clip(0.5 * chord, 0.0, 1.0))
    return np.asarray(cell, dtype=np.int64), distance
