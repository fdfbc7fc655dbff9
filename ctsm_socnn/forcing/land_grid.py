"""The grid of history files, and how their fields become rows of land cells.

Both forms of CLM's output are read: `lat, lon`, and the one-dimensional `lndgrid` of runs whose
grid has no rows. Inside the package a field is always (..., land cell).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ForcingError, GridError
from ctsm_socnn.forcing.months import stored_values
from ctsm_socnn.model import SOIL_GRID
from ctsm_socnn.schemas import N_LAYERS

__all__ = ["LandGrid", "read_field", "require_soil_levels"]

_LARGEST_VALUE: Final = 1e30
"""Anything beyond is CLM's fill value 1e36."""

_FILL_ATTRIBUTES: Final = frozenset({"_FillValue", "missing_value"})
_PACKING_ATTRIBUTES: Final = frozenset({"scale_factor", "add_offset"})

_LEVEL_DIMENSIONS: Final = ("levsoi", "levgrnd", "levdcmp")
_NODE_TOLERANCE: Final = 1e-3
_COORDINATE_TOLERANCE: Final = 1e-4
"""Degrees; history coordinates are stored in single precision."""


@dataclass(frozen=True)
class LandGrid:
    """Cells of a history file.

    Attributes
    ----------
    dims : tuple of str
        `("lat", "lon")` or `("lndgrid",)`.
    lat, lon : ndarray, degrees
        Coordinates, each along its own dimension, as in the file.
    land : ndarray of int, shape (cell,)
        Positions of the land cells in the flattened grid.
    """

    dims: tuple[str, ...]
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    land: NDArray[np.int64]

    @classmethod
    def read(cls, dataset: netCDF4.Dataset, path: Path) -> LandGrid:
        """Read the grid of an open history file.

        Raises
        ------
        ForcingError
            If the file is no CLM history on a grid, or holds no land.
        """
        dims = ("lndgrid",) if "lndgrid" in dataset.dimensions else ("lat", "lon")
        _require_history(dataset, dims, path)
        lat, lon = (stored_values(dataset, name).astype(np.float64) for name in ("lat", "lon"))
        land = np.flatnonzero(_land_mask(dataset, dims, path))
        if land.size == 0:
            raise ForcingError(
                f"{path} has no land cell (landmask 1, or landfrac above 0); is the mask inverted?"
            )
        return cls(dims=dims, lat=lat, lon=lon, land=land)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the grid's dimensions."""
        return (self.lat.size,) if len(self.dims) == 1 else (self.lat.size, self.lon.size)

    def take(self, values: NDArray[Any]) -> NDArray[Any]:
        """Land cells of a field, (..., *shape) to (..., cell)."""
        flat = values.reshape(*values.shape[: values.ndim - len(self.dims)], -1)
        return np.take(flat, self.land, axis=-1)

    def spread(self, values: NDArray[Any], dims: tuple[str, ...] = ()) -> xr.Variable:
        """Put (..., cell) back on the grid; NaN over ocean.

        Parameters
        ----------
        values : ndarray, shape (..., cell)
        dims : tuple of str
            Names of the leading dimensions.
        """
        flat = np.full((*values.shape[:-1], int(np.prod(self.shape))), np.nan)
        flat[..., self.land] = values
        return xr.Variable((*dims, *self.dims), flat.reshape(*values.shape[:-1], *self.shape))

    def coordinates(self) -> dict[str, xr.Variable]:
        """`lat`, `lon` and `landmask` for a dataset on this grid."""
        mask = np.zeros(int(np.prod(self.shape)), dtype=np.int32)
        mask[self.land] = 1
        return {
            "lat": xr.Variable(self.dims[0], self.lat, {"units": "degrees_north"}),
            "lon": xr.Variable(self.dims[-1], self.lon, {"units": "degrees_east"}),
            "landmask": xr.Variable(
                self.dims, mask.reshape(self.shape), {"long_name": "1 on land"}
            ),
        }

    def require_same(self, other: LandGrid, path: Path, first: Path) -> None:
        """Refuse a file on another grid.

        Raises
        ------
        GridError
        """
        same = self.shape == other.shape and np.array_equal(self.land, other.land)
        if not (
            same
            and np.allclose(self.lat, other.lat, rtol=0, atol=_COORDINATE_TOLERANCE)
            and np.allclose(self.lon, other.lon, rtol=0, atol=_COORDINATE_TOLERANCE)
        ):
            raise GridError(
                f"{path} is on another grid or mask ({other.shape}, {other.land.size} land cells) than "
                f"{first} ({self.shape}, {self.land.size}); give files of one run"
            )


def read_field(
    dataset: netCDF4.Dataset, name: str, grid: LandGrid, samples: slice | None = None
) -> NDArray[np.floating]:
    """Read a field at the land cells, the first 20 levels of it, NaN where it is filled.

    Values keep the precision of the file.

    Parameters
    ----------
    dataset : netCDF4.Dataset
    name : str
    grid : LandGrid
    samples : slice, optional
        Positions along `time`; the field must have that dimension if they are given.

    Returns
    -------
    ndarray, shape ([time,] [20,] cell)

    Raises
    ------
    ForcingError
        If the dimensions are not `([time,] [level,] *grid)`.
    """
    variable = dataset[name]
    leading = variable.dimensions[: variable.ndim - len(grid.dims)]
    levels = leading[1:] if samples is not None else leading
    if (
        variable.dimensions[len(leading) :] != grid.dims
        or (samples is not None and leading[:1] != ("time",))
        or any(level not in _LEVEL_DIMENSIONS for level in levels)
        or len(levels) > 1
    ):
        raise ForcingError(
            f"{dataset.filepath()}: {name} has dimensions {variable.dimensions}; "
            f"it must be ([time,] [{'|'.join(_LEVEL_DIMENSIONS)},] {', '.join(grid.dims)})"
        )
    selection: list[slice] = [] if samples is None else [samples]
    selection += [slice(N_LAYERS)] * len(levels)
    # Masks from attributes cost time, which what CLM itself writes can do without.
    variable.set_auto_mask(not _fills_as_clm(variable))
    values = grid.take(stored_values(dataset, name, (*selection, Ellipsis)))
    filled = values > _LARGEST_VALUE
    if filled.any():
        values[filled] = np.nan
    return values


def _fills_as_clm(variable: netCDF4.Variable[Any]) -> bool:
    """Whether what is missing is 1e36 or NaN in floating-point values as they are."""
    attributes = set(variable.ncattrs())
    fills = [variable.getncattr(name) for name in attributes & _FILL_ATTRIBUTES]
    usual = not any(np.any(np.abs(fill) < _LARGEST_VALUE) for fill in fills)
    return variable.dtype.kind == "f" and usual and attributes.isdisjoint(_PACKING_ATTRIBUTES)


def require_soil_levels(dataset: netCDF4.Dataset, path: Path) -> None:
    """Refuse a file whose first 20 levels are not those of the 20SL_8.5m grid.

    Raises
    ------
    ForcingError
    """
    for name in _LEVEL_DIMENSIONS:
        if name not in dataset.variables:
            continue
        nodes = stored_values(dataset, name, slice(N_LAYERS)).astype(np.float64)
        if nodes.size < N_LAYERS or np.abs(nodes - SOIL_GRID.node_depth).max() > _NODE_TOLERANCE:
            raise ForcingError(
                f"{path}: {name} has nodes at {nodes[0]:g} ... {nodes[-1]:g} m ({nodes.size} used), "
                "not those of soil_layerstruct_predefined = '20SL_8.5m'; "
                "the parameters are defined on that grid only"
            )


def _require_history(dataset: netCDF4.Dataset, dims: tuple[str, ...], path: Path) -> None:
    has_grid = all(name in dataset.dimensions for name in dims)
    has_grid = has_grid and all(name in dataset.variables for name in ("lat", "lon"))
    has_levels = any(name in dataset.dimensions for name in _LEVEL_DIMENSIONS)
    if not (has_grid and has_levels):
        raise ForcingError(
            f"{path} is not gridded CLM history: it needs dimensions lat and lon (or lndgrid) with "
            f"coordinates, and one of {', '.join(_LEVEL_DIMENSIONS)}; found "
            f"{', '.join(dataset.dimensions)}. Is it of another component, or written with "
            "hist_dov2xy = .false.?"
        )


def _land_mask(dataset: netCDF4.Dataset, dims: tuple[str, ...], path: Path) -> NDArray[np.bool_]:
    for name, limit in (("landmask", 0.5), ("landfrac", 0.0)):
        if name in dataset.variables and dataset[name].dimensions == dims:
            values = stored_values(dataset, name).astype(np.float64).ravel()
            return (values > limit) & (values < _LARGEST_VALUE)
    raise ForcingError(f"{path} has neither landmask nor landfrac on ({', '.join(dims)})")
