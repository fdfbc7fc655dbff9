"""Write a run's soil carbon for ILAMB: cSoil and cSoilAbove1m with CMIP's names and units.

Example:
  ctsm-socnn ilamb --run default='old/*.clm2.h0a.*.nc' --run ours='new/*.clm2.h0a.*.nc' -o ilamb
  cd ilamb && ilamb-run --config ilamb.cfg --model_root MODELS --regions global

DIR gets MODELS/NAME with cSoil, cSoilAbove1m (kg m-2, every month of the history), areacella and sftlf,
and ilamb.cfg, which compares them with HWSD and NCSCDV22 of ILAMB's data collection. Nothing is written
unless all runs can be read and no file is in the way.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ctsm_socnn.cli.named_files import add_run_option, named_runs
from ctsm_socnn.directories import make_directory
from ctsm_socnn.errors import ConfigError
from ctsm_socnn.netcdf import require_absent

__all__ = ["add_arguments", "run"]

_MODELS = "MODELS"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_run_option(parser, required=True)
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="directory to write")
    add("--overwrite", action="store_true", help="replace existing files")


def run(arguments: argparse.Namespace) -> int:
    """Write the files and print their names."""
    from ctsm_socnn.provenance import provenance_attributes
    from ctsm_socnn.validation.gridded_carbon import stocks_of_run
    from ctsm_socnn.validation.ilamb import (
        CONFIGURATION,
        ilamb_paths,
        write_configuration,
        write_ilamb_files,
    )

    runs = named_runs(arguments)
    for name in runs:
        if Path(name).name != name:
            raise ConfigError(
                f"--run {name}=...: the name becomes that of a directory; leave out /"
            )
    every_series = {name: stocks_of_run(name, paths) for name, paths in runs.items()}
    directories = {name: arguments.output / _MODELS / name for name in runs}
    configuration = arguments.output / CONFIGURATION
    planned = [
        path
        for name, series in every_series.items()
        for path in ilamb_paths(name, series, directories[name]).values()
    ]
    for path in filter(Path.exists, (*planned, configuration)):
        require_absent(path, overwrite=arguments.overwrite)
    for name, series in every_series.items():
        directory = directories[name]
        make_directory(directory)
        stamp = provenance_attributes(seed=None, inputs={"history": runs[name][0]})
        for path in write_ilamb_files(
            name, series, directory, stamp, overwrite=arguments.overwrite
        ):
            print(path)
    write_configuration(configuration, _MODELS, overwrite=arguments.overwrite)
    print(configuration)
    return 0
