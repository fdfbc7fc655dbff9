"""Regrid parameter maps to a model grid.

Example:
  ctsm-socnn regrid maps.nc --to f09 --mask surfdata.nc -o maps_f09.nc
  ctsm-socnn regrid maps.nc --to surfdata.nc -o maps_model.nc --fill default
  ctsm-socnn regrid maps.nc --to ne30_mesh.nc -o maps_ne30.nc --save-weights weights.nc
  ctsm-socnn regrid maps.nc --to f19 -o maps_f19.nc --weights weights.nc

The grid is a CESM name, an ESMF mesh, a SCRIP grid, a CESM domain file, a CLM surface dataset or
history file, or any netCDF file with longitude and latitude. Grids that are not lat-lon need ESMPy.
Land is taken from that file, or from the file given with --mask; the name of a CESM grid implies no
mask, so all its cells are filled.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.cli.named_files import file_and_variable, require_own_names
from ctsm_socnn.errors import GridError
from ctsm_socnn.netcdf import require_absent, write_dataset
from ctsm_socnn.provenance import provenance_attributes
from ctsm_socnn.regrid.backends import BACKENDS, make_weights
from ctsm_socnn.regrid.fill import Fill
from ctsm_socnn.regrid.grid_files import field_of, grid_of, holds_grid
from ctsm_socnn.regrid.grids import CESM_GRIDS, Grid, read_grid
from ctsm_socnn.regrid.maps import LEAST_FRACTION, data_grid, regrid_maps
from ctsm_socnn.regrid.masks import index_of_cells, takes_sea_for_land
from ctsm_socnn.regrid.weight_files import read_weights, write_weights
from ctsm_socnn.regrid.weights import Method, RemapWeights
from ctsm_socnn.schemas import open_file, validate_maps

__all__ = ["add_arguments", "run"]

_NO_MASK: Final = (
    "the ocean cells of {} {} too, because nothing says that they are no land; --mask FILE "
    "(surface dataset, domain or history file of that grid) does"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add = parser.add_argument
    add("maps", type=Path, metavar="MAPS.nc", help="parameter maps")
    add("--to", required=True, metavar="GRID", help=f"{', '.join(CESM_GRIDS)} or a grid file")
    add("--mask", type=Path, metavar="FILE", help="file of the same cells that says what is land")
    add("-o", "--output", required=True, type=Path, metavar="OUT.nc", help="maps on that grid")
    add("--from", dest="source", metavar="GRID", help="grid of the maps, if not in their file")
    add(
        "--method",
        type=Method,
        default=Method.CONSERVATIVE,
        choices=list(Method),
        help="default %(default)s",
    )
    add(
        "--min-fraction",
        type=float,
        default=LEAST_FRACTION,
        metavar="SHARE",
        help="least covered share of a model cell, default %(default)s",
    )
    add(
        "--fill",
        type=Fill,
        default=Fill.NEAREST,
        choices=list(Fill),
        help="for land that the maps do not cover, default %(default)s",
    )
    add("--biomes", metavar="FILE:VARIABLE", help="classes on the model grid, for --fill biome")
    add("--backend", default="auto", choices=BACKENDS, help="what makes the weights")
    add("--weights", type=Path, metavar="FILE", help="weights made before, by this, ESMF or CDO")
    add("--save-weights", type=Path, metavar="FILE", help="keep the weights for another run")
    add("--overwrite", action="store_true", help="replace outputs that exist")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    outputs = {"-o": arguments.output, "--save-weights": arguments.save_weights}
    require_own_names(outputs, _read(arguments))
    for output in outputs.values():
        if output is not None:
            require_absent(output, overwrite=arguments.overwrite)
    if not 0.0 <= arguments.min_fraction <= 1.0:
        raise GridError(f"--min-fraction {arguments.min_fraction:g} is not between 0 and 1")
    maps = validate_maps(open_file(arguments.maps), str(arguments.maps))
    target = read_grid(arguments.to, arguments.mask)
    source = read_grid(arguments.source) if arguments.source else None
    weights = _weights(arguments, data_grid(maps, source), target)
    result = regrid_maps(
        maps,
        target,
        min_fraction=arguments.min_fraction,
        fill=arguments.fill,
        weights=weights,
        source=source,
        biomes=_biomes(arguments.biomes, target),
    )
    inputs = {"maps": arguments.maps}
    if Path(arguments.to).is_file():
        inputs["grid"] = Path(arguments.to)
    if arguments.mask is not None:
        inputs["mask"] = arguments.mask
    stamp = provenance_attributes(
        seed=None, inputs=inputs, previous_history=str(maps.attrs.get("history", ""))
    )
    stamp["seed"] = str(maps.attrs.get("seed", "none"))
    write_dataset(result.assign_attrs(stamp), arguments.output, overwrite=arguments.overwrite)
    if arguments.save_weights is not None:
        write_weights(weights, arguments.save_weights, overwrite=arguments.overwrite)
    print_result(arguments, _counts(result), _report(result, weights, arguments))
    return 0


def _read(arguments: argparse.Namespace) -> Iterator[Path]:
    """Files that the command reads; a CESM name is none."""
    biomes, _ = file_and_variable(arguments.biomes or "")
    for name in (
        arguments.maps,
        arguments.to,
        arguments.source,
        arguments.mask,
        arguments.weights,
        biomes,
    ):
        if name is not None and Path(name).is_file():
            yield Path(name)


def _counts(result: xr.Dataset) -> dict[str, int]:
    """Cells by what became of them."""
    return {
        name.removeprefix("cells_"): int(count)
        for name, count in result.attrs.items()
        if name.startswith("cells_")
    }


def _weights(arguments: argparse.Namespace, data: Grid, target: Grid) -> RemapWeights:
    if arguments.weights is None:
        return make_weights(data, target, arguments.method, backend=arguments.backend)
    return read_weights(arguments.weights, data, target, arguments.method)


def _biomes(argument: str | None, target: Grid) -> NDArray[np.integer] | None:
    if argument is None:
        return None
    path, name = file_and_variable(argument)
    if name is None:
        raise GridError(f"--biomes {argument}: must be FILE:VARIABLE")
    dataset = open_file(path)
    if name not in dataset:
        raise GridError(f"{path}: {name} is not there; it has {', '.join(map(str, dataset))}")
    grid = grid_of(dataset, str(path)) if holds_grid(dataset) else target
    values = field_of(dataset, name, grid)
    if values is None:
        raise GridError(
            f"{path}: {name} {dataset[name].sizes} must be there with the {grid.size} cells of "
            f"{grid.name}"
        )
    biomes = np.full(target.size, -1, dtype=np.int64)
    biomes[index_of_cells(target, grid)] = np.where(np.isfinite(values), values, -1)
    return biomes


def _report(result: xr.Dataset, weights: RemapWeights, arguments: argparse.Namespace) -> str:
    counts = _counts(result).items()
    cells = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts if count)
    target = weights.target
    line = (
        f"{arguments.output}: {' x '.join(str(n) for n in target.shape)} {target.kind} cells of "
        f"{target.name}, {weights.method} by {weights.backend}: {cells}"
    )
    if not takes_sea_for_land(target):
        return line
    become = "count as gaps" if arguments.fill is Fill.NONE else "are filled"
    return f"{line}\n{_NO_MASK.format(target.name, become)}"
