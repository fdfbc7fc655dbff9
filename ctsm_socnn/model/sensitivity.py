"""How soil carbon responds to parameters and inputs, for diagnosis. Both use the adjoint."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.model.arguments import checked_rows, thread_count
from ctsm_socnn.model.columns import N_LAYERS, Columns
from ctsm_socnn.model.equilibrium import adjoint

__all__ = ["input_jacobian", "jacobian"]


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
