"""The cells of a grid in the form of sites, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.folds import positions_km
from ctsm_socnn.schemas import FORCING_DIMENSIONS, N_LAYERS, N_MONTHS

__all__ = ["GridCells", "NearestForcing"]

_CELLS_AT_ONCE: Final = 20_000
_FARTHEST_KM: Final = 100.0
"""Farthest cell of the forcing's grid that may stand for a cell of the covariates' grid."""
_DIMENSION_SIZES: Final = {"month": N_MONTHS, "layer": N_LAYERS}


class NearestForcing:
    """Forcing at any position, from the nearest cell that has all of it.

    Parameters
    ----------
    climatology : xarray.Dataset
        Forcing on `(month, layer, lat, lon)` or `(month, layer, cell)` of any name, with `lat` and
        `lon`.
    """

    def __init__(self, climatology: xr.Dataset) -> None:
        missing = [name for name in FORCING_DIMENSIONS if name not in climatology]
        if missing:
            raise NetworkError(f"the forcing lacks {', '.join(missing)}")
        cells = _flatten(climatology)
        self._values = {name: _as_sites(cells[name]) for name in FORCING_DIMENSIONS}
        # Sand may be missing everywhere: the published model does not use it.
        complete = np.all(
            [
                np.isfinite(values.reshape(len(values), -1)).all(axis=1)
                for name, values in self._values.items()
                if name != "CELLSAND"
            ],
            axis=0,
        )
        self._rows = np.flatnonzero(complete)
        if self._rows.size == 0:
            raise NetworkError("no cell of the forcing has all variables; check its land mask")
        self._tree = cKDTree(positions_km(cells)[self._rows])

    def at(
        self, positions: NDArray[np.float64]
    ) -> dict[str, tuple[tuple[str, ...], NDArray[np.float64]]]:
        """Return the forcing at positions (km, shape (n, 3)); NaN beyond 100 km from any cell."""
        distance, nearest = self._tree.query(positions)
        far = distance > _FARTHEST_KM
        forcing = {}
        for name, dimensions in FORCING_DIMENSIONS.items():
            values = self._values[name][self._rows[nearest]]
            values[far] = np.nan
            forcing[name] = (dimensions, values)
        return forcing


@dataclass(frozen=True)
class GridCells:
    """A grid of covariates that is walked through in blocks of cells.

    Attributes
    ----------
    covariates : xarray.Dataset
        On `(lat, lon)` or one dimension of cells.
    dimensions : tuple of str
        Horizontal dimensions, in the order of the maps.
    forcing : NearestForcing or None
    """

    covariates: xr.Dataset
    dimensions: tuple[str, ...]
    forcing: NearestForcing | None

    @classmethod
    def from_dataset(
        cls, covariates: xr.Dataset, names: tuple[str, ...], forcing: xr.Dataset | None
    ) -> GridCells:
        """Take the named covariates of a grid.

        Parameters
        ----------
        covariates : xarray.Dataset
            With `lat` and `lon`; may hold the forcing too.
        names : tuple of str
        forcing : xarray.Dataset, optional
            Monthly climatology on a grid of its own.

        Raises
        ------
        NetworkError
            If covariates, positions or the forcing are missing.
        """
        missing = [name for name in (*names, "lat", "lon") if name not in covariates.variables]
        if missing:
            raise NetworkError(f"the grid lacks {', '.join(missing)}")
        held = {"lat", "lon"}
        wanted = [name for name in names if name not in held]
        dimensions = tuple(str(d) for d in covariates[wanted[0]].dims) if wanted else ("lat", "lon")
        return cls(
            covariates[wanted], dimensions, None if forcing is None else NearestForcing(forcing)
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each horizontal dimension."""
        return tuple(self.covariates.sizes[name] for name in self.dimensions)

    def blocks(self, cells_at_once: int = _CELLS_AT_ONCE) -> Iterator[tuple[slice, xr.Dataset]]:
        """Give slices of the flattened grid and their cells as sites."""
        flat = _flatten(self.covariates, self.dimensions)
        for start in range(0, flat.sizes["site"], cells_at_once):
            part = slice(start, min(start + cells_at_once, flat.sizes["site"]))
            cells = flat.isel(site=part).load()
            if self.forcing is not None:
                cells = cells.assign(self.forcing.at(positions_km(cells)))
            yield part, cells


def _flatten(dataset: xr.Dataset, dimensions: tuple[str, ...] | None = None) -> xr.Dataset:
    """Put all horizontal dimensions into one, `site`, with `lat` and `lon` along it."""
    horizontal = dimensions or tuple(
        str(d) for d in dataset["nbedrock"].dims if d not in _DIMENSION_SIZES
    )
    stacked = dataset.stack(site=horizontal, create_index=False)
    lat, lon = xr.broadcast(dataset["lat"], dataset["lon"])
    return stacked.drop_vars(["lat", "lon"], errors="ignore").assign(
        lat=("site", lat.transpose(*horizontal).values.ravel()),
        lon=("site", lon.transpose(*horizontal).values.ravel()),
    )


def _as_sites(field: xr.DataArray) -> NDArray[np.float64]:
    order = [name for name in ("site", "month", "layer") if name in field.dims]
    values = field.transpose(*order).values.astype(np.float64)
    return np.asarray(values)
