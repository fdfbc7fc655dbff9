"""The option that says how many processes share the work."""

from __future__ import annotations

import argparse
import os

from ctsm_socnn.cli.positive_number import positive_number

__all__ = ["add_workers"]


def add_workers(parser: argparse.ArgumentParser, shared: str) -> None:
    """Define --workers, by default one for each usable processor.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    shared : str
        What they share.
    """
    parser.add_argument(
        "--workers",
        type=positive_number("processes"),
        default=len(os.sched_getaffinity(0)),
        help=f"processes that share {shared} (default: %(default)s)",
    )
