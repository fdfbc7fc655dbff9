"""Arguments of the kernel: checked, and in the form that Fortran needs."""

from __future__ import annotations

import os
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn import _kernel
from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.columns import Columns, with_unit
from ctsm_socnn.parameters import PARAMETERS, SPLITS

__all__ = [
    "broadcast",
    "checked_rows",
    "checked_step_length",
    "column_of_row",
    "records",
    "require_finite",
    "result_memory",
    "thread_count",
    "whole_numbers",
]

_MOST_PASSED_ON: Final = 1.0 + 1e-12
_COLUMN: Final = {p.name: i for i, p in enumerate(PARAMETERS)}
_LARGEST_Q10: Final = 100.0
"""Far beyond any soil; keeps the powers of two of the temperature scalar within their range."""


def _highest(name: str) -> float:
    if name == "q10":
        return _LARGEST_Q10
    is_share = name == "beta" or name.startswith("f")
    return 1.0 if is_share else float(np.finfo(np.float64).max)


_LOWEST: Final = np.where([p.name == "q10" for p in PARAMETERS], np.finfo(np.float64).tiny, 0.0)
_HIGHEST: Final = np.array([_highest(p.name) for p in PARAMETERS])


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
        raise KernelError(f"threads is {threads}; it must be 1 or more")
    return threads


def checked_rows(
    columns: Columns, parameters: ArrayLike, index: ArrayLike | None, threads: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the checked parameters, shape (row, 21), and the 1-based column of each row.

    Raises
    ------
    KernelError
        Naming the row and the parameter that is impossible, or the shape.
    """
    rows = np.ascontiguousarray(np.atleast_2d(np.asarray(parameters, dtype=np.float64)))
    if rows.ndim != 2 or rows.shape[1] != len(PARAMETERS):
        raise KernelError(
            f"parameters have shape {rows.shape}; they must be (rows, {len(PARAMETERS)})"
        )
    _require_possible(rows, threads)
    return rows, column_of_row(len(columns), len(rows), index)


def column_of_row(columns: int, rows: int, index: ArrayLike | None) -> NDArray[np.int32]:
    """Return the 1-based column of each row, of so many columns and rows.

    Raises
    ------
    KernelError
        If the index has another shape or type, or a column that does not exist.
    """
    if index is None:
        if columns not in (1, rows):
            raise KernelError(f"{rows} parameter rows and {columns} columns need an index")
        return np.arange(1, rows + 1, dtype=np.int32) if columns > 1 else np.ones(rows, np.int32)
    chosen = np.asarray(index)
    if chosen.shape != (rows,) or chosen.dtype.kind not in "iu":
        raise KernelError(
            f"index has shape {chosen.shape} and type {chosen.dtype}; it must be {rows} integers"
        )
    outside = (chosen < 0) | (chosen >= columns)
    if outside.any():
        row = int(np.argmax(outside))
        raise KernelError(f"row {row}: index is {chosen[row]}, columns are 0..{columns - 1}")
    return (chosen + 1).astype(np.int32)


def checked_step_length(dt: float) -> float:
    """Return the length of a step (s).

    Raises
    ------
    KernelError
        If it is not positive.
    """
    if not (np.isfinite(dt) and dt > 0.0):
        raise KernelError(f"dt is {dt} s; it must be positive")
    return float(dt)


def whole_numbers(name: str, values: ArrayLike, place: str, first: int = 0) -> NDArray[np.int32]:
    """Return one or several whole numbers as an array of one dimension.

    Parameters
    ----------
    name, place : str
        What they are and what each is for, for the message.
    first : int
        From which number places are counted.

    Raises
    ------
    KernelError
        If they have more dimensions, or naming the place of one that is not a whole number, or too
        large.
    """
    array = np.atleast_1d(np.asarray(values))
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise KernelError(
            f"{name} has shape {array.shape} and type {array.dtype}; it must be one row of whole numbers"
        )
    largest = np.iinfo(np.int32).max
    wrong = np.flatnonzero(~((np.abs(array) <= largest) & (array == np.floor(array))))
    if wrong.size:
        raise KernelError(
            f"{name} is {array[wrong[0]]} in {place} {wrong[0] + first}; it must be a whole number, "
            f"at most {largest}"
        )
    return array.astype(np.int32)


def broadcast(name: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the values as a contiguous array of that shape.

    Raises
    ------
    KernelError
        If they do not fit, or naming the row that holds a value that is not finite.
    """
    try:
        array = np.ascontiguousarray(np.broadcast_to(np.asarray(values, dtype=np.float64), shape))
    except ValueError as error:
        raise KernelError(f"{name} has shape {np.shape(values)}; it must fit {shape}") from error
    require_finite(name, array)
    return array


def require_finite(name: str, array: NDArray[np.float64]) -> None:
    """Refuse values that are not finite, in an array whose first axis counts rows.

    Raises
    ------
    KernelError
        Naming the first row with such a value and its place in the row, both counted from 0.
    """
    finite = np.isfinite(array)
    if finite.all():
        return
    row, *place = (int(i) for i in np.argwhere(~finite)[0])
    raise KernelError(
        f"row {row}: {name}[{', '.join(map(str, place))}] is {array[row, *place]}; it must be finite"
    )


def result_memory(
    name: str, given: NDArray[np.float64] | None, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the caller's array for a result, or a new one where none is given.

    Raises
    ------
    KernelError
        If the array cannot take the result as it is.
    """
    if given is None:
        return np.empty(shape)
    fits = given.shape == shape and given.dtype == np.float64
    if not (fits and given.flags.c_contiguous and given.flags.writeable):
        raise KernelError(
            f"{name} has shape {given.shape} and type {given.dtype}; it must be a writeable, "
            f"C-contiguous array of float64 of shape {shape}"
        )
    return given


def _require_possible(rows: NDArray[np.float64], threads: int) -> None:
    wrong = _kernel.proda_first_impossible(rows.T, _LOWEST, _HIGHEST, _MOST_PASSED_ON, threads)
    if wrong > 0:
        raise KernelError(f"row {wrong - 1}: {_complaint(rows[wrong - 1])}")


def _complaint(row: NDArray[np.float64]) -> str:
    for parameter, value, low, high in zip(PARAMETERS, row, _LOWEST, _HIGHEST, strict=True):
        if not low <= value <= high:
            return (
                f"{parameter.name} ({parameter.meaning}) is {with_unit(value, parameter.units)}; "
                f"it must be finite and positive, at most {high:g}"
            )
    totals = {" + ".join(names): sum(row[_COLUMN[name]] for name in names) for names in SPLITS}
    names, total = max(totals.items(), key=lambda outflow: float(outflow[1]))
    return f"{names} is {total:g}; it must be at most 1: more carbon would leave the pool than it loses"
