"""Steady state of the published model, and its gradient.

The equations are in `fortran/steady_state.f90` and explained in `docs/kernel.md`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn import _kernel
from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.columns import Columns
from ctsm_socnn.parameters import PARAMETERS

__all__ = ["SOIL_POOLS", "SteadyState", "soil_carbon", "steady_state", "steady_state_vjp"]

SOIL_POOLS: Final = slice(4, 7)
"""Where the pools that count as soil carbon stand: S1, S2, S3."""

_OUTFLOWS: Final = (("fs1s2", "fs1s3"), ("fs2s1", "fs2s3"), ("fs3s1",))
_ROUNDING: Final = 1e-12
_COLUMN: Final = {p.name: i for i, p in enumerate(PARAMETERS)}
_SHARES: Final = frozenset(p.name for p in PARAMETERS if p.name.startswith("f") or p.name == "beta")


@dataclass(frozen=True, eq=False)
class SteadyState:
    """Carbon at steady state.

    Attributes
    ----------
    pools : ndarray, shape (row, 7, 20), gC m-3
        CWD, L1, L2, L3, S1, S2, S3 by layer.
    soc : ndarray, shape (row, 20), gC m-3
        Sum of S1, S2 and S3 by layer.
    """

    pools: NDArray[np.float64]
    soc: NDArray[np.float64]


def steady_state(
    columns: Columns,
    parameters: ArrayLike,
    index: ArrayLike | None = None,
    threads: int | None = None,
) -> SteadyState:
    """Steady-state carbon of all pools (Tao et al. 2020; PRODA `matrix_fun.m`).

    Parameters
    ----------
    columns : Columns
    parameters : array_like, shape (row, 21)
        In the registry's order and units, turnover times in the `unnormalised` convention. At a
        lower bound of zero (efolding, tau_l1, tau_s1, w_scaling) results are the limits, and
        finite.
    index : array_like, shape (row,), optional
        0-based column that each row is for. By default row i is for column i, or all rows for the
        only column.
    threads : int, optional
        By default the environment's OMP_NUM_THREADS, otherwise all cores of this process.

    Returns
    -------
    SteadyState

    Raises
    ------
    KernelError
        Naming the row and the parameter that is impossible, or the shape.
    """
    rows, column = _rows(columns, parameters, index)
    pools = _kernel.proda_pools(*_records(columns), rows.T, column, _threads(threads)).T
    return SteadyState(pools, pools[:, SOIL_POOLS].sum(axis=1))


def soil_carbon(
    columns: Columns,
    parameters: ArrayLike,
    index: ArrayLike | None = None,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Steady-state soil carbon by layer, as `steady_state(...).soc` but without the pools.

    Returns
    -------
    ndarray, shape (row, 20), gC m-3

    Raises
    ------
    KernelError
        As `steady_state`.
    """
    rows, column = _rows(columns, parameters, index)
    soc: NDArray[np.float64] = _kernel.proda_soil_carbon(
        *_records(columns), rows.T, column, _threads(threads)
    ).T
    return soc


def steady_state_vjp(
    columns: Columns,
    parameters: ArrayLike,
    soc_bar: ArrayLike,
    index: ArrayLike | None = None,
    threads: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Soil carbon, and the gradient of a scalar loss with respect to the parameters (adjoint).

    Parameters
    ----------
    columns, parameters, index, threads
        As `steady_state`.
    soc_bar : array_like, shape (row, 20), loss per gC m-3
        Derivative of the loss with respect to the soil carbon of each layer.

    Returns
    -------
    soc : ndarray, shape (row, 20), gC m-3
    parameters_bar : ndarray, shape (row, 21), loss per unit of each parameter
        Where the scaled water scalar just reaches its cap, the derivative is that from above.

    Raises
    ------
    KernelError
        As `steady_state`; also if `soc_bar` has another shape.
    """
    rows, column = _rows(columns, parameters, index)
    bar = np.ascontiguousarray(soc_bar, dtype=np.float64)
    if bar.shape != (len(rows), 20):
        raise KernelError(f"soc_bar has shape {bar.shape}, must be ({len(rows)}, 20)")
    soc, parameters_bar, _ = _kernel.proda_gradient(
        *_records(columns), rows.T, column, bar.T, _threads(threads)
    )
    return soc.T, parameters_bar.T


def _records(
    columns: Columns,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    return columns.climate.T, columns.exchange.T, columns.annual_input.T


def _threads(threads: int | None) -> int:
    if threads is None:
        asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
        return int(asked) if asked.isdigit() and int(asked) else len(os.sched_getaffinity(0))
    if threads < 1:
        raise KernelError(f"threads is {threads}, must be 1 or more")
    return threads


def _rows(
    columns: Columns, parameters: ArrayLike, index: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return checked parameters, and the 1-based column of each row."""
    rows = np.ascontiguousarray(np.atleast_2d(np.asarray(parameters, dtype=np.float64)))
    if rows.ndim != 2 or rows.shape[1] != len(PARAMETERS):
        raise KernelError(f"parameters have shape {rows.shape}, must be (rows, {len(PARAMETERS)})")
    _require_possible(rows)
    return rows, _column_of_row(len(columns), len(rows), index)


def _column_of_row(columns: int, rows: int, index: ArrayLike | None) -> NDArray[np.int32]:
    if index is None:
        if columns not in (1, rows):
            raise KernelError(f"{rows} parameter rows and {columns} columns need an index")
        return np.arange(1, rows + 1, dtype=np.int32) if columns > 1 else np.ones(rows, np.int32)
    chosen = np.asarray(index)
    if chosen.shape != (rows,) or chosen.dtype.kind not in "iu":
        raise KernelError(
            f"index has shape {chosen.shape} and type {chosen.dtype}, must be {rows} integers"
        )
    outside = (chosen < 0) | (chosen >= columns)
    if outside.any():
        row = int(np.argmax(outside))
        raise KernelError(f"row {row}: index is {chosen[row]}, columns are 0..{columns - 1}")
    return (chosen + 1).astype(np.int32)


def _require_possible(rows: NDArray[np.float64]) -> None:
    highest = np.array([1.0 if p.name in _SHARES else np.inf for p in PARAMETERS])
    impossible = ~((rows >= 0.0) & (rows <= highest) & np.isfinite(rows))
    impossible[:, _COLUMN["q10"]] |= rows[:, _COLUMN["q10"]] == 0.0
    if impossible.any():
        row, which = (int(i) for i in np.argwhere(impossible)[0])
        parameter = PARAMETERS[which]
        above = " and at most 1" if parameter.name in _SHARES else ""
        raise KernelError(
            f"row {row}: {parameter.name} ({parameter.meaning}) is {rows[row, which]:g} "
            f"{parameter.units}, must be finite and positive{above}"
        )
    for names in _OUTFLOWS:
        total = rows[:, [_COLUMN[name] for name in names]].sum(axis=1)
        if (total > 1.0 + _ROUNDING).any():
            row = int(np.argmax(total > 1.0 + _ROUNDING))
            raise KernelError(
                f"row {row}: {' + '.join(names)} is {total[row]:g}; more carbon would leave the "
                "pool than it loses, must be at most 1"
            )
