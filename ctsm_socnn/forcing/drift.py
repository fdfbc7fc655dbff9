"""Whether the run that provides the forcing is spun up.

The kernel solves for a steady state, so inputs and scalars should come from a run near its own.
CTSM's spin-up scripts call a land cell drifting if its carbon changes by more than 1 gC m-2 a year,
and a run spun up when no more than 3 % of the land does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import netCDF4
import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import ForcingError
from ctsm_socnn.forcing.land_grid import LandGrid, read_field
from ctsm_socnn.forcing.months import MonthSample
from ctsm_socnn.units import canonical_unit

__all__ = ["SOIL_CARBON", "CarbonDrift"]

SOIL_CARBON: Final = "TOTSOMC"
"""Soil organic carbon of the column, gC m-2; in the default output of all versions."""

_UNIT: Final = "gC m-2"
_DRIFTING: Final = 1.0
_TOLERATED_SHARE: Final = 0.03
_MONTHS_A_YEAR: Final = 12


class CarbonDrift:
    """Collects annual means of soil carbon and compares the first with the last.

    Parameters
    ----------
    n_cells : int
        Land cells of the grid.

    Attributes
    ----------
    totals : dict of int to ndarray, shape (cell,), gC m-2
        Sum over the months of each year.
    months : dict of int to int
        Months of each year in that sum.
    """

    def __init__(self, n_cells: int) -> None:
        self._n_cells = n_cells
        self.totals: dict[int, NDArray[np.float64]] = {}
        self.months: dict[int, int] = {}

    def add(self, dataset: netCDF4.Dataset, block: Sequence[MonthSample], grid: LandGrid) -> None:
        """Add months of an open file; a file without soil carbon adds nothing.

        Raises
        ------
        ForcingError
            If soil carbon is not in gC m-2.
        """
        if SOIL_CARBON not in dataset.variables:
            return
        unit = canonical_unit(getattr(dataset[SOIL_CARBON], "units", ""))
        if unit != _UNIT:
            raise ForcingError(
                f"{dataset.filepath()}: {SOIL_CARBON} is in '{unit}'; it must be in '{_UNIT}'"
            )
        at = slice(block[0].index, block[-1].index + 1)
        for sample, values in zip(block, read_field(dataset, SOIL_CARBON, grid, at), strict=True):
            total = self.totals.setdefault(sample.year, np.zeros(self._n_cells))
            total += values
            self.months[sample.year] = self.months.get(sample.year, 0) + 1

    def per_year(self) -> NDArray[np.float64] | None:
        """Drift of each cell, gC m-2 a year; None with fewer than two whole years."""
        years = sorted(year for year, count in self.months.items() if count == _MONTHS_A_YEAR)
        if len(years) < 2:
            return None
        first, last = years[0], years[-1]
        return (self.totals[last] - self.totals[first]) / _MONTHS_A_YEAR / (last - first)

    def attributes(self) -> dict[str, str | float]:
        """Global attributes that tell the drift and whether the run counts as spun up."""
        drift = self.per_year()
        if drift is None:
            return {"spun_up": f"unknown: {SOIL_CARBON} of two whole years is needed"}
        # Land without soil carbon, such as ice, has NaN and cannot drift.
        share = float(np.mean(np.abs(drift[np.isfinite(drift)]) > _DRIFTING))
        return {
            "soil_carbon_drift": float(np.nanmean(drift)),
            "soil_carbon_drift_units": "gC m-2 year-1",
            "drifting_land_share": share,
            "spun_up": "yes" if share <= _TOLERATED_SHARE else "no",
        }
