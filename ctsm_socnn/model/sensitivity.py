"""Sensitivity of steady soil carbon to parameters, climate and carbon input.

`steady_state_vjp` gives what fitting needs; here is the rest: the gradient by all that the model
takes (`full_gradient`, adjoint), the change along one direction (`soil_carbon_change`, tangent) and
derivatives layer by layer (`jacobian`, `input_jacobian`). Sand has no effect in the published model
and is no argument. Where the scaled water scalar just reaches its cap, derivatives are those from
above.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn import _kernel
from ctsm_socnn.model.arguments import (
    broadcast,
    checked_rows,
    records,
    thread_count,
)
from ctsm_socnn.model.columns import N_LAYERS, N_MONTHS, POOLS_WITH_INPUT, Columns
from ctsm_socnn.model.equilibrium import N_PARAMETERS, adjoint

__all__ = [
    "CLIMATE_FIELDS",
    "FullGradient",
    "full_gradient",
    "input_jacobian",
    "jacobian",
    "soil_carbon_change",
]

CLIMATE_FIELDS: Final = ("temperature", "water", "oxygen", "nitrogen")
"""Monthly fields by which carbon is differentiated, in their order: K, and scalars (1)."""


class FullGradient(NamedTuple):
    """Gradient of a scalar loss, row by row.

    `parameters` (row, 21), per unit of each; `climate` (row, 4, 12, 20), in the order of
    `CLIMATE_FIELDS`, by month and layer; `inputs` (row, 4), per gC m-2 yr-1 to CWD, L1, L2, L3:
    the input of each month counts alike.
    """

    parameters: NDArray[np.float64]
    climate: NDArray[np.float64]
    inputs: NDArray[np.float64]


def full_gradient(
    columns: Columns,
    parameters: ArrayLike,
    soc_bar: ArrayLike,
    index: ArrayLike | None = None,
    threads: int | None = None,
) -> FullGradient:
    """Gradient of a scalar loss by parameters, monthly climate and carbon input (adjoint).

    Parameters
    ----------
    columns, parameters, index, threads
        As `ctsm_socnn.model.steady_state`.
    soc_bar : array_like, shape (row, 20), loss per gC m-3
        Derivative of the loss with respect to the soil carbon of each layer; broadcast.

    Raises
    ------
    KernelError
        As `ctsm_socnn.model.steady_state`; also if `soc_bar` does not fit or is not finite.
    """
    used = thread_count(threads)
    rows, column = checked_rows(columns, parameters, index, used)
    n = len(rows)
    bar = broadcast("soc_bar", soc_bar, (n, N_LAYERS))
    gradient = FullGradient(
        np.empty((n, N_PARAMETERS)),
        np.empty((n, len(CLIMATE_FIELDS), N_MONTHS, N_LAYERS)),
        np.empty((n, len(POOLS_WITH_INPUT))),
    )
    _kernel.proda_full_gradient(
        *records(columns), rows.T, column, bar.T, used, *(each.T for each in gradient)
    )
    return gradient


def soil_carbon_change(
    columns: Columns,
    parameters: ArrayLike,
    *,
    parameters_change: ArrayLike = 0.0,
    climate_change: ArrayLike = 0.0,
    inputs_change: ArrayLike = 0.0,
    index: ArrayLike | None = None,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Change of each layer's soil carbon along one direction (tangent), to first order.

    Parameters
    ----------
    columns, parameters, index, threads
        As `ctsm_socnn.model.steady_state`.
    parameters_change : array_like, shape (row, 21)
    climate_change : array_like, shape (row, 4, 12, 20)
        In the order of `CLIMATE_FIELDS`: K, then scalars.
    inputs_change : array_like, shape (row, 4), gC m-2 yr-1
        The direction, in the layout of `FullGradient`; each is broadcast.

    Returns
    -------
    ndarray, shape (row, 20), gC m-3

    Raises
    ------
    KernelError
        As `ctsm_socnn.model.steady_state`; also if a direction does not fit or is not finite.
    """
    used = thread_count(threads)
    rows, column = checked_rows(columns, parameters, index, used)
    n = len(rows)
    climate_shape = (n, len(CLIMATE_FIELDS), N_MONTHS, N_LAYERS)
    parameters_by = broadcast("parameters_change", parameters_change, (n, N_PARAMETERS))
    climate_by = broadcast("climate_change", climate_change, climate_shape)
    inputs_by = broadcast("inputs_change", inputs_change, (n, len(POOLS_WITH_INPUT)))
    change = np.empty((n, N_LAYERS))
    _kernel.proda_change(
        *records(columns),
        rows.T,
        column,
        parameters_by.T,
        climate_by.T,
        inputs_by.T,
        used,
        change.T,
    )
    return change


def jacobian(
    columns: Columns,
    parameters: ArrayLike,
    index: ArrayLike | None = None,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Return the derivative of each layer's soil carbon with respect to each parameter.

    Parameters
    ----------
    columns, parameters, index, threads
        As `ctsm_socnn.model.steady_state`.

    Returns
    -------
    ndarray, shape (row, 20, 21), gC m-3 per unit of each parameter

    Raises
    ------
    KernelError
        As `ctsm_socnn.model.steady_state`.
    """
    return _by_layer(columns, parameters, index, threads)[0]


def input_jacobian(
    columns: Columns,
    parameters: ArrayLike,
    index: ArrayLike | None = None,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Return the derivative of each layer's soil carbon with respect to the input of each pool.

    Parameters
    ----------
    columns, parameters, index, threads
        As `ctsm_socnn.model.steady_state`.

    Returns
    -------
    ndarray, shape (row, 20, 4), gC m-3 per gC m-2 yr-1
        By annual input to CWD, L1, L2, L3.

    Raises
    ------
    KernelError
        As `ctsm_socnn.model.steady_state`.
    """
    return _by_layer(columns, parameters, index, threads)[1]


def _by_layer(
    columns: Columns, parameters: ArrayLike, index: ArrayLike | None, threads: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Run the adjoint once for each layer of each row."""
    used = thread_count(threads)
    rows, column = checked_rows(columns, parameters, index, used)
    n = len(rows)
    _, parameters_bar, input_bar = adjoint(
        columns,
        np.repeat(rows, N_LAYERS, axis=0),
        np.repeat(column, N_LAYERS),
        np.tile(np.eye(N_LAYERS), (n, 1)),
        used,
    )
    return parameters_bar.reshape(n, N_LAYERS, -1), input_bar.reshape(n, N_LAYERS, -1)
