"""Monthly climatology of the forcing, from any number of history files.

Files are read one at a time and a few months at once; what is kept is one sum a calendar month and
land cell, so that memory does not grow with the length of the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from tqdm import tqdm

from ctsm_socnn.errors import ForcingError
from ctsm_socnn.forcing.drift import CarbonDrift
from ctsm_socnn.forcing.fields import (
    BEDROCK,
    FLUX_UNIT,
    MONTHLY_FIELDS,
    SAND_NAMES,
    TOTAL_UNIT,
    InputSource,
    require_fields,
    require_units,
)
from ctsm_socnn.forcing.land_grid import LandGrid, read_field, require_soil_levels
from ctsm_socnn.forcing.litter_input import (
    LitterBudget,
    column_total,
    without_negative_months,
)
from ctsm_socnn.forcing.months import (
    MonthSample,
    choose_period,
    open_history,
    order_months,
    read_months,
)
from ctsm_socnn.forcing.pool_change import ChangeFromEnds, ChangeFromMeans, PoolChange
from ctsm_socnn.forcing.surface import read_surface_bedrock, read_surface_sand
from ctsm_socnn.schemas import FORCING_DIMENSIONS, INPUT_VARIABLES, N_LAYERS, N_MONTHS

__all__ = ["read_climatology"]

_COLDEST_SOIL: Final = 150.0
"""K; lower values under the unit K are degrees Celsius."""

_VALUES_AT_ONCE: Final = 4_000_000
"""Most values of one field that are held while reading."""

_LONG_NAMES: Final = {
    "TSOI": "soil temperature",
    "W_SCALAR": "moisture scalar of decomposition",
    "O_SCALAR": "oxygen scalar of decomposition",
    "FPI_vr": "fraction of potential immobilisation",
    "ALTMAX": "maximum annual active layer thickness",
    "ALTMAX_LASTYEAR": "maximum active layer thickness of the year before",
    "CWD_INPUT": "carbon input to coarse woody debris, column total",
    "LITR1_INPUT": "carbon input to metabolic litter, column total",
    "LITR2_INPUT": "carbon input to cellulose litter, column total",
    "LITR3_INPUT": "carbon input to lignin litter, column total",
}


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

    @classmethod
    def zeros(cls, *shape: int) -> MonthlyMean:
        """Start an empty mean of fields of this shape."""
        return cls(np.zeros((N_MONTHS, *shape)))

    def add(self, month: int, values: NDArray[np.float64]) -> None:
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
                f"no sample of months {absent} allows to derive {what}; give a longer record, or "
                "the instantaneous pools of the run with --pools"
            )
        shape = (N_MONTHS, *[1] * (self.total.ndim - 1))
        return self.total / self.count.reshape(shape)


@dataclass(frozen=True)
class _Record:
    """The history files once checked: their months, grid and what they hold."""

    samples: list[MonthSample]
    grid: LandGrid
    source: InputSource
    input_unit: str
    nbedrock: NDArray[np.int64]
    sand: NDArray[np.float64]
    n_files: int


def read_climatology(
    paths: Sequence[Path],
    *,
    pools: Sequence[Path] = (),
    surface: Path | None = None,
    first_year: int | None = None,
    last_year: int | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Monthly climatology of the forcing fields over a period.

    Parameters
    ----------
    paths : sequence of Path
        Monthly history files of one run.
    pools : sequence of Path
        Files with instantaneous litter pools at month ends, from which dC/dt is exact.
    surface : Path, optional
        Surface dataset, for sand and bedrock where the history lacks them.
    first_year, last_year : int, optional
        Both included.
    progress : bool
        Show a progress bar.

    Returns
    -------
    xarray.Dataset
        Forcing by CLM name on `(month, layer, lat, lon)` or `(month, layer, lndgrid)`, with
        `landmask`; attributes tell the period, the closure of the litter budget and the drift.
        CELLSAND is NaN where neither history nor surface dataset holds sand.

    Raises
    ------
    ForcingError, GridError, FileError
    """
    record = _check(paths, surface, first_year, last_year)
    budget = _budget(record, pools)
    drift = CarbonDrift(record.grid.land.size)
    n_cells = record.grid.land.size
    means = {name: MonthlyMean.zeros(*_shape(name, n_cells)) for name in _monthly_names()}
    with tqdm(total=len(record.samples), unit="month", disable=not progress) as bar:
        for dataset, block in _blocks(record):
            _add_fields(means, dataset, block, record)
            _add_inputs(means, dataset, block, record, budget)
            drift.add(dataset, block, record.grid)
            bar.update(len(block))
    return _assemble(means, record, budget, drift)


def _monthly_names() -> tuple[str, ...]:
    return (*MONTHLY_FIELDS, *INPUT_VARIABLES)


def _shape(name: str, n_cells: int) -> tuple[int, ...]:
    return (N_LAYERS, n_cells) if "layer" in FORCING_DIMENSIONS[name] else (n_cells,)


def _check(
    paths: Sequence[Path], surface: Path | None, first_year: int | None, last_year: int | None
) -> _Record:
    if not paths:
        raise ForcingError("no history file was given or found")
    ordered = order_months(sample for path in paths for sample in read_months(path))
    samples = choose_period(ordered, first_year, last_year)
    used = list(dict.fromkeys(sample.path for sample in samples))
    names = {path: _names(path) for path in paths}
    in_all = set.intersection(*(names[path] for path in used))
    in_any = set.union(*names.values())
    source = require_fields(used, in_all, in_any, surface=surface is not None)
    grid, unit = _check_files(used, source)
    return _Record(
        samples=samples,
        grid=grid,
        source=source,
        input_unit=unit,
        nbedrock=_bedrock(names, grid, surface),
        sand=_sand(names, grid, surface),
        n_files=len(used),
    )


def _names(path: Path) -> set[str]:
    with open_history(path) as dataset:
        return set(dataset.variables)


def _check_files(paths: Sequence[Path], source: InputSource) -> tuple[LandGrid, str]:
    first: LandGrid | None = None
    units = {}
    for path in paths:
        with open_history(path) as dataset:
            grid = LandGrid.read(dataset, path)
            require_soil_levels(dataset, path)
            units[require_units(dataset, source, path)] = path
        if first is None:
            first = grid
        first.require_same(grid, path, paths[0])
    if len(units) > 1:
        raise ForcingError(
            f"litter inputs are in different units in {' and '.join(map(str, units.values()))}; "
            "give files of one run"
        )
    assert first is not None
    return first, next(iter(units))


def _bedrock(
    names: dict[Path, set[str]], grid: LandGrid, surface: Path | None
) -> NDArray[np.int64]:
    holders = [path for path, held in names.items() if BEDROCK in held]
    if not holders:
        assert surface is not None
        return read_surface_bedrock(surface, grid)
    values = _read_constant(holders[0], BEDROCK, grid)
    if not ((values >= 1) & (values <= N_LAYERS)).all():
        raise ForcingError(
            f"{holders[0]}: {BEDROCK} lies between {np.nanmin(values):g} and {np.nanmax(values):g} "
            f"or is missing at a land cell; it must be 1 to {N_LAYERS}"
        )
    return values.astype(np.int64)


def _sand(names: dict[Path, set[str]], grid: LandGrid, surface: Path | None) -> NDArray[np.float64]:
    for path, held in names.items():
        for name in SAND_NAMES:
            if name in held:
                return _read_constant(path, name, grid)
    if surface is not None:
        return read_surface_sand(surface, grid)
    return np.full((N_LAYERS, grid.land.size), np.nan)


def _read_constant(path: Path, name: str, grid: LandGrid) -> NDArray[np.float64]:
    """Read a field that does not change: its first sample where it has a time dimension."""
    with open_history(path) as dataset:
        if "time" in dataset[name].dimensions:
            return np.asarray(read_field(dataset, name, grid, slice(0, 1))[0])
        return read_field(dataset, name, grid)


def _budget(record: _Record, pools: Sequence[Path]) -> LitterBudget | None:
    generation = record.source.generation
    if generation is None:
        return None
    change: PoolChange
    if pools:
        change = ChangeFromEnds(pools, generation, record.grid)
    else:
        change = ChangeFromMeans(record.samples, generation, record.grid)
    return LitterBudget(generation, record.grid, record.nbedrock, change)


def _blocks(record: _Record) -> Iterator[tuple[netCDF4.Dataset, list[MonthSample]]]:
    """Open each file once and give its months a few at a time."""
    by_path: dict[Path, list[MonthSample]] = {}
    for sample in record.samples:
        by_path.setdefault(sample.path, []).append(sample)
    at_once = max(1, _VALUES_AT_ONCE // (N_LAYERS * int(np.prod(record.grid.shape))))
    for path, samples in by_path.items():
        samples.sort(key=lambda sample: sample.index)
        with open_history(path) as dataset:
            for block in _runs(samples, at_once):
                yield dataset, block


def _runs(samples: Sequence[MonthSample], longest: int) -> Iterable[list[MonthSample]]:
    """Split into runs of neighbouring positions, none longer than `longest`."""
    run: list[MonthSample] = []
    for sample in samples:
        if run and (len(run) == longest or sample.index != run[-1].index + 1):
            yield run
            run = []
        run.append(sample)
    yield run


def _add_fields(
    means: dict[str, MonthlyMean],
    dataset: netCDF4.Dataset,
    block: list[MonthSample],
    record: _Record,
) -> None:
    at = slice(block[0].index, block[-1].index + 1)
    for name in MONTHLY_FIELDS:
        values = read_field(dataset, name, record.grid, at)
        if name == "TSOI" and np.nanmin(values) < _COLDEST_SOIL:
            raise ForcingError(
                f"{dataset.filepath()}: TSOI goes down to {np.nanmin(values):.4g} although its unit "
                "is K; these are degrees Celsius. Give the history as CLM wrote it"
            )
        for sample, value in zip(block, values, strict=True):
            means[name].add(sample.month, value)


def _add_inputs(
    means: dict[str, MonthlyMean],
    dataset: netCDF4.Dataset,
    block: list[MonthSample],
    record: _Record,
    budget: LitterBudget | None,
) -> None:
    """Add column totals, gC m-2 of each month."""
    for sample in block:
        at = slice(sample.index, sample.index + 1)
        if budget is None:
            flux = [read_field(dataset, name, record.grid, at)[0] for name in INPUT_VARIABLES]
        else:
            derived = budget.inputs(dataset, sample)
            if derived is None:
                continue
            flux = list(column_total(derived))
        length = sample.seconds if record.input_unit == FLUX_UNIT else 1.0
        for name, values in zip(INPUT_VARIABLES, flux, strict=True):
            means[name].add(sample.month, values * length)


def _assemble(
    means: dict[str, MonthlyMean],
    record: _Record,
    budget: LitterBudget | None,
    drift: CarbonDrift,
) -> xr.Dataset:
    grid = record.grid
    fields: dict[str, xr.Variable] = {}
    for name, mean in means.items():
        values = mean.mean(name)
        if budget is not None and name in INPUT_VARIABLES:
            values = without_negative_months(values)
        dims = tuple(dim for dim in FORCING_DIMENSIONS[name] if dim != "site")
        fields[name] = grid.spread(values, dims)
        unit = TOTAL_UNIT if name in INPUT_VARIABLES else MONTHLY_FIELDS[name]
        fields[name].attrs = {"units": unit, "long_name": _LONG_NAMES[name]}
    fields[BEDROCK] = grid.spread(record.nbedrock)
    fields[BEDROCK].attrs = {"units": "1", "long_name": "deepest layer with soil, from 1"}
    fields["CELLSAND"] = grid.spread(record.sand, ("layer",))
    fields["CELLSAND"].attrs = {"units": "percent", "long_name": "sand content"}
    coordinates = {**grid.coordinates(), "month": xr.Variable("month", np.arange(1, N_MONTHS + 1))}
    attributes = _attributes(record, budget) | drift.attributes()
    return xr.Dataset(fields, coordinates, attributes)


def _attributes(record: _Record, budget: LitterBudget | None) -> dict[str, str | float | int]:
    attributes: dict[str, str | float | int] = {
        "period": f"{record.samples[0]} to {record.samples[-1]}",
        "months_averaged": len(record.samples),
        "history_files": record.n_files,
        "calendar": record.samples[0].calendar,
    }
    if budget is None:
        return attributes | {"litter_inputs": "as in the history files"}
    attributes["litter_inputs"] = f"from the pool budget, with {budget.change.description}"
    if budget.closure.largest:
        attributes["litter_closure_largest"] = max(budget.closure.largest)
        attributes["litter_closure_median"] = float(np.median(budget.closure.median))
    return attributes
