"""The offline kernel against the history of a CTSM run, field by field and cell by cell.

* Scalars, decay rates, fractions and diffusivity: what the kernel computes from the run's monthly
  fields, against what the run wrote.
* Pools: the kernel starts from the run's pools two years before its end, is driven by its monthly
  scalars and litter inputs, and must end where the run ended. What it misses is given as a share of
  the carbon that left the pool meanwhile, which makes fast and slow pools comparable and does not
  ask that the run be spun up.
* Steady state: what the run is on its way to (Luo et al. 2017, Biogeosciences 14, 145-161, call it
  the carbon storage capacity), and how far it has come.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model import (
    CTSM_POOLS,
    SOIL_GRID,
    CtsmForcing,
    mean_steady_state,
    periodic_steady_state,
    simulate,
)
from ctsm_socnn.model.ctsm_forcing import CTSM_TRANSITIONS
from ctsm_socnn.model.ctsm_scheme import Rates, mixing, rates
from ctsm_socnn.validation.kernel_run import KernelRun, by_column

__all__ = [
    "check_kernel",
    "fields_that_differ",
    "format_kernel_check",
    "kernel_check_json",
    "steady_text",
]

Array = NDArray[np.float64]

_DAY: Final = 86400.0
_DRIFT_ALLOWED: Final = 1.0
"""gC m-2 yr-1; below it a cell counts as spun up, as in CTSM's own scripts."""
_CYCLE_TOLERANCE: Final = 1e-3
_SPUN_UP_TOLERANCE: Final = 0.05
_LEAST_SCALAR: Final = 0.05
"""Smaller water scalars are not compared: their logarithm is steep, and nothing decays there."""

_ALLOWED: Final[Mapping[str, float]] = {
    "T_SCALAR": 0.01,
    "W_SCALAR": 0.05,
    "K": 0.005,
    "fraction": 0.001,
    "SOM_DIFFUS_COEF": 0.001,
    "change": 0.01,
}


@dataclass(frozen=True)
class _Check:
    """Difference of one field in each cell, kernel minus run; NaN where undefined."""

    field: str
    measure: str
    difference: Array
    allowed: float


def check_kernel(run: KernelRun) -> xr.Dataset:
    """Compare the kernel with a run.

    Parameters
    ----------
    run : KernelRun

    Returns
    -------
    xarray.Dataset
        On the run's grid: `difference` (field, ...), kernel less run, relative or as the attribute
        `measure` of each field says; `stock` and `steady_stock` (pool, ...), gC m-2, of the run at its
        end and of the kernel at steady state; `drift`, gC m-2 yr-1, of the soil pool that changes most. By field:
        `median`, `largest` (of the absolute difference over cells), `allowed`, `cells`.
    """
    checks = [*_scalars(run), *_rates_and_fractions(run), *_diffusivity(run), *_changes(run)]
    grid = run.fields.grid
    difference = np.stack([check.difference for check in checks])
    size = np.abs(difference)
    steady, kind = _steady_pools(run)
    result = xr.Dataset(
        {
            "difference": grid.spread(difference, ("field",)),
            "stock": grid.spread((run.end @ SOIL_GRID.thickness).T, ("pool",)),
            "steady_stock": grid.spread((steady @ SOIL_GRID.thickness).T, ("pool",)),
            "drift": grid.spread(_drift(run)),
            "median": ("field", _over_cells(np.nanmedian, size)),
            "largest": ("field", _over_cells(np.nanmax, size)),
            "cells": ("field", np.isfinite(size).sum(axis=1)),
            "allowed": ("field", [check.allowed for check in checks]),
            "measure": ("field", [check.measure for check in checks]),
        },
        coords={
            "field": [check.field for check in checks],
            "pool": list(CTSM_POOLS),
            **grid.coordinates(),
        },
        attrs={"period": f"{run.months[0]} to {run.months[-1]}", "steady_state": kind},
    )
    for name, units in (("stock", "gC m-2"), ("steady_stock", "gC m-2"), ("drift", "gC m-2 yr-1")):
        result[name].attrs["units"] = units
    return result


def fields_that_differ(result: xr.Dataset) -> list[str]:
    """Fields whose median difference over the cells is more than allowed."""
    beyond = result["median"] > result["allowed"]
    return [str(name) for name in result["field"].values[beyond.values]]


def format_kernel_check(result: xr.Dataset) -> str:
    """Table for the terminal, one line per field, and how far the run is from its steady state."""
    differ = set(fields_that_differ(result))
    lines = [
        f"{'field':<24}{'difference':<22}{'cells':>6}{'median':>10}{'allowed':>9}{'largest':>10}"
    ]
    for name in result["field"].values:
        row = result.sel(field=name)
        median, largest = f"{float(row['median']):.3%}", f"{float(row['largest']):.3%}"
        verdict = "DIFFERS" if name in differ else "agrees"
        if int(row["cells"]) == 0:
            median, largest, verdict = "-", "-", "cannot tell"
        lines.append(
            f"{name:<24}{row['measure'].item():<22}{int(row['cells']):>6}{median:>10}"
            f"{float(row['allowed']):>9.1%}{largest:>10}  {verdict}"
        )
    lines.append("A field agrees if its median over the cells is within what is allowed.")
    return "\n".join([*lines, steady_text(result)])


def kernel_check_json(result: xr.Dataset) -> list[dict[str, Any]]:
    """One dictionary a field, with the numbers of the table."""
    differ = set(fields_that_differ(result))
    names = ("measure", "cells", "median", "largest", "allowed")
    return [
        {
            "field": str(name),
            **{key: result[key].sel(field=name).item() for key in names},
            "agrees": str(name) not in differ,
        }
        for name in result["field"].values
    ]


def steady_text(result: xr.Dataset) -> str:
    """Sentences on how far a run is from the steady state that the kernel finds."""
    soil = result.sel(pool=["S1", "S2", "S3"]).sum("pool", skipna=False)
    held = (soil["stock"] / soil["steady_stock"]).values
    at_rest = np.abs(result["drift"].values) < _DRIFT_ALLOWED
    land = np.isfinite(held)
    text = (
        f"Steady state: the run ({result.attrs['period']}) holds {np.median(held[land]):.0%} of the "
        f"soil carbon that it is on its way to (cells: {held[land].min():.0%} to "
        f"{held[land].max():.0%}).\n{int(at_rest[land].sum())} of {int(land.sum())} cells are spun up "
        f"(no soil pool changes by {_DRIFT_ALLOWED:g} gC m-2 a year)"
    )
    if not at_rest[land].any():
        return f"{text}, so the steady state itself cannot be compared."
    away = np.median(np.abs(held[land & at_rest] - 1.0))
    return f"{text}; they differ from it by {away:.1%} (usual: up to {_SPUN_UP_TOLERANCE:.0%})."


def _scalars(run: KernelRun) -> Iterator[_Check]:
    """Temperature and water scalars from the mean temperature and potential of each month."""
    read = run.fields.get("TSOI", "SOILPSI", "T_SCALAR", "W_SCALAR")
    if read is None:
        return
    at = slice(run.first, run.first + len(run.months))
    temperature, potential, t_run, w_run = (by_column(values[at]) for values in read)
    forcing = CtsmForcing.from_arrays(
        np.where(temperature > 0.0, temperature, 273.15),
        np.minimum(potential, 0.0),
        altmax=0.0,
        altmax_lastyear=0.0,
    )
    found = [_month_rates(run, forcing, month) for month in range(len(run.months))]
    for name, kernel, history in (
        ("T_SCALAR", np.stack([each.temperature_scalar for each in found]), t_run),
        ("W_SCALAR", np.stack([each.water_scalar for each in found]), w_run),
    ):
        known = history > (_LEAST_SCALAR if name == "W_SCALAR" else 0.0)
        yield _Check(name, "relative", _relative(kernel, history, known), _ALLOWED[name])


def _rates_and_fractions(run: KernelRun) -> Iterator[_Check]:
    """Decay rates and fractions from the scalars that the run wrote."""
    found = [_month_rates(run, run.forcing, month) for month in range(len(run.months))]
    at = slice(run.first, run.first + len(run.months))
    pools = ("CWD", *run.fields.generation.litter, *run.fields.generation.soil)
    for position, pool in enumerate(pools):
        read = run.fields.get(f"K_{pool}")
        if read is not None:
            history = by_column(read[0][at])
            kernel = np.stack([each.decomposition[:, position] for each in found])
            difference = _relative(kernel, history, history > 0.0)
            yield _Check(f"K_{pool}", "relative", difference, _ALLOWED["K"])
    for position, transition in enumerate(CTSM_TRANSITIONS):
        donor, receiver = transition[:-2], transition[-2:]
        if donor == "S1" and not run.knows_sand:
            continue
        for part, name in (("path_fraction", "PATHFRAC"), ("respired_fraction", "RESP_FRAC")):
            field = f"{donor}_{name}_{receiver}_vr"
            read = run.fields.get(field)
            if read is not None:
                history = by_column(read[0][at])
                kernel = np.stack([getattr(each, part)[:, position] for each in found])
                difference = _absolute(kernel, history, _soil(run, history))
                yield _Check(field, "absolute", difference, _ALLOWED["fraction"])


def _diffusivity(run: KernelRun) -> Iterator[_Check]:
    read = run.fields.get("SOM_DIFFUS_COEF")
    if read is None:
        return
    at = slice(run.first, run.first + len(run.months))
    history = by_column(read[0][at])
    kernel = np.stack(
        [
            mixing(run.scheme, run.columns, _record(run.forcing, month)).diffusivity
            for month in range(len(run.months))
        ]
    )[..., : history.shape[-1]]
    difference = _relative(kernel, history, history > 0.0)
    yield _Check("SOM_DIFFUS_COEF", "relative", difference, _ALLOWED["SOM_DIFFUS_COEF"])


def _changes(run: KernelRun) -> Iterator[_Check]:
    """Change of each pool over the period, less that of the run, per carbon that left the pool."""
    days = np.array([round(month.end - month.start) for month in run.months])
    record = np.repeat(np.arange(days.size, dtype=np.int32), days)
    forward = simulate(run.scheme, run.columns, run.forcing, run.start, dt=_DAY, record=record)
    missed = (forward["pools"].values[-1] - run.end) @ SOIL_GRID.thickness
    seconds = (days * _DAY)[:, np.newaxis, np.newaxis]
    lost = np.zeros(missed.shape)
    for month, length in enumerate(seconds):
        decay = _month_rates(run, run.forcing, month).decomposition
        lost += (decay * run.pools[month]) @ SOIL_GRID.thickness * length
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(lost > 0.0, missed / lost, np.nan)
    for position, pool in enumerate(CTSM_POOLS):
        yield _Check(f"change of {pool}", "per carbon lost", share[:, position], _ALLOWED["change"])


def _steady_pools(run: KernelRun) -> tuple[Array, str]:
    """Pools at steady state under the mean year of the period, (cell, 7, 20), and which one it is."""
    month = np.array([sample.month for sample in run.months])
    mean_year = CtsmForcing(
        **{
            name: _mean_year(values, month) if values.shape[0] > 1 else values
            for name, values in vars(run.forcing).items()
        }
    )
    site = run.scheme, run.columns, mean_year
    try:
        cycle = periodic_steady_state(*site, tolerance=_CYCLE_TOLERANCE)
    except KernelError:  # some column does not close its year: the mean coefficients always do
        return mean_steady_state(*site).pools, "of the mean year's coefficients"
    return cycle.pools, "of the yearly cycle"


def _mean_year(values: Array, month: NDArray[np.int_]) -> Array:
    mean = np.stack([values[month == number].mean(axis=0) for number in range(1, 13)])
    return np.ascontiguousarray(mean)


def _drift(run: KernelRun) -> Array:
    """Largest change of a soil pool, gC m-2 yr-1, shape (cell,): sums hide pools that cancel."""
    days = run.months[-1].end - run.months[0].start
    change = (run.end - run.start)[:, 4:] @ SOIL_GRID.thickness
    return np.asarray(np.abs(change).max(axis=1) / days * 365.0)


def _month_rates(run: KernelRun, forcing: CtsmForcing, month: int) -> Rates:
    return rates(run.scheme, run.columns, _record(forcing, month))


def _record(forcing: CtsmForcing, month: int) -> CtsmForcing:
    return CtsmForcing(
        **{
            name: np.ascontiguousarray(values[month : month + 1] if len(values) > 1 else values)
            for name, values in vars(forcing).items()
        }
    )


def _soil(run: KernelRun, values: Array) -> NDArray[np.bool_]:
    layer = np.arange(values.shape[-1])
    return np.broadcast_to(layer < run.columns.nbedrock[:, np.newaxis], values.shape)


def _relative(kernel: Array, history: Array, known: NDArray[np.bool_]) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(known, kernel / history - 1.0, np.nan)
    return _over_months_and_layers(ratio)


def _absolute(kernel: Array, history: Array, known: NDArray[np.bool_]) -> Array:
    return _over_months_and_layers(np.where(known, kernel - history, np.nan))


def _over_months_and_layers(difference: Array) -> Array:
    flat = np.moveaxis(difference, 1, 0).reshape(difference.shape[1], -1)
    return _over_cells(np.nanmedian, flat)


def _over_cells(reduce: Callable[..., Any], values: Array) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows of which nothing is known
        return np.asarray(reduce(values, axis=1))
