"""Run all stages, from history files and soil profiles to usermods directories for CTSM cases.

  ctsm-socnn build-params examples/northeast_us.toml --data DATA -o northeast

The configuration names the CLM history files, the profiles, the covariates, the model grid and
the cases. Relative paths in it are resolved against its own directory, or against --data. Each
stage writes its result to the output directory; a run that was stopped continues when the same
command is given again. At the end it prints scores and, for each case, the create_newcase
line that uses its usermods directory; with --json these are one JSON object on standard output, and
the progress goes to standard error.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from ctsm_socnn.cli.configuration_options import add_configuration
from ctsm_socnn.cli.json_text import add_json, to_json
from ctsm_socnn.cli.workers_option import add_workers
from ctsm_socnn.config import Config, load_config

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add = parser.add_argument
    add_configuration(parser)
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="directory for results")
    add_workers(parser, "sites and folds")
    add("--overwrite", action="store_true", help="redo stages whose settings or inputs changed")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run all stages that are not done yet."""
    from ctsm_socnn.pipeline import build_params

    config, text = load_config(arguments.config, data=arguments.data, overrides=arguments.set)
    build_params(
        config,
        text,
        arguments.output,
        workers=arguments.workers,
        overwrite=arguments.overwrite,
        report=partial(print, file=sys.stderr) if arguments.json else print,
    )
    if arguments.json:
        print(to_json(_result(config, arguments.output)))
    return 0


def _result(config: Config, output: Path) -> dict[str, Any]:
    from ctsm_socnn.cases import case_command, case_directory
    from ctsm_socnn.schemas import open_file
    from ctsm_socnn.validation.comparison import comparison_json
    from ctsm_socnn.validation.evaluation import COMPARISON_FILE

    return {
        "scores": comparison_json(open_file(output / "evaluation" / COMPARISON_FILE)),
        "maps": output / "model_grid.nc",
        "report": output / "report.html",
        "cases": [
            {
                "name": case.name,
                "version": case.version,
                "usermods": case_directory(output, case),
                "create_newcase": case_command(output, case),
            }
            for case in config.case
        ],
    }
