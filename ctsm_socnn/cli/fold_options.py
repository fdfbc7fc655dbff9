"""Options that say which sites are tested together."""

from __future__ import annotations

import argparse
import sys

import xarray as xr

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.chosen_folds import ChosenFolds, choose_folds
from ctsm_socnn.network.folds import FOLD_KINDS

__all__ = ["add_fold_options", "asked_folds"]


def add_fold_options(parser: argparse.ArgumentParser) -> None:
    """Define --by and --block-km."""
    parser.add_argument(
        "--by",
        choices=FOLD_KINDS,
        default="location",
        help="what folds never split (default: %(default)s)",
    )
    parser.add_argument(
        "--block-km",
        type=float,
        help="with --by block: side of a block; by default the range of the residuals",
    )


def asked_folds(arguments: argparse.Namespace, sites: xr.Dataset, folds: int) -> ChosenFolds:
    """Divide the sites as asked for, and say where the size of blocks comes from.

    Raises
    ------
    NetworkError
        If there are too few places for the folds or for a variogram, or a size is given to blocks
        that there are none of.
    """
    if arguments.block_km is not None and arguments.by != "block":
        raise NetworkError(f"--block-km is only for --by block; folds are by {arguments.by}")
    chosen = choose_folds(sites, arguments.by, folds, arguments.seed, arguments.block_km)
    if chosen.reason is not None:
        print(chosen.reason, file=sys.stderr)
    return chosen
