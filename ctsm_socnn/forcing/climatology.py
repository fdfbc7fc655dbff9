"""Monthly climatology of the forcing, from any number of history files.

Files are read one at a time and a few months at once; what is kept is one sum a calendar month and
land cell, so that memory does not grow with the length of the record.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from tqdm import tqdm

from ctsm_socnn.errors import ForcingError
from ctsm_socnn.forcing.drift import CarbonDrift
from ctsm_socnn.forcing.fields import BEDROCK, FLUX_UNIT, MONTHLY_FIELDS, TOTAL_UNIT
from ctsm_socnn.forcing.land_grid import read_field
from ctsm_socnn.forcing.litter_input import (
    Closure,
    LitterBudget,
    column_total,
    without_negative_months,
)
from ctsm_socnn.forcing.months import MonthSample
from ctsm_socnn.forcing.pool_change import ChangeFromEnds, ChangeFromMeans, PoolChange
from ctsm_socnn.forcing.record import HistoryRecord, check_history
from ctsm_socnn.forcing.totals import ForcingTotals, MonthlyMean
from ctsm_socnn.netcdf_reading import reading
from ctsm_socnn.progress import progress_wanted
from ctsm_socnn.schemas import FORCING_DIMENSIONS, INPUT_VARIABLES, N_LAYERS, N_MONTHS

__all__ = ["INPUT_PROFILES", "read_climatology"]

_COLDEST_SOIL: Final = 150.0
"""K; lower values under the unit K are degrees Celsius."""

_SECONDS_BETWEEN_SAVES: Final = 60.0

_PROFILE_SUFFIX: Final = "_vr"
INPUT_PROFILES: Final = tuple(name + _PROFILE_SUFFIX for name in INPUT_VARIABLES)
"""Litter inputs by layer, named as CLM names what is vertically resolved."""

PROFILE_UNIT: Final = "gC m-3 month-1"

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


def read_climatology(
    paths: Sequence[str | Path],
    *,
    pools: Sequence[str | Path] = (),
    surface: str | Path | None = None,
    first_year: int | None = None,
    last_year: int | None = None,
    input_profiles: bool = False,
    checkpoint: Path | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Monthly climatology of the forcing fields over a period.

    Parameters
    ----------
    paths : sequence of str or Path
        Monthly history files of one run.
    pools : sequence of str or Path
        Files with instantaneous litter pools at month ends, from which dC/dt is exact.
    surface : str or Path, optional
        Surface dataset, for sand and bedrock where the history lacks them.
    first_year, last_year : int, optional
        Both included.
    input_profiles : bool
        Also give the litter inputs by layer (`CWD_INPUT_vr` and so on, gC m-3 month-1); only where
        they are derived from the pool budget.
    checkpoint : Path, optional
        File in which sums are saved about once a minute; an interrupted call with the same
        arguments continues from it. Deleted at the end.
    progress : bool
        Show a progress bar.

    Returns
    -------
    xarray.Dataset
        Forcing by CLM name on `(month, layer, lat, lon)` or `(month, layer, lndgrid)`, with
        `landmask`; attributes give the period, the closure of the litter budget and the drift.
        CELLSAND is NaN where neither history nor surface dataset holds sand.

    Raises
    ------
    ForcingError, GridError, FileError
    """
    surface = None if surface is None else Path(surface)
    record = check_history([Path(path) for path in paths], surface, first_year, last_year)
    if input_profiles and record.source.generation is None:
        raise ForcingError(
            f"{record.paths[0]} holds column totals of the litter inputs, which have no profile; "
            "leave the profiles out, or give history with the fields of the pool budget"
        )
    ends = [Path(path) for path in pools]
    totals = _empty_totals(record, input_profiles)
    budget = _budget(record, ends, totals.closure)
    fingerprint = f"{record.fingerprint(ends)} {input_profiles}"
    if checkpoint is not None:
        totals.resume(checkpoint, fingerprint)
    saved = time.monotonic()
    with tqdm(
        total=len(record.samples),
        initial=totals.months_done,
        unit="month",
        disable=None if progress and progress_wanted() else True,
    ) as bar:
        for dataset, block in record.blocks(skip=totals.blocks_done):
            with reading(block[0].path):
                _add_fields(totals, dataset, block, record)
                _add_inputs(totals, dataset, block, record, budget)
                totals.drift.add(dataset, block, record.grid)
            totals.blocks_done += 1
            bar.update(len(block))
            if checkpoint is not None and time.monotonic() - saved > _SECONDS_BETWEEN_SAVES:
                totals.save(checkpoint, fingerprint)
                saved = time.monotonic()
    climatology = _assemble(totals, record, budget)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return climatology


def _empty_totals(record: HistoryRecord, input_profiles: bool) -> ForcingTotals:
    n_cells = record.grid.land.size
    means = {}
    layered = INPUT_PROFILES if input_profiles else ()
    for name in (*MONTHLY_FIELDS, *INPUT_VARIABLES, *layered):
        levels = (N_LAYERS,) if "layer" in _dimensions(name) else ()
        means[name] = MonthlyMean(np.zeros((N_MONTHS, *levels, n_cells)))
    return ForcingTotals(means, CarbonDrift(n_cells), Closure())


def _dimensions(name: str) -> tuple[str, ...]:
    """Dimensions of a field before those of the grid."""
    if name in INPUT_PROFILES:
        return ("month", "layer")
    return tuple(dim for dim in FORCING_DIMENSIONS[name] if dim != "site")


def _budget(record: HistoryRecord, pools: Sequence[Path], closure: Closure) -> LitterBudget | None:
    generation = record.source.generation
    if generation is None:
        return None
    change: PoolChange
    if pools:
        change = ChangeFromEnds(pools, generation, record.grid)
    else:
        change = ChangeFromMeans(record.samples, generation, record.grid)
    return LitterBudget(generation, record.grid, record.nbedrock, change, closure)


def _add_fields(
    totals: ForcingTotals,
    dataset: netCDF4.Dataset,
    block: list[MonthSample],
    record: HistoryRecord,
) -> None:
    at = slice(block[0].index, block[-1].index + 1)
    for name in MONTHLY_FIELDS:
        values = read_field(dataset, name, record.grid, at)
        if name == "TSOI" and (values < _COLDEST_SOIL).any():
            raise ForcingError(
                f"{dataset.filepath()}: TSOI goes down to {np.nanmin(values):.4g} although its unit "
                "is K; these are degrees Celsius. Give the history as CLM wrote it"
            )
        for sample, value in zip(block, values, strict=True):
            totals.means[name].add(sample.month, value)


def _add_inputs(
    totals: ForcingTotals,
    dataset: netCDF4.Dataset,
    block: list[MonthSample],
    record: HistoryRecord,
    budget: LitterBudget | None,
) -> None:
    """Add column totals, gC m-2 of each month, and profiles where they are wanted."""
    if budget is None:
        at = slice(block[0].index, block[-1].index + 1)
        given = [read_field(dataset, name, record.grid, at) for name in INPUT_VARIABLES]
        _add_by_pool(totals, INPUT_VARIABLES, block, np.stack(given, axis=1), record.input_unit)
        return
    samples, density = budget.inputs(dataset, block)
    _add_by_pool(totals, INPUT_VARIABLES, samples, column_total(density), FLUX_UNIT)
    if INPUT_PROFILES[0] in totals.means:
        _add_by_pool(totals, INPUT_PROFILES, samples, density, FLUX_UNIT)


def _add_by_pool(
    totals: ForcingTotals,
    names: Sequence[str],
    samples: Sequence[MonthSample],
    inputs: NDArray[np.floating],
    unit: str,
) -> None:
    """Add inputs of shape (month, pool, ...), a flux or the total of each month."""
    for sample, by_pool in zip(samples, inputs, strict=True):
        length = sample.seconds if unit == FLUX_UNIT else 1.0
        for name, values in zip(names, by_pool, strict=True):
            totals.means[name].add(sample.month, values * length)


def _assemble(
    totals: ForcingTotals, record: HistoryRecord, budget: LitterBudget | None
) -> xr.Dataset:
    grid = record.grid
    fields: dict[str, xr.Variable] = {}
    for name in list(totals.means):
        # Taken out: sums and fields on the whole grid together would be the peak of memory.
        values = totals.means.pop(name).mean(name)
        if budget is not None and name not in MONTHLY_FIELDS:
            values = without_negative_months(values)
        fields[name] = grid.spread(values, _dimensions(name))
        fields[name].attrs = _labels(name)
    fields[BEDROCK] = grid.spread(record.nbedrock)
    fields[BEDROCK].attrs = {"units": "1", "long_name": "deepest layer with soil, from 1"}
    fields["CELLSAND"] = grid.spread(record.sand, ("layer",))
    fields["CELLSAND"].attrs = {"units": "percent", "long_name": "sand content"}
    coordinates = {**grid.coordinates(), "month": xr.Variable("month", np.arange(1, N_MONTHS + 1))}
    attributes = _attributes(totals, record, budget)
    return xr.Dataset(fields, coordinates, attributes)


def _labels(name: str) -> dict[str, str]:
    if name in INPUT_PROFILES:
        column = _LONG_NAMES[name.removesuffix(_PROFILE_SUFFIX)]
        return {"units": PROFILE_UNIT, "long_name": column.replace("column total", "by layer")}
    unit = TOTAL_UNIT if name in INPUT_VARIABLES else MONTHLY_FIELDS[name]
    return {"units": unit, "long_name": _LONG_NAMES[name]}


def _attributes(
    totals: ForcingTotals, record: HistoryRecord, budget: LitterBudget | None
) -> dict[str, str | float | int]:
    attributes: dict[str, str | float | int] = {
        "period": f"{record.samples[0]} to {record.samples[-1]}",
        "months_averaged": len(record.samples),
        "history_files": len(record.paths),
        "calendar": record.samples[0].calendar,
        "litter_inputs": "as in the history files"
        if budget is None
        else f"from the pool budget, with {budget.change.description}",
    }
    return attributes | totals.closure.attributes() | totals.drift.attributes()
