"""Forcing at any position, read from a grid in parts."""

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
    horizontal_dimensions,
    one_value_a_cell,
    pieces,
    raveled,
)
from ctsm_socnn.schemas import FORCING_DIMENSIONS, MODEL_FORCING

__all__ = ["FARTHEST_KM", "NearestForcing"]

FARTHEST_KM: Final = 100.0
"""Largest distance between a cell and the cell of the forcing's grid that is used for it."""
_POSITION: Final = ("lat", "lon")
_CELLS_HELD: Final = 30_000
"""In memory at a time, 130 MB; smaller parts of large compressed chunks would be slow to read."""


class NearestForcing:
    """Forcing at any position, from the nearest cell with complete forcing.

    Parameters
    ----------
    climatology : xarray.Dataset
        Forcing on `(month, layer, lat, lon)` or `(month, layer, cell)` of any name, with `lat` and
        `lon`; may be read lazily from a file.
    """

    def __init__(self, climatology: xr.Dataset) -> None:
        needed = (*FORCING_DIMENSIONS, *_POSITION)
        missing = [name for name in needed if name not in climatology.variables]
        if missing:
            raise NetworkError(f"the forcing lacks {', '.join(missing)}")
        forcing = climatology.set_coords(_POSITION)[list(FORCING_DIMENSIONS)]
        self._dimensions = horizontal_dimensions(forcing, "nbedrock")
        self._forcing = one_value_a_cell(forcing, self._dimensions)
        self._shape = tuple(self._forcing.sizes[name] for name in self._dimensions)
        self._places = list(pieces(self._shape, _CELLS_HELD))
        self._held: tuple[int, xr.Dataset] | None = None
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

        NaN beyond 100 km from any cell, and where the position is unknown.
        """
        rows, nearest = self._within_reach(positions)
        values = {
            name: np.full((len(positions), *self._trailing(name)), np.nan)
            for name in FORCING_DIMENSIONS
        }
        for number in np.unique(self._piece[nearest]):
            here = self._piece[nearest] == number
            for name, found in self._read(int(number), self._cells[nearest[here]]):
                values[name][rows[here]] = found
        return {name: (dims, values[name]) for name, dims in FORCING_DIMENSIONS.items()}

    def _within_reach(
        self, positions: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows of positions with a cell within reach, and the number of that cell in the tree."""
        rows = np.flatnonzero(np.isfinite(positions).all(axis=1))
        distance, nearest = self._tree.query(positions[rows])
        near = distance <= FARTHEST_KM
        return rows[near], np.asarray(nearest)[near]

    def _read(
        self, number: int, cells: NDArray[np.intp]
    ) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Read the variables at cells of one piece, from the smallest box around them."""
        whole = np.unravel_index(cells, self._shape)
        index = [i - p.start for i, p in zip(whole, self._places[number], strict=True)]
        box = [slice(int(i.min()), int(i.max()) + 1) for i in index]
        part = self._part(number).isel(dict(zip(self._dimensions, box, strict=True)))
        sizes = {name: part.sizes[name] for name in self._dimensions}
        inside = [i - along.start for i, along in zip(index, box, strict=True)]
        flat = np.ravel_multi_index(inside, tuple(sizes.values()))
        for name in FORCING_DIMENSIONS:
            yield name, raveled(part[name], sizes)[flat]

    def _complete(self) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
        """Whether each cell has all variables, and the number of its piece, shape (cell,)."""
        complete = np.ones(self._shape, dtype=bool)
        piece = np.empty(self._shape, dtype=np.int32)
        for number, place in enumerate(self._places):
            piece[place] = number
            part = self._part(number)
            sizes = {name: part.sizes[name] for name in self._dimensions}
            # Sand may be missing everywhere: the published model does not use it.
            for name in MODEL_FORCING:
                trailing = [d for d in FORCING_DIMENSIONS[name] if d != "site"]
                known = part[name].copy(data=np.isfinite(part[name].values)).all(trailing)
                complete[place] &= raveled(known, sizes).reshape(tuple(sizes.values()))
        return complete.ravel(), piece.ravel()

    def _part(self, number: int) -> xr.Dataset:
        """Return a piece of the forcing; the last one is kept in memory."""
        if self._held is not None and self._held[0] == number:
            return self._held[1]
        self._held = None  # so that there are never two
        place = dict(zip(self._dimensions, self._places[number], strict=True))
        part = self._forcing.isel(place).load()
        self._held = number, part
        return part

    def _positions(self) -> xr.Dataset:
        sizes = dict(zip(self._dimensions, self._shape, strict=True))
        return xr.Dataset(
            {name: ("site", raveled(self._forcing[name], sizes)) for name in _POSITION}
        )

    def _trailing(self, name: str) -> tuple[int, ...]:
        return tuple(self._forcing.sizes[d] for d in FORCING_DIMENSIONS[name] if d != "site")
