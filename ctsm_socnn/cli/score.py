"""Score a model on sites: run its parameters through the kernel, compare with the profiles.

  ctsm-socnn score model sites.nc
  ctsm-socnn score model other_sites.nc --json

Scores at the training sites are in sample; use other sites to judge the model.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ctsm_socnn.cli.coverage_table import coverage_table
from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.network import load_model, score_model
from ctsm_socnn.schemas import open_sites

__all__ = ["add_arguments", "run"]

_ROWS = (
    ("SOC, gC m-3", ""),
    ("log10 SOC", "log_"),
    ("stock 0-1 m, gC m-2", "stock_"),
    ("log10 stock", "stock_log_"),
)
_COLUMNS = ("nse", "r2", "rmse", "bias")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `score`."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="directory made by train")
    parser.add_argument("sites", type=Path, metavar="SITES.nc", help="sites to compare with")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the scores."""
    result = score_model(load_model(arguments.model), open_sites(arguments.sites))
    for warning in result["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    print_result(arguments, result, _table(result))
    return 0


def _table(result: dict[str, Any]) -> str:
    lines = [f"{'':<22}" + "".join(f"{name:>12}" for name in _COLUMNS)]
    for title, prefix in _ROWS:
        values = "".join(f"{result[prefix + name]:>12.4g}" for name in _COLUMNS)
        lines.append(f"{title:<22}{values}")
    lines.append(f"{result['n_layers']} layers of {result['n_sites']} sites")
    lines += [f"left out {count} ({reason})" for reason, count in result["excluded"].items()]
    if result["coverage"]:
        lines += ["", coverage_table(result["coverage"])]
    return "\n".join(lines)
