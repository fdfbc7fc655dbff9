"""Regridding weights: a sparse matrix with its grids, and its application."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from scipy import sparse

from ctsm_socnn.errors import GridError
from ctsm_socnn.regrid.geometry import BoolArray, FloatArray, Grid

__all__ = ["Method", "Normalisation", "RemapWeights"]


class Method(StrEnum):
    """How values on the target follow from values on the source."""

    CONSERVATIVE = "conservative"
    """Mean over the area that source cells share with the target cell (first order)."""
    BILINEAR = "bilinear"
    """Interpolated between source centres."""
    NEAREST = "nearest"
    """The nearest source centre."""


class Normalisation(StrEnum):
    """What the overlaps of a conservative method are divided by."""

    FRACAREA = "fracarea"
    """The covered area of the target cell: the weights of a row sum to 1. For intensive fields."""
    DSTAREA = "dstarea"
    """The area of the target cell: they sum to the covered fraction. For integrals."""


@dataclass(frozen=True, eq=False)
class RemapWeights:
    """Weights from one grid to another.

    Attributes
    ----------
    matrix : scipy.sparse.csr_array, shape (target cell, source cell), 1
    source, target : Grid
        With the masks that the weights were made for.
    method : Method
    normalisation : Normalisation
        Of the conservative method; the others have rows that sum to 1.
    covered : ndarray, shape (target cell,), 1
        Share of each target cell that unmasked source cells cover; 0 or 1 for the methods
        between points, where 0 with a weight means a nearest cell that is far away.
    used : ndarray, shape (source cell,), 1
        Share of each source cell that lies in unmasked target cells; 0 or 1 likewise.
    source_areas, target_areas : ndarray, shape (cell,), steradians
        As the method reckons them; 0 where it needs none.
    backend : str
        What made the weights.
    """

    matrix: sparse.csr_array
    source: Grid
    target: Grid
    method: Method
    normalisation: Normalisation
    covered: FloatArray
    used: FloatArray
    source_areas: FloatArray
    target_areas: FloatArray
    backend: str = field(default="unknown")

    def key(self) -> str:
        """SHA-256 over both grids, both masks, method and normalisation, in hexadecimal."""
        return weights_key(self.source, self.target, self.method, self.normalisation)

    def reached(self, min_fraction: float) -> BoolArray:
        """Target cells that get a value, shape (target cell,).

        Parameters
        ----------
        min_fraction : float, 1
            Least covered share of a target cell; 0 takes every cell that is touched at all.
        """
        touched = np.diff(self.matrix.indptr) > 0
        reached: BoolArray = touched & (self.covered >= min_fraction)
        return reached

    def apply(self, fields: FloatArray, min_fraction: float = 0.0) -> FloatArray:
        """Bring fields to the target grid.

        Parameters
        ----------
        fields : ndarray, shape (source cell, ...)
            What stands in masked source cells is not read.
        min_fraction : float, 1
            As in `reached`.

        Returns
        -------
        ndarray, shape (target cell, ...)
            NaN in cells that are not reached.

        Raises
        ------
        GridError
            If the fields are not on the source grid.
        """
        if fields.shape[0] != self.source.size:
            raise GridError(
                f"the weights are for {self.source.size} cells of {self.source.name}, "
                f"the field has {fields.shape[0]}"
            )
        columns = fields.reshape(fields.shape[0], -1)
        result: FloatArray = np.asarray(self.matrix @ columns)
        unreached = np.flatnonzero(~self.reached(min_fraction))
        result[unreached] = np.nan
        return result.reshape(self.target.size, *fields.shape[1:])


def weights_key(source: Grid, target: Grid, method: Method, normalisation: Normalisation) -> str:
    """Key of weights: equal keys, equal weights."""
    parts = (source.checksum(), target.checksum(), str(method), str(normalisation))
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
