"""Parameter maps in the form of CTSM's proposed stream of distributed parameters.

The proposal (CTSM pull request 3405) reads a CDEPS stream whose variables have the paramfile's
names and the dimensions time, lat and lon, with an ESMF mesh beside it. It does not know soil
parameters yet; the file is ready for the day on which it does.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr

from ctsm_socnn.errors import ExportError
from ctsm_socnn.export.gridded import GriddedDelivery, gridded_dataset
from ctsm_socnn.netcdf import atomic_output, require_absent, write_ctsm_input
from ctsm_socnn.netcdf_reading import read_header
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, resolve_version
from ctsm_socnn.regrid.geometry import FloatArray, Grid
from ctsm_socnn.regrid.grid_files import read_grid_file

__all__ = ["write_parameter_stream"]

_EARLIEST: Final = "days since 2000-01-01 00:00"
_MESH_VARIABLES: Final = {"nodeCoords", "elementConn"}


def write_parameter_stream(
    maps: xr.Dataset,
    output: Path,
    mesh: Path,
    version: CtsmVersion | str,
    *,
    model_grid: Path,
    parameters: Collection[str] | None = None,
    overwrite: bool = False,
) -> GriddedDelivery:
    """Write maps as a stream file and the mesh that belongs to it.

    Parameters
    ----------
    maps : xarray.Dataset
        As `ctsm_socnn.export.write_gridded_parameters`; on latitudes and longitudes.
    output : Path
        Stream file: `time` (1), `lat`, `lon`.
    mesh : Path
        ESMF mesh to write: a copy of `model_grid` where that is one, made from it otherwise.
    version : CtsmVersion or str
        Whose names the variables get.
    model_grid : Path
        Surface dataset or mesh of the case.
    parameters : collection of str, optional
        Registry names to deliver; by default all in the maps.
    overwrite : bool

    Raises
    ------
    ExportError
        If the maps are not on a lat-lon grid, or as `write_gridded_parameters`.
    FileError
        If an output exists or cannot be written.
    """
    target = resolve_version(version)
    dataset, delivery = gridded_dataset(maps, target, model_grid=model_grid, parameters=parameters)
    if "lsmlat" not in dataset.dims:
        raise ExportError(
            "parameter maps are a list of cells; a stream needs latitudes, longitudes"
        )
    stream = _on_axes(dataset)
    mesh_dataset = None if _is_mesh(model_grid) else _mesh_of(read_grid_file(model_grid))
    require_absent(mesh, overwrite=overwrite)
    write_ctsm_input(stream, output, overwrite=overwrite)
    if mesh_dataset is not None:
        write_ctsm_input(mesh_dataset, mesh, overwrite=overwrite)
    else:
        with atomic_output(mesh, overwrite=overwrite) as temporary:
            shutil.copyfile(model_grid, temporary)
    return delivery


def _on_axes(dataset: xr.Dataset) -> xr.Dataset:
    lat, lon = dataset["LATIXY"].values, dataset["LONGXY"].values
    if np.ptp(lat, axis=1).max() > 0.0 or np.ptp(lon, axis=0).max() > 0.0:
        raise ExportError("parameter maps are on a curvilinear grid; a stream needs lat-lon axes")
    renamed = dataset.drop_vars(["LATIXY", "LONGXY"]).rename(lsmlat="lat", lsmlon="lon")
    stream = renamed.expand_dims("time")
    stream["time"] = ("time", np.array([0.5]), {"units": _EARLIEST, "calendar": "noleap"})
    stream["lat"] = ("lat", lat[:, 0], {"units": "degrees_north", "long_name": "latitude"})
    stream["lon"] = ("lon", lon[0], {"units": "degrees_east", "long_name": "longitude"})
    return stream


def _is_mesh(path: Path) -> bool:
    return set(read_header(path).variables) >= _MESH_VARIABLES


def _mesh_of(grid: Grid) -> xr.Dataset:
    """ESMF unstructured mesh of lat-lon boxes, counter-clockwise from the south-west corner."""
    west_east, south_north = _edges(grid)
    south, north = (np.repeat(edge, grid.lon.size) for edge in south_north.T)
    west, east = (np.tile(edge, grid.lat.size) for edge in west_east.T)
    corners = np.stack([[west, south], [east, south], [east, north], [west, north]])
    nodes = corners.transpose(2, 0, 1).reshape(-1, 2)
    lon, lat = grid.centres()
    degrees = {"units": "degrees"}
    connection = np.arange(1, nodes.shape[0] + 1, dtype=np.int32).reshape(-1, 4)
    return xr.Dataset(
        {
            "nodeCoords": (("nodeCount", "coordDim"), nodes, degrees),
            "elementConn": (("elementCount", "maxNodePElement"), connection, {"start_index": 1}),
            "numElementConn": ("elementCount", np.full(grid.size, 4, dtype=np.int32)),
            "centerCoords": (("elementCount", "coordDim"), np.stack([lon, lat], axis=1), degrees),
            "elementMask": ("elementCount", grid.mask.ravel().astype(np.int32)),
            "origGridDims": ("origGridRank", np.array([grid.lon.size, grid.lat.size], np.int32)),
        },
        attrs={"gridType": "unstructured mesh", "version": "0.9"},
    )


def _edges(grid: Grid) -> tuple[FloatArray, FloatArray]:
    if grid.lon_bounds is None or grid.lat_bounds is None:
        raise ExportError(
            f"{grid.name} does not say between which latitudes and longitudes its cells lie; "
            "give its ESMF mesh as the model grid"
        )
    return grid.lon_bounds, grid.lat_bounds
