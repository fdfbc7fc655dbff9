"""List the 21 parameters, or what becomes of them in one CTSM version.

Example:
  ctsm-socnn parameters
  ctsm-socnn parameters --ctsm ctsm5.4
  ctsm-socnn parameters --ctsm release-clm5.0.37
  ctsm-socnn parameters --ctsm-root ~/ctsm
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ctsm_socnn.cli.json_text import print_result
from ctsm_socnn.export.checkout import Checkout
from ctsm_socnn.parameters import PARAMETERS
from ctsm_socnn.parameters.ctsm_routes import version_table
from ctsm_socnn.parameters.ctsm_versions import KNOWN_VERSIONS, resolve_version

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    version = parser.add_mutually_exclusive_group()
    version.add_argument(
        "--ctsm",
        metavar="VERSION",
        help=f"where this version reads each one: {', '.join(KNOWN_VERSIONS)}, or any of their tags",
    )
    version.add_argument(
        "--ctsm-root", type=Path, help="the same, for the version of this checkout of CTSM or CESM"
    )
    version.add_argument("--json", action="store_true", help="print the list as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    if arguments.ctsm_root is not None:
        print(version_table(Checkout.open(arguments.ctsm_root).version))
        return 0
    if arguments.ctsm is not None:
        print(version_table(resolve_version(arguments.ctsm)))
        return 0
    print_result(arguments, PARAMETERS, _table())
    return 0


def _table() -> str:
    lines = [f"{'name':<10} {'units':<8} {'lower':>9} {'upper':>9} {'CLM5':>11}  meaning"]
    lines += [
        f"{p.name:<10} {p.units:<8} {p.lower:>9g} {p.upper:>9g} {p.default:>11.6g}  {p.meaning}"
        for p in PARAMETERS
    ]
    note = "Turnover times are in the unnormalised convention; CTSM's are these times N(q10)."
    return "\n".join([*lines, "", note])
