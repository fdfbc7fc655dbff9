"""Options of the form NAME=PATTERN, which name a run by its files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ctsm_socnn.errors import ConfigError

__all__ = ["add_run_option", "named_patterns"]


def add_run_option(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Add `--run NAME=PATTERN`, which may be repeated."""
    parser.add_argument(
        "--run",
        dest="runs",
        action="append",
        default=[] if not required else None,
        required=required,
        metavar="NAME=PATTERN",
        help="a run's monthly history files; repeat for more runs, or for more files of one",
    )


def named_patterns(described: Sequence[str], option: str) -> dict[str, list[str]]:
    """Patterns by name, in the order in which names first occur.

    Raises
    ------
    ConfigError
        If a text is not of the form NAME=PATTERN.
    """
    found: dict[str, list[str]] = {}
    for text in described:
        name, separator, pattern = text.partition("=")
        if not (name and separator and pattern):
            raise ConfigError(f"{option} {text}: must read NAME=PATTERN")
        found.setdefault(name, []).append(pattern)
    return found
