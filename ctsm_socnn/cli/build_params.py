"""From history files and soil profiles to usermods directories for CTSM cases.

  ctsm-socnn build-params examples/northeast_us.toml --data DATA -o northeast

The configuration names the CLM history files, the profiles, the covariates, the model grid and
the cases. Relative paths in it are resolved against its own directory, or against --data. Each
stage writes its result to the output directory; a run that was stopped goes on where it was when
the same command is given again. At the end it prints scores and, for each case, the create_newcase
line that uses its usermods directory.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ctsm_socnn.config import load_config

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add = parser.add_argument
    add("config", type=Path, metavar="CONFIG.toml", help="configuration")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="directory for results")
    add("--data", type=Path, metavar="DIR", help="directory that relative paths start from")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one entry of the configuration, for example --set assimilation.chains=3",
    )
    add(
        "--workers",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="processes for the site-by-site assimilation (default: %(default)s)",
    )
    add("--overwrite", action="store_true", help="redo stages whose settings or inputs changed")


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
    )
    return 0
