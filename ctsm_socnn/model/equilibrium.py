"""Steady state of the published model, and its gradient.

The equations are in `fortran/steady_state.f90` and explained in `docs/kernel.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn import _kernel
from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.arguments import (
    checked_rows,
    records,
    require_finite,
    result_memory,
    thread_count,
)
from ctsm_socnn.model.columns import N_LAYERS, POOLS_WITH_INPUT, Columns
from ctsm_socnn.parameters import PARAMETERS

__all__ = ["SOIL_POOLS", "SteadyState", "soil_carbon", "steady_state", "steady_state_vjp"]

N_POOLS: Final = 7
N_PARAMETERS: Final = len(PARAMETERS)

SOIL_POOLS: Final = slice(4, 7)
"""Where the pools that count as soil carbon stand: S1, S2, S3."""


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
    count = thread_count(threads)
    rows, column = checked_rows(columns, parameters, index, count)
    pools, soc = np.empty((len(rows), N_POOLS, N_LAYERS)), np.empty((len(rows), N_LAYERS))
    _kernel.proda_pools(*records(columns), rows.T, column, count, pools.T, soc.T)
    return SteadyState(pools, soc)


def soil_carbon(
    columns: Columns,
    parameters: ArrayLike,
    index: ArrayLike | None = None,
    threads: int | None = None,
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Steady-state soil carbon by layer, as `steady_state(...).soc` but without the pools.

    Parameters
    ----------
    columns, parameters, index, threads
        As `steady_state`.
    out : ndarray of float64, shape (row, 20), optional
        Memory for the result. Many calls of hundreds of thousands of rows are faster with the same
        one: the operating system may take as long to hand out new memory as the kernel to fill it.

    Returns
    -------
    ndarray, shape (row, 20), gC m-3
        `out` where it is given.

    Raises
    ------
    KernelError
        As `steady_state`; also if `out` cannot take the result.
    """
    count = thread_count(threads)
    rows, column = checked_rows(columns, parameters, index, count)
    soc = result_memory("out", out, (len(rows), N_LAYERS))
    _kernel.proda_soil_carbon(*records(columns), rows.T, column, count, soc.T)
    return soc


def steady_state_vjp(
    columns: Columns,
    parameters: ArrayLike,
    soc_bar: ArrayLike,
    index: ArrayLike | None = None,
    threads: int | None = None,
    out: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Soil carbon, and the gradient of a scalar loss with respect to the parameters (adjoint).

    Parameters
    ----------
    columns, parameters, index, threads
        As `steady_state`.
    soc_bar : array_like, shape (row, 20), loss per gC m-3
        Derivative of the loss with respect to the soil carbon of each layer.
    out : two ndarrays of float64, shapes (row, 20) and (row, 21), optional
        Memory for the results, as in `soil_carbon`.

    Returns
    -------
    soc : ndarray, shape (row, 20), gC m-3
    parameters_bar : ndarray, shape (row, 21), loss per unit of each parameter
        Where the scaled water scalar just reaches its cap, the derivative is that from above.

    Raises
    ------
    KernelError
        As `steady_state`; also if `soc_bar` has another shape or a value that is not finite, or
        `out` cannot take the results.
    """
    count = thread_count(threads)
    rows, column = checked_rows(columns, parameters, index, count)
    bar = np.ascontiguousarray(soc_bar, dtype=np.float64)
    if bar.shape != (len(rows), N_LAYERS):
        raise KernelError(f"soc_bar has shape {bar.shape}; it must be ({len(rows)}, {N_LAYERS})")
    require_finite("soc_bar", bar)
    soc, parameters_bar, _ = adjoint(columns, rows, column, bar, count, out or (None, None))
    return soc, parameters_bar


def adjoint(
    columns: Columns,
    rows: NDArray[np.float64],
    column: NDArray[np.int32],
    bar: NDArray[np.float64],
    threads: int,
    out: tuple[NDArray[np.float64] | None, NDArray[np.float64] | None] = (None, None),
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Soil carbon (row, 20) and gradients by parameters (row, 21) and annual input (row, 4).

    The arguments are those that `checked_rows` returns: of them nothing is checked here. `out` is
    memory for the first two.
    """
    n = len(rows)
    soc = result_memory("out[0]", out[0], (n, N_LAYERS))
    parameters_bar = result_memory("out[1]", out[1], (n, N_PARAMETERS))
    input_bar = np.empty((n, len(POOLS_WITH_INPUT)))
    _kernel.proda_gradient(
        *records(columns), rows.T, column, bar.T, threads, soc.T, parameters_bar.T, input_bar.T
    )
    return soc, parameters_bar, input_bar
