"""The cells of a grid in the form of sites, in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import xarray as xr
from numpy.typing import NDArray

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
from ctsm_socnn.network.inputs import require_numbers
from ctsm_socnn.network.nearest_forcing import NearestForcing
from ctsm_socnn.schemas import COVARIATE_PREFIX, FORCING_DIMENSIONS

__all__ = ["CellBlock", "GridCells"]

_POSITION: Final = ("lat", "lon")


@dataclass(frozen=True)
class CellBlock:
    """Some whole rows of a grid, or a part of one row.

    Attributes
    ----------
    place : tuple of slice
        Along each horizontal dimension.
    dimensions : tuple of str
        Horizontal dimensions.
    shape : tuple of int
        Of the block's part of a map.
    positions : mapping of str to xarray.DataArray
        `lat` and `lon` of the part.
    cells : xarray.Dataset
        Covariates, and forcing if there is any, along `site`.
    """

    place: Place
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    positions: Mapping[str, xr.DataArray]
    cells: xr.Dataset

    def map_of(self, values: NDArray[Any], **attributes: Any) -> xr.DataArray:
        """Arrange values by cell, shape (cell,) or (layer, cell), on the part of the map."""
        leading = ("layer",) * (values.ndim - 1)
        shaped = values.reshape(*values.shape[:-1], *self.shape)
        return xr.DataArray(shaped, dims=(*leading, *self.dimensions), attrs=attributes)


@dataclass(frozen=True)
class GridCells:
    """A grid of covariates, read in blocks of cells.

    Attributes
    ----------
    covariates : xarray.Dataset
        On `(lat, lon)` or one dimension of cells; may be read lazily from a file.
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
            If covariates, positions or the forcing are missing, are not numeric, or hold more than
            one value per cell.
        """
        covariates = _prefixed(covariates, names)
        missing = [name for name in (*names, *_POSITION) if name not in covariates.variables]
        if missing:
            raise NetworkError(
                f"the grid lacks {', '.join(missing)}; the model needs them, covariates under these names "
                "or without cov_"
            )
        require_numbers(covariates, (*names, *_POSITION))
        covariates = covariates.set_coords(_POSITION)
        wanted = [name for name in names if name not in _POSITION]
        dimensions = horizontal_dimensions(covariates, (*wanted, *_POSITION)[0])
        if forcing is None and set(FORCING_DIMENSIONS) <= set(covariates.variables):
            forcing = covariates
        return cls(
            one_value_a_cell(covariates[[*wanted, *_POSITION]], dimensions),
            dimensions,
            None if forcing is None else NearestForcing(forcing),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each horizontal dimension."""
        return tuple(self.covariates.sizes[name] for name in self.dimensions)

    def blocks(self, cells_at_once: int = CELLS_AT_ONCE) -> Iterator[CellBlock]:
        """Yield blocks of as many whole rows as fit, or parts of rows that are longer."""
        for place in pieces(self.shape, cells_at_once):
            part = self.covariates.isel(dict(zip(self.dimensions, place, strict=True))).load()
            sizes = {name: part.sizes[name] for name in self.dimensions}
            cells = xr.Dataset(
                {name: ("site", raveled(part[name], sizes)) for name in (*part, *_POSITION)}
            )
            if self.forcing is not None:
                cells = cells.assign(self.forcing.at(positions_km(cells)))
            yield CellBlock(
                place=place,
                dimensions=self.dimensions,
                shape=tuple(sizes.values()),
                positions={name: part[name] for name in _POSITION},
                cells=cells,
            )


def _prefixed(covariates: xr.Dataset, names: tuple[str, ...]) -> xr.Dataset:
    """Add the prefix of covariates to variables that lack it."""
    bare = {name.removeprefix(COVARIATE_PREFIX): name for name in names}
    return covariates.rename(
        {old: new for old, new in bare.items() if old in covariates and new not in covariates}
    )
