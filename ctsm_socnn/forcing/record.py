"""A set of history files, checked as a whole before any field is averaged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import netCDF4
import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import ForcingError
from ctsm_socnn.forcing.fields import (
    BEDROCK,
    SAND_NAMES,
    InputSource,
    require_fields,
    require_units,
)
from ctsm_socnn.forcing.land_grid import LandGrid, read_field, require_soil_levels
from ctsm_socnn.forcing.months import (
    MonthSample,
    choose_period,
    open_history,
    order_months,
    read_months,
)
from ctsm_socnn.forcing.surface import read_surface_bedrock, read_surface_sand
from ctsm_socnn.schemas import N_LAYERS
from ctsm_socnn.units import require_unit

__all__ = ["HistoryRecord", "check_history"]

_VALUES_AT_ONCE: Final = 4_000_000
"""Most values of one field that are read at once."""


@dataclass(frozen=True)
class HistoryRecord:
    """History files of one run: months, grid, and what is needed beside the monthly fields.

    Attributes
    ----------
    samples : list of MonthSample
        Months of the period, in order.
    grid : LandGrid
    source : InputSource
        Where litter inputs come from.
    input_unit : str
        Unit of the litter inputs: a flux or the total of a month.
    nbedrock : ndarray of int, shape (cell,)
        Deepest layer with soil, from 1.
    sand : ndarray, shape (20, cell), percent
        NaN where unknown.
    """

    samples: list[MonthSample]
    grid: LandGrid
    source: InputSource
    input_unit: str
    nbedrock: NDArray[np.int64]
    sand: NDArray[np.float64]

    @property
    def paths(self) -> list[Path]:
        """Files that hold the period, oldest first."""
        return list(dict.fromkeys(sample.path for sample in self.samples))

    def blocks(self, skip: int = 0) -> Iterator[tuple[netCDF4.Dataset, list[MonthSample]]]:
        """Open each file once and give its months a few at a time.

        Parameters
        ----------
        skip : int
            Blocks to leave out at the start: those that an earlier run has done.
        """
        at_once = max(1, _VALUES_AT_ONCE // (N_LAYERS * int(np.prod(self.grid.shape))))
        for path in self.paths:
            samples = [sample for sample in self.samples if sample.path == path]
            samples.sort(key=lambda sample: sample.index)
            runs = list(_runs(samples, at_once))
            left = runs[skip:]
            skip = max(0, skip - len(runs))
            if left:
                with open_history(path) as dataset:
                    for block in left:
                        yield dataset, block

    def fingerprint(self, others: Iterable[Path] = ()) -> str:
        """Checksum that changes with the period and with any file's name, size or date."""
        digest = hashlib.sha256(" ".join(map(str, self.samples)).encode())
        for path in (*self.paths, *others):
            status = path.stat()
            digest.update(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}\n".encode())
        return digest.hexdigest()


def check_history(
    paths: Sequence[Path], surface: Path | None, first_year: int | None, last_year: int | None
) -> HistoryRecord:
    """Look at all files, and refuse them before any work if something is wrong.

    Parameters
    ----------
    paths : sequence of Path
    surface : Path or None
        Surface dataset, for bedrock and sand where the history lacks them.
    first_year, last_year : int or None
        Both included.

    Raises
    ------
    ForcingError, GridError, FileError
    """
    if not paths:
        raise ForcingError("no history file was given or found")
    names: dict[Path, set[str]] = {}
    found: list[MonthSample] = []
    for path in paths:
        with open_history(path) as dataset:
            months = read_months(dataset, path)
            if months:  # CLM makes a file before it has a first month to write into it
                found += months
                names[path] = set(dataset.variables)
    samples = order_months(choose_period(found, first_year, last_year))
    used = list(dict.fromkeys(sample.path for sample in samples))
    in_all = set.intersection(*(names[path] for path in used))
    in_any = set.union(*names.values())
    source = require_fields(used, in_all, in_any, surface=surface is not None)
    grid, unit = _check_files(used, source)
    return HistoryRecord(
        samples=samples,
        grid=grid,
        source=source,
        input_unit=unit,
        nbedrock=_bedrock(names, grid, surface),
        sand=_sand(names, grid, surface),
    )


def _runs(samples: Sequence[MonthSample], longest: int) -> Iterator[list[MonthSample]]:
    """Split into runs of neighbouring positions, none longer than `longest`."""
    run: list[MonthSample] = []
    for sample in samples:
        if run and (len(run) == longest or sample.index != run[-1].index + 1):
            yield run
            run = []
        run.append(sample)
    yield run


def _check_files(paths: Sequence[Path], source: InputSource) -> tuple[LandGrid, str]:
    grids, units = [], {}
    for path in paths:
        with open_history(path) as dataset:
            grids.append(LandGrid.read(dataset, path))
            require_soil_levels(dataset, path)
            units[require_units(dataset, source, path)] = path
        grids[0].require_same(grids[-1], path, paths[0])
    if len(units) > 1:
        raise ForcingError(
            f"litter inputs are in different units in {' and '.join(map(str, units.values()))}; "
            "give files of one run"
        )
    return grids[0], next(iter(units))


def _bedrock(
    names: Mapping[Path, set[str]], grid: LandGrid, surface: Path | None
) -> NDArray[np.int64]:
    holder = next((path for path, held in names.items() if BEDROCK in held), None)
    if holder is None:
        assert surface is not None
        return read_surface_bedrock(surface, grid)
    values = _read_constant(holder, BEDROCK, grid)
    strange = values[~((values >= 1) & (values <= N_LAYERS))]
    if strange.size:
        said = "missing" if np.isnan(strange[0]) else f"{strange[0]:g}"
        raise ForcingError(
            f"{holder}: {BEDROCK} is {said} at {strange.size} of {values.size} land cells; it must be "
            f"1 to {N_LAYERS}. Unless landmask has the wrong sense (1 must mark land), the history is "
            "damaged"
        )
    return values.astype(np.int64)


def _sand(
    names: Mapping[Path, set[str]], grid: LandGrid, surface: Path | None
) -> NDArray[np.float64]:
    for path, held in names.items():
        for name in SAND_NAMES:
            if name in held:
                return _read_constant(path, name, grid, "percent")
    if surface is not None:
        return read_surface_sand(surface, grid)
    return np.full((N_LAYERS, grid.land.size), np.nan)


def _read_constant(
    path: Path, name: str, grid: LandGrid, unit: str | None = None
) -> NDArray[np.float64]:
    """Read a field that does not change, perhaps from a file outside the period.

    Its first sample is taken where it has a time dimension.
    """
    with open_history(path) as dataset:
        grid.require_same(LandGrid.read(dataset, path), path, Path("the files of the period"))
        if unit is not None:
            require_unit(getattr(dataset[name], "units", None), (unit,), f"{path}: {name}")
        if "time" in dataset[name].dimensions:
            return np.asarray(read_field(dataset, name, grid, slice(0, 1))[0], dtype=np.float64)
        return read_field(dataset, name, grid).astype(np.float64)
