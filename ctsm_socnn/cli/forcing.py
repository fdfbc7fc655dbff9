r"""Average CLM history files into the monthly climatology that drives the kernel.

  ctsm-socnn forcing --history 'run/*.clm2.h0a.*.nc' --pools 'run/*.clm2.h1i.*.nc' \
      --first-year 1991 --last-year 2010 -o climatology.nc

Litter inputs that the files do not hold are derived from the carbon budget of each litter pool; how
well it closes against LITFALL is printed, and whether the run is spun up. An interrupted command
continues where it stopped when it is given again. `ctsm-socnn sites --climatology` reads the result.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import xarray as xr

from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.forcing import find_history, read_climatology
from ctsm_socnn.netcdf import require_absent, write_dataset
from ctsm_socnn.provenance import provenance_attributes

__all__ = [
    "add_arguments",
    "add_history_arguments",
    "checkpoint_path",
    "describe",
    "read_history",
    "run",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_history_arguments(parser, required=True)
    parser.add_argument(
        "--input-profiles", action="store_true", help="also write litter inputs by layer"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="climatology to write")
    parser.add_argument("--overwrite", action="store_true", help="replace existing output")
    add_json(parser)


def add_history_arguments(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Declare the options that say which history is averaged over which years."""
    parser.add_argument(
        "--history",
        nargs="+",
        required=required,
        metavar="PATTERN",
        help="monthly CLM history files",
    )
    parser.add_argument(
        "--pools",
        nargs="+",
        default=[],
        metavar="PATTERN",
        help="history files with instantaneous litter pools at the ends of months",
    )
    parser.add_argument("--surface", type=Path, metavar="FILE", help="surface dataset of the run")
    parser.add_argument("--first-year", type=int, help="first year of the climatology")
    parser.add_argument("--last-year", type=int, help="last year of the climatology")


def read_history(
    arguments: argparse.Namespace, checkpoint: Path, *, input_profiles: bool = False
) -> xr.Dataset:
    """Average the history that the options name."""
    return read_climatology(
        find_history(arguments.history),
        pools=find_history(arguments.pools),
        surface=arguments.surface,
        first_year=arguments.first_year,
        last_year=arguments.last_year,
        input_profiles=input_profiles,
        checkpoint=checkpoint,
        progress=True,
    )


def describe(climatology: xr.Dataset) -> list[str]:
    """Lines about the period, the litter budget and the drift."""
    attributes = climatology.attrs
    lines = [
        f"  forcing {attributes['period']} ({attributes['months_averaged']} months of "
        f"{attributes['history_files']} files)",
        f"  litter inputs {attributes['litter_inputs']}",
    ]
    if "litter_closure_largest" in attributes:
        lines.append(
            f"  litter budget against LITFALL, relative difference: worst month and cell "
            f"{attributes['litter_closure_largest']:.1e}, median {attributes['litter_closure_median']:.1e}"
        )
    spun_up = f"  spun up: {attributes['spun_up']}"
    if "soil_carbon_drift" in attributes:
        spun_up += (
            f" (soil carbon drifts by {attributes['soil_carbon_drift']:.3g} gC m-2 a year; "
            f"{100 * attributes['drifting_land_share']:.0f} % of the land by more than 1)"
        )
    return [*lines, spun_up]


def run(arguments: argparse.Namespace) -> int:
    """Average, write and describe."""
    output: Path = arguments.output
    require_absent(output, overwrite=arguments.overwrite)
    climatology = read_history(
        arguments, checkpoint_path(output), input_profiles=arguments.input_profiles
    )
    told = dict(climatology.attrs)
    inputs = {} if arguments.surface is None else {"surface": arguments.surface}
    climatology.attrs |= provenance_attributes(seed=None, inputs=inputs)
    write_dataset(climatology, output, overwrite=arguments.overwrite)
    cells = int(climatology["landmask"].sum())
    text = "\n".join([f"{output}: {cells} land cells", *describe(climatology)])
    print_result(arguments, {"land_cells": cells, **told}, text)
    return 0


def checkpoint_path(output: Path) -> Path:
    """Where the sums of an unfinished run are put aside."""
    return output.with_name(f"{output.name}.partial.npz")
