"""The folds that a user requested; by default, residuals determine the block size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.network.folds import FoldKind, make_folds
from ctsm_socnn.network.variogram import Variogram, residual_variogram

__all__ = ["ChosenFolds", "choose_folds"]


@dataclass(frozen=True, eq=False)
class ChosenFolds:
    """Which sites are tested together, and why.

    Attributes
    ----------
    fold : ndarray of int, shape (site,)
    kind : {"location", "block", "region"}
    block_km : float
        Side of a block; 0 where there are none.
    variogram : Variogram or None
        From which the side was derived; None if it was given.
    """

    fold: NDArray[np.intp]
    kind: FoldKind
    block_km: float
    variogram: Variogram | None

    @property
    def description(self) -> str:
        """Short description, for example `5 folds by block of 26.4 km`."""
        side = f" of {self.block_km:.3g} km" if self.kind == "block" else ""
        return f"{len(np.unique(self.fold))} folds by {self.kind}{side}"

    @property
    def attributes(self) -> dict[str, str]:
        """The same for a file."""
        reason = {} if self.reason is None else {"folds_reason": self.reason}
        return {"folds": self.description} | reason

    @property
    def reason(self) -> str | None:
        """Where the block size comes from, in one line; None if it was given."""
        found = self.variogram
        if found is None:
            return None
        trend = "; it rises to the largest distances, as a trend does" if found.has_trend else ""
        return (
            f"blocks of {found.range_km:.3g} km, the range of the variogram of residuals "
            f"(nugget {found.nugget:.3g}, sill {found.sill:.3g} in ln units squared{trend})"
        )


def choose_folds(
    sites: xr.Dataset, kind: FoldKind, folds: int, seed: int, block_km: float | None = None
) -> ChosenFolds:
    """Divide sites into folds.

    Parameters
    ----------
    sites : xarray.Dataset
        In the sites schema.
    kind : {"location", "block", "region"}
    folds : int
    seed : int
    block_km : float, optional
        Side of a block; by default the range of the variogram of residuals.

    Raises
    ------
    NetworkError
        If there are too few places for the folds or for a variogram.
    """
    variogram = None
    if kind == "block" and block_km is None:
        variogram = residual_variogram(sites, seed)
        block_km = variogram.range_km
    side = block_km if kind == "block" and block_km is not None else 0.0
    return ChosenFolds(make_folds(sites, kind, folds, seed, side), kind, side, variogram)
