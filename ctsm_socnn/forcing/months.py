"""Which month each time sample of a set of history files is.

CLM stamps a monthly mean with the end of its month (`h0`) or its middle (`h0a`), and names files
after the end of their first sample. Only `time_bounds` says which month was averaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import cftime
import netCDF4
import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import FileError, ForcingError
from ctsm_socnn.forcing.classic_file import missing_bytes
from ctsm_socnn.netcdf_reading import open_netcdf

__all__ = [
    "MonthSample",
    "choose_period",
    "open_history",
    "order_months",
    "read_months",
    "stored_values",
]

_SHORTEST_MONTH: Final = 27.0
_LONGEST_MONTH: Final = 32.0
_SECONDS_A_DAY: Final = 86400.0
_CHUNK_CACHE: Final = 8 * 2**20
"""Bytes a variable: one month of 25 levels at 0.9 x 1.25 degrees in single precision."""


@dataclass(frozen=True)
class MonthSample:
    """One monthly mean: the file and position that hold it, and the month it is the mean of.

    Attributes
    ----------
    path : Path
    index : int
        Position along `time`.
    year, month : int
    start, end : float
        Bounds of the average, days since 0001-01-01 of the calendar.
    calendar : str
    """

    path: Path
    index: int
    year: int
    month: int
    start: float
    end: float
    calendar: str

    @property
    def seconds(self) -> float:
        """Length of the month, s."""
        return (self.end - self.start) * _SECONDS_A_DAY

    @property
    def ordinal(self) -> int:
        """Months since year 0."""
        return 12 * self.year + self.month - 1

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"


@contextmanager
def open_history(path: Path) -> Iterator[netCDF4.Dataset]:
    """Open a history file for a block of code that reads it, values as stored.

    Raises
    ------
    FileError
        If the file is missing or damaged.
    """
    with open_netcdf(path) as dataset:
        if missing := missing_bytes(path):
            raise FileError(
                f"{path} ends {missing} bytes before what its header promises; it was cut short or "
                "is still being written. Copy it again, or leave it out"
            )
        dataset.set_auto_mask(False)
        _limit_chunk_caches(dataset)
        yield dataset


def _limit_chunk_caches(dataset: netCDF4.Dataset) -> None:
    """Keep netCDF from holding 64 MiB of each variable, which dozens of fields make gigabytes."""
    if dataset.disk_format != "HDF5":
        return
    for variable in dataset.variables.values():
        if isinstance(variable.chunking(), list):
            variable.set_var_chunk_cache(size=_CHUNK_CACHE)


def stored_values(dataset: netCDF4.Dataset, name: str, selection: Any = Ellipsis) -> NDArray[Any]:
    """Read a variable of an open history file as it is stored; NaN where a mask was asked for.

    Raises
    ------
    FileError
        If the file is damaged where the variable lies.
    """
    try:
        values = dataset[name][selection]
    except (OSError, RuntimeError) as error:
        raise FileError(
            f"{dataset.filepath()} is damaged: {name} cannot be read ({error}). Copy the file again, "
            "or leave it out"
        ) from error
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.filled(values.astype(np.result_type(values, np.float32)), np.nan)
    return np.asarray(values)


def read_months(dataset: netCDF4.Dataset, path: Path) -> list[MonthSample]:
    """Months that an open history file holds, in its order.

    Raises
    ------
    ForcingError
        If it has no time bounds or its samples are not monthly means.
    """
    bounds, units, calendar = _time_bounds(dataset, path)
    return [
        _sample(path, index, start, end, units, calendar)
        for index, (start, end) in enumerate(bounds)
    ]


def order_months(samples: Iterable[MonthSample]) -> list[MonthSample]:
    """Sort samples in time and refuse a month that occurs twice, a gap, or mixed calendars.

    Raises
    ------
    ForcingError
    """
    ordered = sorted(samples, key=lambda sample: sample.ordinal)
    calendars = {sample.calendar: sample.path for sample in reversed(ordered)}
    if len(calendars) > 1:
        found = ", ".join(f"{name} in {path}" for name, path in sorted(calendars.items()))
        raise ForcingError(
            f"history files have different calendars ({found}); give files of one run"
        )
    for earlier, later in pairwise(ordered):
        if earlier.ordinal == later.ordinal:
            raise ForcingError(
                f"month {earlier} occurs twice, in {earlier.path} and {later.path}; leave one out "
                "(restart history files match '*h0a*': use '*.clm2.h0a.*', or for one of several "
                "instances '*.clm2_0001.h0a.*')"
            )
        if later.ordinal - earlier.ordinal > 1:
            raise ForcingError(
                f"months are missing between {earlier} ({earlier.path}) and {later} ({later.path}); "
                "give all files of the period, or choose years without a gap"
            )
    return ordered


def choose_period(
    samples: Sequence[MonthSample], first_year: int | None, last_year: int | None
) -> list[MonthSample]:
    """Choose the samples of some years, each calendar month among them.

    Parameters
    ----------
    samples : sequence of MonthSample
    first_year, last_year : int or None
        Both included; None leaves that end open.

    Raises
    ------
    ForcingError
        If a calendar month does not occur.
    """
    low = -np.inf if first_year is None else first_year
    high = np.inf if last_year is None else last_year
    chosen = [sample for sample in samples if low <= sample.year <= high]
    absent = sorted(set(range(1, 13)) - {sample.month for sample in chosen})
    if absent:
        ordered = sorted(samples, key=lambda sample: sample.ordinal)
        held = f"{ordered[0]} to {ordered[-1]}" if ordered else "none"
        raise ForcingError(
            f"months {', '.join(map(str, absent))} do not occur in the history files "
            f"(months held: {held}; asked for years {first_year or 'any'} to {last_year or 'any'}); "
            "a climatology needs all twelve"
        )
    return chosen


def _time_bounds(dataset: netCDF4.Dataset, path: Path) -> tuple[Any, str, str]:
    if "time" not in dataset.variables:
        raise ForcingError(f"{path} has no variable time: it is not a CLM history file")
    time = dataset["time"]
    name = getattr(time, "bounds", "time_bounds")
    if name not in dataset.variables:
        raise ForcingError(
            f"{path} has no {name}, without which the month of a sample cannot be known; "
            "give monthly history as CLM wrote it"
        )
    units = getattr(time, "units", "")
    if " since " not in units:
        raise ForcingError(f"{path}: time has units '{units}'; it must be 'days since ...'")
    calendar = str(getattr(time, "calendar", "standard")).lower()
    bounds = stored_values(dataset, name).astype(np.float64)
    if bounds.shape != (*time.shape, 2):
        raise ForcingError(
            f"{path}: {name} has dimensions {dataset[name].dimensions} of sizes {bounds.shape}; it must be "
            "(time, 2): start and end of each month"
        )
    return bounds, units, calendar


def _sample(
    path: Path, index: int, start: float, end: float, units: str, calendar: str
) -> MonthSample:
    try:
        first, middle, last = cftime.num2date([start, 0.5 * (start + end), end], units, calendar)
    except (ValueError, OverflowError) as error:
        raise ForcingError(
            f"{path}: time bounds of sample {index} cannot be read: {error}"
        ) from error
    days = (last - first).total_seconds() / _SECONDS_A_DAY
    if not _SHORTEST_MONTH <= days <= _LONGEST_MONTH:
        raise ForcingError(
            f"{path}: sample {index} is a mean over {days:g} days ({first} to {last}); "
            "monthly history is needed (hist_nhtfrq = 0)"
        )
    origin = cftime.date2num(first, "days since 0001-01-01", calendar)
    return MonthSample(
        path=path,
        index=index,
        year=middle.year,
        month=middle.month,
        start=float(origin),
        end=float(origin) + days,
        calendar=_calendar_name(calendar),
    )


def _calendar_name(calendar: str) -> str:
    same = {"365_day": "noleap", "gregorian": "standard", "366_day": "all_leap"}
    return same.get(calendar, calendar)
