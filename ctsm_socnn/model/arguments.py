"""Arguments of the kernel: checked, and in the form that Fortran takes."""

from __future__ import annotations

import os
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.columns import Columns
from ctsm_socnn.parameters import PARAMETERS

__all__ = ["checked_rows", "records", "thread_count"]

_OUTFLOWS: Final = (("fs1s2", "fs1s3"), ("fs2s1", "fs2s3"), ("fs3s1",))
_ROUNDING: Final = 1e-12
_COLUMN: Final = {p.name: i for i, p in enumerate(PARAMETERS)}
_SHARES: Final = frozenset(p.name for p in PARAMETERS if p.name.startswith("f") or p.name == "beta")


def records(
    columns: Columns,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the records of `fortran/proda_forcing.f90`, as Fortran sees them."""
    return columns.climate.T, columns.exchange.T, columns.annual_input.T


def thread_count(threads: int | None) -> int:
    """Return the number of threads: as asked, else OMP_NUM_THREADS, else all cores of this process.

    Raises
    ------
    KernelError
        If `threads` is less than 1.
    """
    if threads is None:
        asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
        return int(asked) if asked.isdigit() and int(asked) else len(os.sched_getaffinity(0))
    if threads < 1:
        raise KernelError(f"threads is {threads}, must be 1 or more")
    return threads


def checked_rows(
    columns: Columns, parameters: ArrayLike, index: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the checked parameters, shape (row, 21), and the 1-based column of each row.

    Raises
    ------
    KernelError
        Naming the row and the parameter that is impossible, or the shape.
    """
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
