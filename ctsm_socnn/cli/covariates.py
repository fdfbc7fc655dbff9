r"""Bring rasters to the grid of a model or of a history file, as covariates.

  ctsm-socnn covariates --grid run/case.clm2.h0a.2001-02-01-00000.nc \
      --mean BIO1=wc2.1_2.5m_bio_1.tif BIO12=wc2.1_2.5m_bio_12.tif \
      --mode landcover=modis.nc:Land_Cover_Type_1 -o covariates.nc

Rasters are GeoTIFF (needs rasterio) or netCDF in geographic coordinates, finer or coarser than the
grid. `--mean` averages over the pixels of a cell, `--mode` takes their most frequent class,
`--nearest` the pixel at the cell's centre. Sites and maps both read the result, so that training
and prediction see the same values.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.cli.named_files import file_and_variable
from ctsm_socnn.errors import ConfigError, GridError
from ctsm_socnn.netcdf import require_absent, write_dataset
from ctsm_socnn.observations.aggregate import METHODS, CellGrid, Method, aggregate
from ctsm_socnn.observations.rasters import open_raster
from ctsm_socnn.provenance import provenance_attributes
from ctsm_socnn.schemas import COVARIATE_PREFIX, open_file

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--grid",
        type=Path,
        required=True,
        metavar="FILE",
        help="file with lat and lon of the cells, and landmask where only land is wanted",
    )
    for method in METHODS:
        parser.add_argument(
            f"--{method}",
            nargs="+",
            default=[],
            metavar="NAME=FILE",
            help=f"rasters to bring by {method}; FILE:VARIABLE where a file holds several",
        )
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace existing output")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Aggregate each raster and tell what is missing."""
    require_absent(arguments.output, overwrite=arguments.overwrite)
    wanted = [(method, *_parse(word)) for method in METHODS for word in getattr(arguments, method)]
    if not wanted:
        raise ConfigError("name at least one raster with --mean, --mode or --nearest")
    grid, land = _target(arguments.grid)
    fields, counted = {}, []
    for method, name, path, variable in wanted:
        field = _covariate(grid, land, method, path, variable)
        fields[COVARIATE_PREFIX + name] = field
        counts = {key: field.attrs[key] for key in ("missing_cells", "cells_without_pixel")}
        counted.append({"name": name, "method": method, "raster": path.name, **counts})
    inputs = {name: path for _, name, path, _ in wanted} | {"grid": arguments.grid}
    covariates = xr.Dataset(
        fields,
        {
            "lat": ("lat", grid.lat, {"units": "degrees_north"}),
            "lon": ("lon", grid.lon, {"units": "degrees_east"}),
        },
        provenance_attributes(seed=None, inputs=inputs),
    )
    write_dataset(covariates, arguments.output, overwrite=arguments.overwrite)
    cells = int(land.sum())
    lines = (
        f"{row['name']}: {row['method']} of {row['raster']}, {row['missing_cells']} of {cells} cells "
        f"missing, {row['cells_without_pixel']} took the nearest pixel"
        for row in counted
    )
    print_result(arguments, {"cells": cells, "covariates": counted}, "\n".join(lines))
    return 0


def _parse(word: str) -> tuple[str, Path, str | None]:
    name, separator, place = word.partition("=")
    if not separator or not name or not place:
        raise ConfigError(f"{word}: must read NAME=FILE or NAME=FILE:VARIABLE")
    return name, *file_and_variable(place)


def _target(path: Path) -> tuple[CellGrid, NDArray[np.bool_]]:
    dataset = open_file(path)
    if not {"lat", "lon"} <= set(dataset.variables) or dataset["lat"].dims == dataset["lon"].dims:
        raise GridError(
            f"{path} has no rectilinear grid: it needs coordinates lat(lat) and lon(lon)"
        )
    grid = CellGrid(*(np.asarray(dataset[name].values, dtype=float) for name in ("lat", "lon")))
    if "landmask" not in dataset:
        return grid, np.ones(grid.shape, dtype=np.bool_)
    return grid, np.asarray(dataset["landmask"].values == 1)


def _covariate(
    grid: CellGrid,
    land: NDArray[np.bool_],
    method: Method,
    path: Path,
    variable: str | None,
) -> xr.Variable:
    with open_raster(path, variable) as raster:
        values, filled = aggregate(raster, grid, method)
        units = raster.units
    values[~land] = np.nan
    attributes = {
        "units": units,
        "aggregation": method,
        "categorical": int(method == "mode"),
        "missing_cells": int(np.isnan(values[land]).sum()),
        "cells_without_pixel": filled,
    }
    return xr.Variable(("lat", "lon"), values.astype(np.float32), attributes)
