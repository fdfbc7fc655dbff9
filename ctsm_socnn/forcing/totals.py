"""Running sums of a climatology, small enough to keep in memory and to save.

Memory is one sum per field, calendar month and land cell, whatever the length of the record; saved,
they let an interrupted run continue where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import FileError, ForcingError
from ctsm_socnn.forcing.drift import CarbonDrift
from ctsm_socnn.forcing.litter_input import Closure
from ctsm_socnn.netcdf import atomic_output
from ctsm_socnn.schemas import N_MONTHS

__all__ = ["ForcingTotals", "MonthlyMean"]


@dataclass
class MonthlyMean:
    """Running mean of one field for each calendar month.

    Attributes
    ----------
    total : ndarray, shape (12, ...)
    count : ndarray of int, shape (12,)
    """

    total: NDArray[np.float64]
    count: NDArray[np.int64] = field(default_factory=lambda: np.zeros(N_MONTHS, dtype=np.int64))

    def add(self, month: int, values: NDArray[np.floating]) -> None:
        """Add a sample; `month` counts from 1."""
        self.total[month - 1] += values
        self.count[month - 1] += 1

    def mean(self, what: str) -> NDArray[np.float64]:
        """Mean by calendar month, shape (12, ...).

        Raises
        ------
        ForcingError
            If a month has no sample.
        """
        if (self.count == 0).any():
            absent = ", ".join(str(month) for month in np.flatnonzero(self.count == 0) + 1)
            raise ForcingError(
                f"no sample of months {absent} lets {what} be derived; give a longer record, or "
                "the instantaneous pools of the run with --pools"
            )
        shape = (N_MONTHS, *[1] * (self.total.ndim - 1))
        return self.total / self.count.reshape(shape)


@dataclass
class ForcingTotals:
    """All sums of a climatology that is being read.

    Attributes
    ----------
    means : dict of str to MonthlyMean
        By CLM name.
    drift : CarbonDrift
    closure : Closure
    blocks_done : int
        Blocks of the record that are in the sums.
    """

    means: dict[str, MonthlyMean]
    drift: CarbonDrift
    closure: Closure
    blocks_done: int = 0

    @property
    def months_done(self) -> int:
        """Months of the record that are in the sums; litter inputs may lack those at its ends."""
        return max(int(mean.count.sum()) for mean in self.means.values())

    def save(self, path: Path, fingerprint: str) -> None:
        """Put the sums aside in one file, replacing an earlier one."""
        arrays: dict[str, NDArray[np.generic]] = {
            "fingerprint": np.array(fingerprint),
            "blocks_done": np.array(self.blocks_done),
            "closure": np.array([self.closure.largest, self.closure.median]),
            "drift_years": np.array(sorted(self.drift.months)),
        }
        for year, total in self.drift.totals.items():
            arrays[f"drift_{year}"] = total
            arrays[f"drift_months_{year}"] = np.array(self.drift.months[year])
        for name, mean in self.means.items():
            arrays[f"total_{name}"], arrays[f"count_{name}"] = mean.total, mean.count
        with atomic_output(path, overwrite=True) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)

    def resume(self, path: Path, fingerprint: str) -> None:
        """Go on from sums put aside, if there are any.

        Raises
        ------
        FileError
            If they belong to other files or another period.
        """
        if not path.exists():
            return
        try:
            with np.load(path, allow_pickle=False) as stored:
                if str(stored["fingerprint"]) != fingerprint:
                    raise FileError(
                        f"{path} was left by a run over other history files or another period; "
                        "delete it to begin anew"
                    )
                self._take(stored)
        except (OSError, ValueError, KeyError) as error:
            raise FileError(f"{path} is damaged ({error}); delete it to begin anew") from error

    def _take(self, stored: Mapping[str, NDArray[np.generic]]) -> None:
        self.blocks_done = int(stored["blocks_done"])
        self.closure.largest, self.closure.median = stored["closure"].tolist()
        for year in stored["drift_years"].tolist():
            self.drift.totals[year] = np.asarray(stored[f"drift_{year}"], dtype=np.float64)
            self.drift.months[year] = int(stored[f"drift_months_{year}"])
        for name, mean in self.means.items():
            mean.total[...] = stored[f"total_{name}"]
            mean.count[...] = stored[f"count_{name}"]
