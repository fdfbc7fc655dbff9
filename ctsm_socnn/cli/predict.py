"""Predict maps of the 21 parameters from covariates on a grid.

  ctsm-socnn predict model covariates.nc -o maps.nc
  ctsm-socnn predict model covariates.nc --forcing 'history.clm2.h0.*.nc' -o maps.nc

A model that takes forcing summaries needs --forcing (CLM history files), unless the grid file holds
the forcing. Cells unlike all training sites are marked in `extrapolated`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from ctsm_socnn.forcing import read_climatology
from ctsm_socnn.netcdf import require_absent, write_dataset
from ctsm_socnn.network import load_model, predict_maps
from ctsm_socnn.provenance import provenance_attributes
from ctsm_socnn.schemas import open_file

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `predict`."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="directory made by train")
    parser.add_argument("grid", type=Path, metavar="GRID", help="covariates on a grid (netCDF)")
    parser.add_argument("--forcing", type=Path, nargs="+", metavar="FILE", help="history files")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="MAPS.nc")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def run(arguments: argparse.Namespace) -> int:
    """Predict and write the maps."""
    require_absent(arguments.output, overwrite=arguments.overwrite)
    model = load_model(arguments.model)
    grid = open_file(arguments.grid)
    for warning in model.transform.range_warnings(grid):
        print(f"warning: {warning}", file=sys.stderr)
    forcing = read_climatology(arguments.forcing) if arguments.forcing else None
    maps = predict_maps(model, grid, forcing=forcing)
    inputs = {"grid": arguments.grid, "model": arguments.model / "model.json"}
    maps.attrs |= provenance_attributes(seed=model.seed, inputs=inputs)
    write_dataset(maps, arguments.output, overwrite=arguments.overwrite)
    predicted = int(np.isfinite(maps["q10"].values).sum())
    outside = int(maps["extrapolated"].values.sum())
    print(
        f"wrote {arguments.output}: {predicted} cells, {outside} of them unlike the training sites"
    )
    return 0
