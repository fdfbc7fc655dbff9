"""The options of commands that read the configuration of `build-params`."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["add_configuration"]


def add_configuration(parser: argparse.ArgumentParser) -> None:
    """Declare `config`, `--data` and `--set`."""
    add = parser.add_argument
    add("config", type=Path, metavar="CONFIG.toml", help="configuration")
    add("--data", type=Path, metavar="DIR", help="directory that relative paths start from")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one entry of the configuration, for example --set assimilation.chains=3",
    )
