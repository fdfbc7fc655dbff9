"""Grids from files: ESMF mesh, SCRIP, CESM domain, CLM surface dataset, any CF lat-lon file.

The form of a file is told by its variables. A grid whose cells turn out to be boxes on two axes
becomes rectilinear whatever form it came in, so that our own method serves it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import FileError, GridError
from ctsm_socnn.netcdf_reading import reading
from ctsm_socnn.regrid.geometry import BoolArray, FloatArray, Grid, cell_grid, rectilinear_grid
from ctsm_socnn.regrid.masks import land_mask, values_on_cells

__all__ = ["centre_variables", "field_of", "grid_of", "holds_grid", "read_grid_file"]

_SAME: Final = 1e-4
"""Degrees within which coordinates are the same; CLM stores many in single precision."""

_FORMS: Final = "nodeCoords (ESMF mesh), grid_center_lat (SCRIP), xc (domain), LONGXY (CLM), lon"


def read_grid_file(path: Path) -> Grid:
    """Read the grid of a file.

    Parameters
    ----------
    path : Path
        ESMF mesh, SCRIP grid, CESM domain file, CLM surface dataset or history file, or any
        netCDF file with CF longitude and latitude.

    Raises
    ------
    FileError
        If the file is missing or damaged.
    GridError
        If no form of grid is recognised or what it holds is impossible.
    """
    with _opened(Path(path)) as dataset:
        return grid_of(dataset, str(path))


def grid_of(dataset: xr.Dataset, name: str) -> Grid:
    """Grid of an open dataset.

    Raises
    ------
    GridError
        As `read_grid_file`.
    """
    if {"nodeCoords", "elementConn"} <= set(dataset.variables):
        return _from_esmf_mesh(dataset, name)
    if "grid_center_lat" in dataset.variables:
        return _from_scrip(dataset, name)
    if {"xc", "yc", "xv", "yv"} <= set(dataset.variables):
        return _from_domain(dataset, name)
    centres = centre_variables(dataset)
    if centres is None:
        raise GridError(f"{name} holds no grid; it has none of: {_FORMS}")
    return _from_centres(dataset, *centres, name)


def holds_grid(dataset: xr.Dataset) -> bool:
    """Whether a dataset says where its cells are."""
    return bool(_cell_dims(dataset))


def centre_variables(dataset: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray] | None:
    """Longitude and latitude of the cells' centres as the dataset has them, or None."""
    for lon, lat in (("LONGXY", "LATIXY"), ("lon", "lat"), ("longitude", "latitude")):
        if {lon, lat} <= set(dataset.variables):
            return dataset[lon], dataset[lat]
    return None


def field_of(dataset: xr.Dataset, variable: str, grid: Grid) -> NDArray[Any] | None:
    """Values of a field of a grid file in the order of its cells, shape (cell,).

    Parameters
    ----------
    dataset : xarray.Dataset
    variable : str
    grid : Grid
        `grid_of` this dataset.

    Returns
    -------
    ndarray, or None where the variable is not a field on the grid

    Raises
    ------
    GridError
        If the field changes along another dimension than those of the cells.
    """
    values = values_on_cells(dataset[variable], _cell_dims(dataset), grid.shape, grid.name)
    return None if values is None else values.ravel()


@contextmanager
def _opened(path: Path) -> Iterator[xr.Dataset]:
    if not path.exists():
        raise FileError(f"{path} does not exist")
    try:
        dataset = xr.open_dataset(path, engine="netcdf4", decode_times=False)
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        raise FileError(f"{path} cannot be read as netCDF: {error}") from error
    with reading(path), dataset:
        yield dataset


def _cell_dims(dataset: xr.Dataset) -> tuple[Hashable, ...]:
    """Dimensions along which a grid file lists its cells, in the order of its grid."""
    if "elementConn" in dataset.variables:
        return dataset["elementConn"].dims[:1]
    for name in ("grid_center_lat", "xc"):
        if name in dataset.variables:
            return dataset[name].dims
    lon, lat = centre_variables(dataset) or (xr.DataArray(), xr.DataArray())
    return tuple(dict.fromkeys((*lat.dims, *lon.dims)))


def _variable(dataset: xr.Dataset, variable: str, name: str) -> xr.DataArray:
    if variable not in dataset.variables:
        raise GridError(f"{name}: {variable} is missing, without which its grid is not complete")
    return dataset[variable]


def _land(dataset: xr.Dataset, shape: tuple[int, ...], name: str) -> BoolArray | None:
    return land_mask(dataset, _cell_dims(dataset), shape, name)


def _from_esmf_mesh(mesh: xr.Dataset, name: str) -> Grid:
    nodes = _degrees(mesh["nodeCoords"], name)
    counts = _variable(mesh, "numElementConn", name).values.astype(int)
    start = int(mesh["elementConn"].attrs.get("start_index", 1))
    connection = np.nan_to_num(mesh["elementConn"].values, nan=-1.0).astype(int) - start
    if connection.ndim != 2 or counts.shape != connection.shape[:1]:
        raise GridError(
            f"{name}: elementConn has shape {connection.shape} and numElementConn {counts.shape}; "
            "they must be (elementCount, maxNodePElement) and (elementCount,)"
        )
    if counts.min() < 1 or counts.max() > connection.shape[1]:
        raise GridError(
            f"{name}: numElementConn runs from {counts.min()} to {counts.max()}, "
            f"elementConn has room for {connection.shape[1]} nodes; the file is damaged"
        )
    rank = np.arange(connection.shape[1])
    last = np.take_along_axis(connection, counts[:, None] - 1, axis=1)
    connection = np.where(rank < counts[:, None], connection, last)
    if connection.min() < 0 or connection.max() >= len(nodes):
        raise GridError(
            f"{name}: elementConn points at nodes outside 1..{len(nodes)} "
            f"(start_index {start}); the file is damaged or start_index is wrong"
        )
    corner_lon, corner_lat = nodes[connection, 0], nodes[connection, 1]
    if "centerCoords" in mesh:
        lon, lat = _degrees(mesh["centerCoords"], name).T
    else:
        lon, lat = _middle(corner_lon, corner_lat)
    shape = _shape_from_dims(mesh, "origGridDims", lon.size)
    return _from_cells(name, shape, lon, lat, corner_lon, corner_lat, _land(mesh, shape, name))


def _from_scrip(grid: xr.Dataset, name: str) -> Grid:
    lon = _degrees(_variable(grid, "grid_center_lon", name), name)
    lat = _degrees(grid["grid_center_lat"], name)
    shape = _shape_from_dims(grid, "grid_dims", lon.size)
    mask = _land(grid, shape, name)
    if "grid_corner_lon" not in grid:
        return _without_corners(grid, lon.reshape(shape), lat.reshape(shape), mask, name)
    corner_lon = _degrees(grid["grid_corner_lon"], name)
    corner_lat = _degrees(_variable(grid, "grid_corner_lat", name), name)
    return _from_cells(name, shape, lon, lat, corner_lon, corner_lat, mask)


def _from_domain(domain: xr.Dataset, name: str) -> Grid:
    lon, lat = _degrees(domain["xc"], name), _degrees(domain["yc"], name)
    corner_lon, corner_lat = _degrees(domain["xv"], name), _degrees(domain["yv"], name)
    n_corners = corner_lon.shape[-1]
    return _from_cells(
        name,
        lon.shape,
        lon.ravel(),
        lat.ravel(),
        corner_lon.reshape(-1, n_corners),
        corner_lat.reshape(-1, n_corners),
        _land(domain, lon.shape, name),
    )


def _from_centres(dataset: xr.Dataset, lon: xr.DataArray, lat: xr.DataArray, name: str) -> Grid:
    lon_values, lat_values = _degrees(lon, name), _degrees(lat, name)
    if lon.ndim == lat.ndim == 1 and lon.dims != lat.dims:
        shape = (lat.size, lon.size)
        return rectilinear_grid(
            name,
            lon_values,
            lat_values,
            lon_bounds=_bounds(dataset, lon, name),
            lat_bounds=_bounds(dataset, lat, name),
            mask=_land(dataset, shape, name),
        )
    if lon.dims != lat.dims or lon.ndim not in (1, 2):
        raise GridError(
            f"{name}: {lon.name} {lon.dims} and {lat.name} {lat.dims} must be two axes, "
            "or share one or two dimensions"
        )
    mask = _land(dataset, lon.shape, name)
    return _without_corners(dataset, lon_values, lat_values, mask, name)


def _without_corners(
    dataset: xr.Dataset, lon: FloatArray, lat: FloatArray, mask: BoolArray | None, name: str
) -> Grid:
    if lon.ndim == 2 and _on_axes(lon, lat):
        return rectilinear_grid(name, lon[0], lat[:, 0], **_edges(dataset), mask=mask)
    return cell_grid(name, lon, lat, mask=mask)


def _edges(dataset: xr.Dataset) -> dict[str, Any]:
    """Bounds of axes from the cell edges that older surface datasets hold."""
    if not {"LONE", "LONW", "LATN", "LATS"} <= set(dataset.variables):
        return {}
    lon = np.stack([dataset["LONW"].values[0], dataset["LONE"].values[0]], axis=1)
    lat = np.stack([dataset["LATS"].values[:, 0], dataset["LATN"].values[:, 0]], axis=1)
    return {"lon_bounds": lon, "lat_bounds": lat}


def _from_cells(
    name: str,
    shape: tuple[int, ...],
    lon: FloatArray,
    lat: FloatArray,
    corner_lon: FloatArray,
    corner_lat: FloatArray,
    mask: BoolArray | None,
) -> Grid:
    if len(shape) == 2:
        axes = _axes_of_boxes(
            lon.reshape(shape),
            lat.reshape(shape),
            corner_lon.reshape(*shape, -1),
            corner_lat.reshape(*shape, -1),
        )
        if axes is not None:
            return rectilinear_grid(name, **axes, mask=mask)
        if 1 in shape:
            shape = (lon.size,)
    mask = None if mask is None else mask.reshape(shape)
    lon, lat = lon.reshape(shape), lat.reshape(shape)
    return cell_grid(name, lon, lat, corner_lon=corner_lon, corner_lat=corner_lat, mask=mask)


def _axes_of_boxes(
    lon: FloatArray, lat: FloatArray, corner_lon: FloatArray, corner_lat: FloatArray
) -> dict[str, FloatArray] | None:
    """Axes and bounds if every cell is a box between the same meridians and parallels."""
    if not _on_axes(lon, lat):
        return None
    south, north = corner_lat.min(axis=-1), corner_lat.max(axis=-1)
    offset = _turn(corner_lon - lon[..., None])
    offset = np.where(np.abs(corner_lat) > 90.0 - _SAME, np.nan, offset)
    if np.isnan(offset).all(axis=-1).any():
        return None
    west, east = np.nanmin(offset, axis=-1), np.nanmax(offset, axis=-1)
    at_edges = (
        _near(corner_lat, south[..., None]) | _near(corner_lat, north[..., None])
    ).all() and (
        np.isnan(offset) | _near(offset, west[..., None]) | _near(offset, east[..., None])
    ).all()
    same = all(_near(edge, edge[:1]).all() for edge in (west, east)) and all(
        _near(edge, edge[:, :1]).all() for edge in (south, north)
    )
    if not (at_edges and same):
        return None
    return {
        "lon": lon[0],
        "lat": lat[:, 0],
        "lon_bounds": np.stack([lon[0] + west[0], lon[0] + east[0]], axis=1),
        "lat_bounds": np.stack([south[:, 0], north[:, 0]], axis=1),
    }


def _on_axes(lon: FloatArray, lat: FloatArray) -> bool:
    return bool(_near(_turn(lon - lon[:1]), 0.0).all() and _near(lat, lat[:, :1]).all())


def _near(a: FloatArray, b: FloatArray | float) -> BoolArray:
    near: BoolArray = np.abs(a - b) <= _SAME
    return near


def _turn(difference: FloatArray) -> FloatArray:
    """Bring differences of longitude into -180..180."""
    return (difference + 180.0) % 360.0 - 180.0


def _middle(corner_lon: FloatArray, corner_lat: FloatArray) -> tuple[FloatArray, FloatArray]:
    first = corner_lon[:, :1]
    return (first + _turn(corner_lon - first)).mean(axis=1), corner_lat.mean(axis=1)


def _shape_from_dims(dataset: xr.Dataset, name: str, size: int) -> tuple[int, ...]:
    """Grid shape from a SCRIP-like list of dimensions, longitude first there."""
    if name not in dataset:
        return (size,)
    shape = tuple(int(n) for n in reversed(dataset[name].values))
    return shape if len(shape) == 2 and int(np.prod(shape)) == size else (size,)


def _degrees(variable: xr.DataArray, name: str) -> FloatArray:
    if variable.dtype.kind not in "fiu":
        raise GridError(f"{name}: {variable.name} holds no numbers; must be degrees or radians")
    values: FloatArray = np.asarray(variable.values, dtype=np.float64)
    units = str(variable.attrs.get("units", "degrees")).lower()
    if units.startswith("rad"):
        return np.rad2deg(values)
    if not units.startswith("deg"):
        raise GridError(f"{name}: {variable.name} is in {units!r}; must be degrees or radians")
    return values


def _bounds(dataset: xr.Dataset, axis: xr.DataArray, name: str) -> FloatArray | None:
    for candidate in (axis.attrs.get("bounds"), f"{axis.name}_bnds", f"{axis.name}_bounds"):
        if candidate in dataset.variables:
            edges = dataset[candidate].transpose(axis.dims[0], ..., missing_dims="ignore")
            return _degrees(edges, name)
    return None
