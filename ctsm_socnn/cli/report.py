"""Write one HTML page about a run of build-params: scores, maps, what was left out, provenance.

Example:
  ctsm-socnn report RESULTS --overwrite
  ctsm-socnn report RESULTS -o page.html --by USDA_Suborder

build-params has written RESULTS/report.html already, so that without -o it takes --overwrite. The page
needs no network: figures and styles are inside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add = parser.add_argument
    add("results", type=Path, metavar="RESULTS", help="output directory of build-params")
    add(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the page (default: report.html in RESULTS)",
    )
    add(
        "--by",
        action="append",
        default=[],
        metavar="VARIABLE",
        help="scores and profiles by the classes of a variable of the sites, or by depth; repeat",
    )
    add("--overwrite", action="store_true", help="replace an existing page")


def run(arguments: argparse.Namespace) -> int:
    """Write the page."""
    from ctsm_socnn.validation.run_report import report_run

    output = arguments.output or arguments.results / "report.html"
    report_run(arguments.results, output, groupings=arguments.by, overwrite=arguments.overwrite)
    print(output)
    return 0
