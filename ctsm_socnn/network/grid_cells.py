"""The cells of a grid in the form of sites, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.folds import positions_km
from ctsm_socnn.schemas import COVARIATE_PREFIX, FORCING_DIMENSIONS, N_LAYERS, N_MONTHS

__all__ = ["CellBlock", "GridCells", "NearestForcing"]

_POSITION: Final = ("lat", "lon")
_CELLS_AT_ONCE: Final = 5_000
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
        cells = _flatten(climatology.set_coords(_POSITION)[list(FORCING_DIMENSIONS)])
        values = {name: _as_sites(cells[name]) for name in FORCING_DIMENSIONS}
        # Sand may be missing everywhere: the published model does not use it.
        complete = np.all(
            [
                np.isfinite(field.reshape(len(field), -1)).all(axis=1)
                for name, field in values.items()
                if name != "CELLSAND"
            ],
            axis=0,
        )
        if not complete.any():
            raise NetworkError("no cell of the forcing has all variables; check its land mask")
        self._values = {name: field[complete] for name, field in values.items()}
        self._tree = cKDTree(positions_km(cells)[complete])

    def at(
        self, positions: NDArray[np.float64]
    ) -> dict[str, tuple[tuple[str, ...], NDArray[np.float64]]]:
        """Return the forcing at positions (km, shape (n, 3)); NaN beyond 100 km from any cell."""
        distance, nearest = self._tree.query(positions)
        far = distance > _FARTHEST_KM
        forcing = {}
        for name, dimensions in FORCING_DIMENSIONS.items():
            values = self._values[name][nearest]
            values[far] = np.nan
            forcing[name] = (dimensions, values)
        return forcing


@dataclass(frozen=True)
class CellBlock:
    """Some whole rows of a grid.

    Attributes
    ----------
    rows : slice
        Along the first horizontal dimension.
    dimensions : tuple of str
        Horizontal dimensions.
    shape : tuple of int
        Of the block's part of a map.
    positions : mapping of str to xarray.DataArray
        `lat` and `lon` of the part.
    cells : xarray.Dataset
        Covariates, and forcing if there is any, along `site`.
    """

    rows: slice
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    positions: Mapping[str, xr.DataArray]
    cells: xr.Dataset

    def map_of(self, values: NDArray[Any], **attributes: Any) -> xr.DataArray:
        """Put values by cell, shape (cell,) or (layer, cell), on the part of the map."""
        leading = ("layer",) * (values.ndim - 1)
        shaped = values.reshape(*values.shape[:-1], *self.shape)
        return xr.DataArray(shaped, dims=(*leading, *self.dimensions), attrs=attributes)


@dataclass(frozen=True)
class GridCells:
    """A grid of covariates that is walked through in blocks of rows.

    Attributes
    ----------
    covariates : xarray.Dataset
        On `(lat, lon)` or one dimension of cells; may be read from a file as it is needed.
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
            With `lat` and `lon`; may hold the forcing too. Names may lack the prefix `cov_`.
        names : tuple of str
        forcing : xarray.Dataset, optional
            Monthly climatology on a grid of its own.

        Raises
        ------
        NetworkError
            If covariates, positions or the forcing are missing.
        """
        covariates = _prefixed(covariates, names)
        missing = [name for name in (*names, *_POSITION) if name not in covariates.variables]
        if missing:
            raise NetworkError(f"the grid lacks {', '.join(missing)}")
        covariates = covariates.set_coords(_POSITION)
        wanted = [name for name in names if name not in _POSITION]
        dimensions = tuple(str(d) for d in covariates[wanted[0]].dims) if wanted else ("lat", "lon")
        if forcing is None and set(FORCING_DIMENSIONS) <= set(covariates.variables):
            forcing = covariates
        return cls(
            covariates[wanted], dimensions, None if forcing is None else NearestForcing(forcing)
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each horizontal dimension."""
        return tuple(self.covariates.sizes[name] for name in self.dimensions)

    def blocks(self, cells_at_once: int = _CELLS_AT_ONCE) -> Iterator[CellBlock]:
        """Give as many whole rows at a time as hold the cells, and at least one."""
        first, n_rows = self.dimensions[0], self.shape[0]
        row_size = int(np.prod(self.shape[1:]))
        step = max(cells_at_once // row_size, 1)
        for start in range(0, n_rows, step):
            rows = slice(start, min(start + step, n_rows))
            part = self.covariates.isel({first: rows}).load()
            cells = _flatten(part, self.dimensions)
            if self.forcing is not None:
                cells = cells.assign(self.forcing.at(positions_km(cells)))
            yield CellBlock(
                rows=rows,
                dimensions=self.dimensions,
                shape=tuple(part.sizes[name] for name in self.dimensions),
                positions={name: part[name] for name in _POSITION},
                cells=cells,
            )


def _prefixed(covariates: xr.Dataset, names: tuple[str, ...]) -> xr.Dataset:
    """Give variables that lack the prefix of covariates the names that are looked for."""
    bare = {name.removeprefix(COVARIATE_PREFIX): name for name in names}
    return covariates.rename(
        {old: new for old, new in bare.items() if old in covariates and new not in covariates}
    )


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
