"""Predict maps of the 21 parameters, and of the soil carbon they imply, on a grid.

  ctsm-socnn predict model covariates.nc -o maps.nc
  ctsm-socnn predict model covariates.nc --forcing 'history.clm2.h0.*.nc' -o maps.nc
  ctsm-socnn predict model covariates.nc --forcing climatology.nc -o maps.nc --soil-carbon soc.nc

A model that takes forcing summaries needs --forcing: CLM history files or what ctsm-socnn forcing
wrote, unless the grid file holds the forcing. With --soil-carbon each cell's parameters are run
through the kernel on its forcing: carbon by layer, stocks, their spread over the ensemble, and
totals over land. Cells unlike all training sites, or without the forcing that the model takes,
are marked in `extrapolated`, and hatched in figures. Cells are processed in parts, so the grid may
have any size. Exits 1 if a physical limit is broken.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import xarray as xr

from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.cli.named_files import require_own_names
from ctsm_socnn.directories import make_directory
from ctsm_socnn.errors import ConfigError
from ctsm_socnn.forcing import find_history, open_climatology, read_climatology
from ctsm_socnn.netcdf import require_absent
from ctsm_socnn.network import MapSummary, load_model, write_maps
from ctsm_socnn.provenance import provenance_attributes
from ctsm_socnn.schemas import open_file

__all__ = ["add_arguments", "run"]

_FIGURES: Final = ("parameters.png", "soil_carbon.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `predict`."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="directory made by train")
    parser.add_argument("grid", type=Path, metavar="GRID", help="covariates on a grid (netCDF)")
    parser.add_argument(
        "--forcing", nargs="+", metavar="FILE", help="history files, or a climatology made of them"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="MAPS.nc", help="maps to write"
    )
    parser.add_argument(
        "--soil-carbon", type=Path, metavar="SOC.nc", help="write soil carbon and stocks there"
    )
    parser.add_argument("--figures", type=Path, metavar="DIR", help="draw into this directory")
    add_json(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")


def run(arguments: argparse.Namespace) -> int:
    """Predict, write, say what came out."""
    outputs = [p for p in (arguments.output, arguments.soil_carbon) if p is not None]
    history = find_history(arguments.forcing) if arguments.forcing else []
    read = [arguments.grid, arguments.model, *arguments.model.glob("*"), *history]
    require_own_names({"-o": arguments.output, "--soil-carbon": arguments.soil_carbon}, read)
    for path in outputs:
        require_absent(path, overwrite=arguments.overwrite)
    model = load_model(arguments.model)
    forcing = _forcing(history) if history else None
    inputs = {"grid": arguments.grid, "model": arguments.model / "model.json"}
    with open_file(arguments.grid, load=False) as grid:
        if arguments.figures is not None:
            _require_drawable(arguments, grid)
        summary = write_maps(
            model,
            grid,
            arguments.output,
            forcing=forcing,
            soil_carbon=arguments.soil_carbon,
            attributes=provenance_attributes(seed=model.seed, inputs=inputs),
            overwrite=arguments.overwrite,
        )
    if arguments.figures is not None:
        _draw(arguments)
    for warning in summary.warnings():
        print(f"warning: {warning}", file=sys.stderr)
    lines = [f"wrote {', '.join(map(str, outputs))}", *_lines(summary)]
    print_result(arguments, summary.as_json(), "\n".join(lines))
    return 1 if summary.broken else 0


def _require_drawable(arguments: argparse.Namespace, grid: xr.Dataset) -> None:
    """Refuse, before anything is computed, what could not be drawn."""
    if not {"lat", "lon"} <= set(grid.dims):
        raise ConfigError(f"--figures: {arguments.grid} is not on (lat, lon); leave --figures out")
    make_directory(arguments.figures)
    for name in _FIGURES:
        require_absent(arguments.figures / name, overwrite=arguments.overwrite)


def _draw(arguments: argparse.Namespace) -> None:
    from ctsm_socnn.validation.map_figures import draw_carbon_maps, draw_parameter_maps

    for name, path, draw in zip(
        _FIGURES,
        (arguments.output, arguments.soil_carbon),
        (draw_parameter_maps, draw_carbon_maps),
        strict=True,
    ):
        if path is not None:
            with open_file(path, load=False) as maps:
                draw(maps, arguments.figures / name, overwrite=arguments.overwrite)


def _forcing(paths: list[Path]) -> xr.Dataset:
    if len(paths) == 1:
        with open_file(paths[0], load=False) as file:
            averaged = "period" in file.attrs
        if averaged:
            return open_climatology(paths[0])
    return read_climatology(paths)


def _lines(summary: MapSummary) -> list[str]:
    found = summary.as_json()
    lines = [f"{found['cells']} cells, {found['cells_extrapolated']} of them unlike the sites"]
    if found.get("cells_without_forcing"):
        lines.append(f"{found['cells_without_forcing']} cells with covariates but without forcing")
    if not found["cells_with_soil_carbon"]:
        return lines
    lines.append(f"soil carbon of {found['cells_with_soil_carbon']} cells")
    if "totals_pgc" not in found:
        return [*lines, "the grid does not give the areas of its cells, so nothing is added up"]
    lines.append(f"over {found['land_km2']:,.0f} km2 of land ({summary.area_source}), in PgC:")
    for name, stock in found["totals_pgc"].items():
        spread = f" +- {stock['sd']:.2g} over the ensemble" if stock["sd"] > 0.0 else ""
        lines.append(f"  {name:<18}{stock['total']:>12.5g}{spread}")
    return lines
