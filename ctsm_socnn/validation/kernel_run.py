"""The last two years of a CTSM run as input of the offline kernel: columns, forcing and states.

The kernel is given the scalars that the run itself wrote, so that what is left to differ are decay
rates, fractions, mixing and the way in which pools follow from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.forcing.land_grid import read_field
from ctsm_socnn.forcing.litter_input import Closure, LitterBudget
from ctsm_socnn.forcing.months import MonthSample, open_history
from ctsm_socnn.forcing.pool_change import (
    DAY_DIGITS,
    ChangeFromEnds,
    ChangeFromMeans,
    PoolChange,
    read_instants,
)
from ctsm_socnn.forcing.record import HistoryRecord, check_history
from ctsm_socnn.model import (
    CTSM_POOLS,
    CtsmColumns,
    CtsmForcing,
    CtsmParameters,
    CtsmScheme,
)
from ctsm_socnn.model.ctsm_sites import potential_of_water_scalar
from ctsm_socnn.parameters import FREEZING, Q10_REFERENCE, century_normalisation
from ctsm_socnn.validation.history_fields import HistoryFields

__all__ = ["KernelRun", "by_column", "open_kernel_run"]

Array = NDArray[np.float64]

_COLDEST, _WARMEST = 200.0, 340.0
_NEEDED: Final = ("T_SCALAR", "W_SCALAR", "O_SCALAR", "FPI_vr", "ALTMAX", "ALTMAX_LASTYEAR")
_UNKNOWN_SAND: Final = 50.0


@dataclass(frozen=True)
class KernelRun:
    """Months of a run, in the kernel's arrays: columns are the land cells.

    Attributes
    ----------
    fields : HistoryFields
        For what else the history holds.
    months : list of MonthSample
        Months whose litter input is known; `forcing` has one record for each.
    first : int
        Position of the first of them among the months of `fields`.
    scheme : CtsmScheme
    columns : CtsmColumns
    forcing : CtsmForcing
    knows_sand : bool
        Whether the files tell sand, on which the fractions of active carbon depend.
    pools : ndarray, shape (month, cell, 7, 20), gC m-3
        Monthly means.
    start, end : ndarray, shape (cell, 7, 20), gC m-3
        At the start of the first month and the end of the last.
    """

    fields: HistoryFields
    months: list[MonthSample]
    first: int
    scheme: CtsmScheme
    columns: CtsmColumns
    forcing: CtsmForcing
    knows_sand: bool
    pools: Array
    start: Array
    end: Array


def open_kernel_run(
    paths: Sequence[Path],
    scheme: CtsmScheme,
    *,
    instants: Sequence[Path] = (),
    surface: Path | None = None,
) -> KernelRun:
    """Read the last two years of a run for the kernel.

    Parameters
    ----------
    paths : sequence of Path
        Monthly history files with the fields of the litter budget.
    scheme : CtsmScheme
    instants : sequence of Path
        Files with instantaneous pools at the ends of months; without them states and changes are
        taken from the means of neighbouring months.
    surface : Path, optional
        Surface dataset, for sand and bedrock where the history lacks them.

    Raises
    ------
    ValidationError
        If a field or month is missing.
    ForcingError, FileError
        If the files are no monthly history.
    """
    record = check_history(paths, surface, None, None)
    fields = HistoryFields(paths)
    _require(fields, paths[0])
    months, inputs = _inputs(record, fields, instants)
    at = slice(first := fields.samples.index(months[0]), first + len(months))
    pools = np.stack([by_column(values) for values in _pool_means(fields, paths[0])], axis=2)
    if instants:
        start, end = (_state_at(fields, instants, day) for day in (months[0].start, months[-1].end))
    else:
        start = 0.5 * (pools[first - 1] + pools[first])
        end = 0.5 * (pools[at.stop - 1] + pools[at.stop])
    columns = CtsmColumns.from_arrays(
        record.nbedrock,
        np.where(np.isfinite(record.sand), record.sand, _UNKNOWN_SAND).T,
        donor_cn=_donor_cn(scheme.parameters[0]),
    )
    return KernelRun(
        fields=fields,
        months=months,
        first=first,
        scheme=scheme,
        columns=columns,
        forcing=_forcing(fields, scheme.parameters[0], at, inputs),
        knows_sand=bool(np.isfinite(record.sand).all()),
        pools=pools[at],
        start=start,
        end=end,
    )


def by_column(values: Array) -> Array:
    """(..., 20, cell) to (..., cell, 20), nothing where the run has nothing."""
    return np.nan_to_num(np.moveaxis(np.asarray(values, dtype=np.float64), -1, -2))


def _require(fields: HistoryFields, path: Path) -> None:
    missing = [name for name in _NEEDED if fields.get(name) is None]
    if missing:
        raise ValidationError(
            f"{path} lacks {', '.join(missing)}, which the kernel needs; let the run write them"
        )


def _pool_names(fields: HistoryFields) -> list[str]:
    litter, soil = fields.generation.litter, fields.generation.soil
    return [f"{pool}{fields.generation.carbon}_vr" for pool in ("CWD", *litter, *soil)]


def _pool_means(fields: HistoryFields, path: Path) -> list[Array]:
    names = _pool_names(fields)
    pools = fields.get(*names)
    if pools is None:
        raise ValidationError(f"{path} lacks one of the pools {', '.join(names)}")
    return pools


def _inputs(
    record: HistoryRecord, fields: HistoryFields, instants: Sequence[Path]
) -> tuple[list[MonthSample], Array]:
    """Months whose input is known, and the input (month, cell, 7, 20), gC m-3 s-1."""
    generation = record.source.generation
    if generation is None:
        raise ValidationError(
            f"{record.paths[0]} holds column totals of litter inputs; the kernel needs the fields of "
            "the litter pools' budget, as a CTSM run writes them"
        )
    change: PoolChange
    if instants:
        change = ChangeFromEnds(instants, generation, record.grid)
    else:
        change = ChangeFromMeans(record.samples, generation, record.grid)
    budget = LitterBudget(generation, record.grid, record.nbedrock, change, Closure())
    last = replace(record, samples=fields.samples[0 if instants else 1 :])
    months: list[MonthSample] = []
    parts = []
    for dataset, block in last.blocks():
        known, values = budget.inputs(dataset, block)
        months += known
        parts.append(values)
    if not months:
        raise ValidationError("the litter input of no month is known; give the files of two years")
    litter = np.concatenate(parts)
    inputs = np.zeros((len(months), record.nbedrock.size, len(CTSM_POOLS), litter.shape[2]))
    inputs[:, :, : litter.shape[1]] = np.moveaxis(litter, -1, 1)
    return months, np.nan_to_num(inputs)


def _state_at(fields: HistoryFields, paths: Sequence[Path], day: float) -> Array:
    """Pools at an instant, shape (cell, 7, 20)."""
    for path in paths:
        days = read_instants(path)
        if round(day, DAY_DIGITS) in days:
            at = days.index(round(day, DAY_DIGITS))
            with open_history(path) as dataset:
                absent = [name for name in _pool_names(fields) if name not in dataset.variables]
                if absent:
                    raise ValidationError(f"{path} lacks the pools {', '.join(absent)}")
                pools = [
                    read_field(dataset, name, fields.grid, slice(at, at + 1))[0]
                    for name in _pool_names(fields)
                ]
            return np.stack([by_column(values) for values in pools], axis=1)
    raise ValidationError(f"no file of instantaneous pools holds day {day:g} of the run")


def _forcing(
    fields: HistoryFields, parameters: CtsmParameters, at: slice, inputs: Array
) -> CtsmForcing:
    read: Mapping[str, Array] = dict(zip(_NEEDED, fields.get(*_NEEDED) or [], strict=True))
    layered = {name: by_column(read[name][at]) for name in _NEEDED[:4]}
    forcing = CtsmForcing.from_arrays(
        _temperature_of_scalar(layered["T_SCALAR"], parameters),
        potential_of_water_scalar(layered["W_SCALAR"], parameters),
        fpi=np.clip(layered["FPI_vr"], 0.0, 1.0),
        oxygen_unsaturated=layered["O_SCALAR"],
        altmax=read["ALTMAX"][at],
        altmax_lastyear=read["ALTMAX_LASTYEAR"][at],
    )
    # Set afterwards: rounding and differences of monthly means leave negative months.
    return replace(forcing, inputs=np.ascontiguousarray(inputs))


def _temperature_of_scalar(scalar: Array, parameters: CtsmParameters) -> Array:
    """Temperature (K) at which the kernel's temperature scalar is that of the run."""
    normal = float(century_normalisation(parameters.q10))
    exponent = np.log(np.maximum(scalar, np.finfo(float).tiny) / normal)
    warm, cold = (max(np.log(q), 1e-6) for q in (parameters.q10, parameters.froz_q10))
    temperature = Q10_REFERENCE + 10.0 * exponent / warm
    frozen = FREEZING + 10.0 * (exponent + 2.5 * warm) / cold
    kelvin = np.where(temperature < FREEZING, frozen, temperature)
    return np.clip(np.where(scalar > 0.0, kelvin, FREEZING), _COLDEST, _WARMEST)


def _donor_cn(parameters: CtsmParameters) -> tuple[float, ...]:
    """C:N of soil pools; zero for the others: nitrogen limits whatever they pass on."""
    return (0.0, 0.0, 0.0, 0.0, parameters.cn_s1, parameters.cn_s2, parameters.cn_s3)
