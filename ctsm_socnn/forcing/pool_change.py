"""Rate of change of the litter pools over each month.

From instantaneous pools at the ends of months where there are any (`h0i` or any stream with `:I`),
exactly. Otherwise from the means of the months before and after, which is exact only for a pool
that changes linearly.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol

import cftime
import netCDF4
import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import ForcingError
from ctsm_socnn.forcing.field_names import LITTER_POOLS, Generation
from ctsm_socnn.forcing.fields import DENSITY_UNIT
from ctsm_socnn.forcing.land_grid import LandGrid, read_field
from ctsm_socnn.forcing.months import MonthSample, open_history, stored_values
from ctsm_socnn.netcdf_reading import reading
from ctsm_socnn.units import require_unit

__all__ = ["DAY_DIGITS", "ChangeFromEnds", "ChangeFromMeans", "PoolChange", "read_instants"]

_MONTHS_A_YEAR: Final = 12
_SECONDS_A_DAY: Final = 86400.0
DAY_DIGITS: Final = 2
"""Times are matched to a hundredth of a day: `time` is stored in single precision."""

_TIMES_KEPT: Final = 3
"""A centred difference needs the month before and the month after."""

_Place = tuple[Path, int]


class _PoolReader:
    """Reads all four pools at one time; keeps the last times, and the last file open."""

    def __init__(self, generation: Generation, grid: LandGrid) -> None:
        self._names = [generation.pool(pool).carbon for pool in LITTER_POOLS]
        self._grid = grid
        self._file = ExitStack()
        self._path: Path | None = None
        self._dataset: netCDF4.Dataset | None = None
        self._recent: dict[_Place, NDArray[np.float64]] = {}

    def __call__(self, place: _Place) -> NDArray[np.float64]:
        """Pools, shape (4, 20, cell), gC m-3."""
        if place not in self._recent:
            if len(self._recent) == _TIMES_KEPT:
                del self._recent[next(iter(self._recent))]
            path, index = place
            with reading(path):
                dataset, at = self._open(path), slice(index, index + 1)
                pools = [read_field(dataset, name, self._grid, at)[0] for name in self._names]
            self._recent[place] = np.stack(pools).astype(np.float64)
        return self._recent[place]

    def _open(self, path: Path) -> netCDF4.Dataset:
        if self._dataset is not None and path == self._path:
            return self._dataset
        self._file.close()
        self._path, self._dataset = path, self._file.enter_context(open_history(path))
        absent = [name for name in self._names if name not in self._dataset.variables]
        if absent:
            raise ForcingError(
                f"{path} lacks the pools {', '.join(absent)}, from which the change of litter is known"
            )
        held = LandGrid.read(self._dataset, path)
        self._grid.require_same(held, path, Path("the monthly history"))
        for name in self._names:
            units = getattr(self._dataset[name], "units", None)
            require_unit(units, (DENSITY_UNIT,), f"{path}: {name}")
        return self._dataset


class PoolChange(Protocol):
    """Gives the change of all litter pools over a month."""

    description: str

    def over(self, sample: MonthSample) -> NDArray[np.float64] | None:
        """Rate of change, shape (4 pools, 20, cell), gC m-3 s-1; None where it cannot be known."""


class ChangeFromEnds:
    """From instantaneous pools at the start and the end of the month."""

    description = "instantaneous pools at the ends of each month"

    def __init__(self, paths: Sequence[Path], generation: Generation, grid: LandGrid) -> None:
        self._places = {
            day: (path, index) for path in paths for index, day in enumerate(read_instants(path))
        }
        self._read = _PoolReader(generation, grid)

    def over(self, sample: MonthSample) -> NDArray[np.float64] | None:
        """Change between the two instants; None if either was not written."""
        start = self._places.get(round(sample.start, DAY_DIGITS))
        end = self._places.get(round(sample.end, DAY_DIGITS))
        if start is None or end is None:
            return None
        first = self._read(start)
        return (self._read(end) - first) / sample.seconds


class ChangeFromMeans:
    """From the monthly means before and after; a single year is taken to repeat itself."""

    description = "monthly mean pools of the months before and after"

    def __init__(
        self, samples: Sequence[MonthSample], generation: Generation, grid: LandGrid
    ) -> None:
        self._samples = list(samples)
        self._position = {sample.ordinal: i for i, sample in enumerate(samples)}
        self._read = _PoolReader(generation, grid)

    def over(self, sample: MonthSample) -> NDArray[np.float64] | None:
        """Centred difference; None at either end of the record."""
        position, count = self._position[sample.ordinal], len(self._samples)
        before, after = position - 1, position + 1
        if count == _MONTHS_A_YEAR:
            before, after = before % count, after % count
        elif before < 0 or after >= count:
            return None
        earlier, later = self._samples[before], self._samples[after]
        # The earlier first: it is among the times kept, and must be used before it is given up.
        first = self._read((earlier.path, earlier.index))
        change = self._read((later.path, later.index)) - first
        between = sample.seconds + 0.5 * (earlier.seconds + later.seconds)
        return change / between


def read_instants(path: Path) -> list[float]:
    """Days since 0001-01-01 of the instants of a file of instantaneous values.

    Raises
    ------
    ForcingError, FileError
        If it cannot be read or has no time.
    """
    with open_history(path) as dataset:
        if "time" not in dataset.variables:
            raise ForcingError(f"{path} has no variable time: it is not a CLM history file")
        time = dataset["time"]
        calendar = str(getattr(time, "calendar", "standard")).lower()
        stored = stored_values(dataset, "time").astype(np.float64)
        instants = cftime.num2date(stored, time.units, calendar)
    days = cftime.date2num(instants, "days since 0001-01-01", calendar)
    return [round(float(day), DAY_DIGITS) for day in days]
