"""Check a usermods directory before a case is made with it, or after it has moved.

Verifies that all files are there and unchanged, that paths point here, that netCDF files follow
CTSM's rules without gaps; with options also the grid, the SourceMods and an existing case.
Exits 1 if anything fails.

Example:
  ctsm-socnn check-usermods my_usermods --model-grid surfdata.nc --ctsm-root ~/ctsm
  ctsm-socnn check-usermods my_usermods --relocate
  ctsm-socnn check-usermods my_usermods --relocate /scratch/me/my_usermods
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.export.checking import check_usermods
from ctsm_socnn.export.relocation import relocate

__all__ = ["add_arguments", "run"]

_HERE = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("directory", type=Path, help="usermods directory")
    parser.add_argument("--model-grid", type=Path, help="surface dataset or mesh of the case")
    parser.add_argument("--ctsm-root", type=Path, help="checkout that the case is built from")
    parser.add_argument("--case", type=Path, help="case directory that will take it")
    parser.add_argument(
        "--relocate",
        nargs="?",
        const=_HERE,
        metavar="NEW",
        help="first rewrite the paths in it, to NEW or to where it lies now",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Relocate if asked, then print the findings."""
    directory: Path = arguments.directory
    if arguments.relocate is not None:
        new = None if arguments.relocate == _HERE else Path(arguments.relocate)
        target = relocate(directory, new)
        print(f"paths in {directory} now name {target}", file=sys.stderr)
        if target != directory.absolute():
            return 0
    findings = check_usermods(
        directory,
        model_grid=arguments.model_grid,
        ctsm_root=arguments.ctsm_root,
        case=arguments.case,
    )
    text = "\n".join(finding.line() for finding in findings)
    print_result(arguments, findings, text)
    return 1 if any(finding.problems for finding in findings) else 0
