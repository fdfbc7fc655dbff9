"""Show how a netCDF file was made: command, version, seed, inputs with checksums, configuration.

Example:
  ctsm-socnn show maps.nc
  ctsm-socnn show maps.nc --configuration > again.toml
  ctsm-socnn show maps.nc --json

Works on every file that this package writes. A file from elsewhere shows what it says of itself.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

from ctsm_socnn.errors import FileError
from ctsm_socnn.netcdf_reading import Header, read_header

__all__ = ["add_arguments", "run"]

_CONFIGURATION: Final = "configuration"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("file", type=Path, metavar="FILE", help="netCDF file")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--json", action="store_true", help="print JSON")
    what.add_argument(
        "--configuration", action="store_true", help="print only the configuration, as it was given"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the header of a file."""
    header = read_header(arguments.file)
    if arguments.configuration:
        if _CONFIGURATION not in header.attributes:
            raise FileError(
                f"{arguments.file} records no configuration; only files of build-params do"
            )
        print(header.attributes[_CONFIGURATION], end="")
    elif arguments.json:
        print(json.dumps(_as_json(header)))
    else:
        print(_as_text(header))
    return 0


def _as_json(header: Header) -> dict[str, Any]:
    return {
        "attributes": {name: _plain(value) for name, value in header.attributes.items()},
        "dimensions": dict(header.dimensions),
        "variables": dict(header.variables),
    }


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


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
