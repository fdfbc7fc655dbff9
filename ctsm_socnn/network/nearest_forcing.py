"""Forcing at any position, of which no more is read at a time than is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.folds import positions_km
from ctsm_socnn.network.grid_pieces import (
    CELLS_AT_ONCE,
    Place,
    horizontal_dimensions,
    one_value_a_cell,
    pieces,
    raveled,
)
from ctsm_socnn.schemas import FORCING_DIMENSIONS

__all__ = ["FARTHEST_KM", "NearestForcing"]

FARTHEST_KM: Final = 100.0
"""Farthest cell of the forcing's grid that may stand for a cell of the covariates' grid."""
_POSITION: Final = ("lat", "lon")
_HELD_BYTES: Final = 1 << 28
"""Forcing up to this size is read once, as f09 is; more is read where it is used."""


class NearestForcing:
    """Forcing at any position, from the nearest cell that has all of it.

    Parameters
    ----------
    climatology : xarray.Dataset
        Forcing on `(month, layer, lat, lon)` or `(month, layer, cell)` of any name, with `lat` and
        `lon`; may be read from a file as it is needed.
    """

    def __init__(self, climatology: xr.Dataset) -> None:
        needed = (*FORCING_DIMENSIONS, *_POSITION)
        missing = [name for name in needed if name not in climatology.variables]
        if missing:
            raise NetworkError(f"the forcing lacks {', '.join(missing)}")
        forcing = climatology.set_coords(_POSITION)[list(FORCING_DIMENSIONS)]
        self._dimensions = horizontal_dimensions(forcing, "nbedrock")
        self._forcing = one_value_a_cell(forcing, self._dimensions)
        if self._forcing.nbytes <= _HELD_BYTES:
            self._forcing = self._forcing.compute()
        self._shape = tuple(self._forcing.sizes[name] for name in self._dimensions)
        positions = positions_km(self._positions())
        complete, piece = self._complete()
        complete &= np.isfinite(positions).all(axis=1)
        if not complete.any():
            raise NetworkError("no cell of the forcing has all variables; check its land mask")
        self._cells = np.flatnonzero(complete)
        self._piece = piece[complete]
        self._tree = cKDTree(positions[complete])

    def at(
        self, positions: NDArray[np.float64]
    ) -> dict[str, tuple[tuple[str, ...], NDArray[np.float64]]]:
        """Return the forcing at positions (km, shape (n, 3)).

        NaN beyond 100 km from any cell, and where the position is not known.
        """
        rows, nearest = self._within_reach(positions)
        values = {
            name: np.full((len(positions), *self._trailing(name)), np.nan)
            for name in FORCING_DIMENSIONS
        }
        for number in np.unique(self._piece[nearest]):
            here = self._piece[nearest] == number
            for name, found in self._read(self._cells[nearest[here]]):
                values[name][rows[here]] = found
        return {name: (dims, values[name]) for name, dims in FORCING_DIMENSIONS.items()}

    def _within_reach(
        self, positions: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows of positions that have a cell within reach, and its number in the tree."""
        rows = np.flatnonzero(np.isfinite(positions).all(axis=1))
        distance, nearest = self._tree.query(positions[rows])
        near = distance <= FARTHEST_KM
        return rows[near], np.asarray(nearest)[near]

    def _read(self, cells: NDArray[np.intp]) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Read the variables at cells of one piece, from the smallest box around them."""
        index = np.unravel_index(cells, self._shape)
        box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in index)
        part = self._part(box)
        inside = [i - along.start for i, along in zip(index, box, strict=True)]
        sizes = {name: part.sizes[name] for name in self._dimensions}
        flat = np.ravel_multi_index(inside, tuple(sizes.values()))
        for name in FORCING_DIMENSIONS:
            yield name, raveled(part[name], sizes)[flat]

    def _complete(self) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
        """Whether each cell has all variables, and the number of its piece, shape (cell,)."""
        complete = np.ones(self._shape, dtype=bool)
        piece = np.empty(self._shape, dtype=np.int32)
        for number, place in enumerate(pieces(self._shape, CELLS_AT_ONCE)):
            piece[place] = number
            part = self._part(place)
            sizes = {name: part.sizes[name] for name in self._dimensions}
            # Sand may be missing everywhere: the published model does not use it.
            for name in FORCING_DIMENSIONS.keys() - {"CELLSAND"}:
                known = np.isfinite(raveled(part[name], sizes))
                every = known.reshape(len(known), -1).all(axis=1)
                complete[place] &= every.reshape(tuple(sizes.values()))
        return complete.ravel(), piece.ravel()

    def _part(self, place: Place) -> xr.Dataset:
        return self._forcing.isel(dict(zip(self._dimensions, place, strict=True))).load()

    def _positions(self) -> xr.Dataset:
        sizes = dict(zip(self._dimensions, self._shape, strict=True))
        return xr.Dataset(
            {name: ("site", raveled(self._forcing[name], sizes)) for name in _POSITION}
        )

    def _trailing(self, name: str) -> tuple[int, ...]:
        return tuple(self._forcing.sizes[d] for d in FORCING_DIMENSIONS[name] if d != "site")
