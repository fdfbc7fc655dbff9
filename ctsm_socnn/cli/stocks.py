"""Add up soil carbon over land, in PgC to 0.3, 1 and 2 m and the whole column, beside published totals.

Example:
  ctsm-socnn stocks --run default='old/*.clm2.h0a.*.nc' --run ours='new/*.clm2.h0a.*.nc'
  ctsm-socnn stocks --map network=soil_carbon.nc --json

Of a run, the mean of its last two years is taken; maps are those of `predict --soil-carbon`. Cells are
weighted by their land area. Published totals are for the globe or the permafrost region: compare
them only with grids of the same land.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.cli.named_files import add_run_option, named_patterns, named_runs
from ctsm_socnn.errors import ConfigError

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add = parser.add_argument
    add_run_option(parser)
    add(
        "--map",
        dest="maps",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="a map of soil carbon by layer; repeat for more",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Add up and print."""
    from ctsm_socnn.validation.gridded_carbon import stocks_of_map
    from ctsm_socnn.validation.totals import (
        Total,
        format_totals,
        totals,
        totals_json,
        totals_of_run,
    )

    if not arguments.runs and not arguments.maps:
        raise ConfigError("nothing to add up; give --run, --map or both")
    found: dict[str, list[Total]] = {}
    for name, paths in named_runs(arguments).items():
        found[name] = totals_of_run(name, paths)
    for name, files in named_patterns(arguments.maps, "--map").items():
        if name in found or len(files) > 1:
            raise ConfigError(f"--map {name}={files[-1]}: the name {name} is given twice")
        found[name] = totals(*stocks_of_map(Path(files[0])))
    print_result(arguments, totals_json(found), format_totals(found))
    return 0
