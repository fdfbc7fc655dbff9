"""Show how an output was made: command, version, seed, inputs with checksums, configuration.

Example:
  ctsm-socnn show maps.nc
  ctsm-socnn show maps.nc --configuration > again.toml
  ctsm-socnn show maps.nc --json
  ctsm-socnn show results/

Works on every netCDF and JSON file that this package writes, and on its directories: results of
build-params, usermods, models of train. Of other files it shows the attributes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

from ctsm_socnn.cli.json_text import print_result, to_json
from ctsm_socnn.errors import FileError
from ctsm_socnn.netcdf_reading import Header, read_header

__all__ = ["add_arguments", "run"]

_CONFIGURATION: Final = "configuration"
_MODEL: Final = "model.json"
_RUN: Final = "stages.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("file", type=Path, metavar="OUTPUT", help="file or directory")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--json", action="store_true", help="print JSON")
    what.add_argument(
        "--configuration", action="store_true", help="print only the configuration, as it was given"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what an output says of itself."""
    plain = _description(arguments.file)
    if plain is not None and not arguments.configuration:
        print_result(arguments, plain, plain if isinstance(plain, str) else to_json(plain))
        return 0
    header = read_header(_netcdf_file(arguments.file))
    if arguments.configuration:
        if _CONFIGURATION not in header.attributes:
            raise FileError(
                f"{arguments.file} records no configuration; only files of build-params do"
            )
        print(header.attributes[_CONFIGURATION], end="")
    else:
        print_result(arguments, header, _as_text(header))
    return 0


def _description(path: Path) -> Any:
    """Text or table that a directory or a JSON file holds about itself; None for netCDF files."""
    if path.is_dir():
        for name in (_MODEL, "README", _RUN):
            if (path / name).is_file():
                return _read(path / name)
        raise FileError(
            f"{path} holds neither results of build-params nor usermods nor a model; name a file in it"
        )
    return _read(path) if path.suffix == ".json" else None


def _read(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else text.rstrip()
    except (OSError, ValueError) as error:
        raise FileError(f"{path} cannot be read: {error}") from error


def _netcdf_file(path: Path) -> Path:
    """Take the file of a run's directory that holds the configuration."""
    return path / "sites.nc" if path.is_dir() else path


def _as_text(header: Header) -> str:
    lines = []
    for name, value in header.attributes.items():
        shown = str(value)
        if name == _CONFIGURATION:
            shown = f"{len(shown.splitlines())} lines; --configuration prints them"
        lines.append(f"{name}: " + "\n  ".join(shown.splitlines()))
    sizes = (f"{name} {size}" for name, size in header.dimensions.items())
    variables = (f"  {name}({', '.join(dims)})" for name, dims in header.variables.items())
    return "\n".join([*lines, "dimensions: " + ", ".join(sizes), "variables:", *variables])
