"""Options that say which sites are tested together."""

from __future__ import annotations

import argparse
import sys

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.network.folds import FOLD_KINDS, make_folds

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
        help="side of a block; by default the range of the residuals",
    )


def asked_folds(
    arguments: argparse.Namespace, sites: xr.Dataset, folds: int
) -> tuple[NDArray[np.intp], float]:
    """Fold of each site, and the side of a block in km, 0 where there are none.

    Raises
    ------
    NetworkError
        If there are too few places for the folds or for a variogram.
    """
    block_km = _block_km(arguments, sites)
    return make_folds(sites, arguments.by, folds, arguments.seed, block_km), block_km


def _block_km(arguments: argparse.Namespace, sites: xr.Dataset) -> float:
    """Side of a block: as asked for, or as far as the residuals of neighbours are alike."""
    if arguments.by != "block":
        return 0.0
    if arguments.block_km is not None:
        return float(arguments.block_km)
    from ctsm_socnn.network.variogram import residual_variogram

    found = residual_variogram(sites, arguments.seed)
    trend = "; it rises to the largest distances, as a trend does" if found.has_trend else ""
    print(
        f"blocks of {found.range_km:.3g} km, the range of the variogram of residuals "
        f"(nugget {found.nugget:.3g}, sill {found.sill:.3g} in ln units squared{trend})",
        file=sys.stderr,
    )
    return found.range_km
