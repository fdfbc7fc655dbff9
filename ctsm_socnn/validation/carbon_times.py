"""Turnover times, ages and transit times of soil carbon by depth, from the published model's matrix.

At steady state the pools y of all layers satisfy A y = s, with the inputs s and the matrix A of
losses, transfers and transport. Following Rasmussen et al. (2016, J. Math. Biol. 73, 1379-1398) and
Sierra et al. (2017, Glob. Change Biol. 23, 1763-1773):

* turnover time of a layer: its carbon over what is respired from it;
* mean age of carbon in a pool and layer: (A^-1 y) / y, the time since it entered the column;
* mean transit time: the column's carbon over its input, the age of carbon when it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.model import (
    CTSM_POOLS,
    SOIL_GRID,
    SOIL_POOLS,
    Coefficients,
    Columns,
    coefficients,
    steady_state,
)
from ctsm_socnn.parameters import PARAMETER_NAMES
from ctsm_socnn.schemas import N_LAYERS

__all__ = ["CarbonTimes", "carbon_times", "loss_matrix"]

Array = NDArray[np.float64]

_TURNOVER: Final = ("tau_cwd", "tau_l1", "tau_l2", "tau_l2", "tau_s1", "tau_s2", "tau_s3")
_TRANSFERS: Final = (
    ("L1", "S1", "fl1s1"), ("L2", "S1", "fl2s1"), ("L3", "S2", "fl3s2"),
    ("S1", "S2", "fs1s2"), ("S1", "S3", "fs1s3"), ("S2", "S1", "fs2s1"),
    ("S2", "S3", "fs2s3"), ("S3", "S1", "fs3s1"), ("CWD", "L2", "fcwdl2"),
)  # fmt: skip
"""Donor, receiver and fraction; lignin litter gets the rest of woody debris."""
_ROWS_AT_ONCE: Final = 64
"""Columns whose matrices are held at a time, 160 kB each."""


@dataclass(frozen=True)
class CarbonTimes:
    """Turnover times and ages of carbon in columns at steady state, yr; NaN where a layer holds no carbon.

    Attributes
    ----------
    turnover : ndarray, shape (row, 20)
        Of soil organic carbon by layer.
    age : ndarray, shape (row, 20)
        Mean age of soil organic carbon by layer.
    pool_age : ndarray, shape (row, 7, 20)
    transit : ndarray, shape (row,)
        Mean transit time of the column.
    """

    turnover: Array
    age: Array
    pool_age: Array
    transit: Array


def carbon_times(columns: Columns, parameters: Array) -> CarbonTimes:
    """Compute times of carbon that parameters make in columns.

    Parameters
    ----------
    columns : Columns
    parameters : ndarray, shape (row, 21), in the registry's units

    Raises
    ------
    KernelError
        If forcing or parameters are impossible.
    """
    pools = steady_state(columns, parameters).pools
    found = coefficients(columns, parameters)
    age, received = np.full(pools.shape, np.nan), np.empty(len(pools))
    for first in range(0, len(pools), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        matrix = loss_matrix(found, parameters, rows)
        flat = pools[rows].reshape(len(matrix), -1)
        aged = np.asarray(np.linalg.solve(matrix, flat[..., np.newaxis])[..., 0], dtype=np.float64)
        source = np.einsum("rij,rj->ri", matrix, flat).reshape(-1, *pools.shape[1:])
        received[rows] = (source @ SOIL_GRID.thickness).sum(axis=1)
        age[rows] = _ratio(aged.reshape(pools[rows].shape), pools[rows])
    soil = pools[:, SOIL_POOLS]
    held = soil.sum(axis=1)
    respired = soil * _respiration(found, parameters)
    return CarbonTimes(
        turnover=_ratio(held, respired.sum(axis=1)),
        age=_ratio(np.asarray(np.nansum(age[:, SOIL_POOLS] * soil, axis=1)), held),
        pool_age=age,
        transit=_ratio((pools @ SOIL_GRID.thickness).sum(axis=1), received),
    )


def loss_matrix(found: Coefficients, parameters: Array, rows: slice = slice(None)) -> Array:
    """Matrix A of columns, yr-1, shape (row, 140, 140); pools run slower than layers.

    Parameters
    ----------
    found : Coefficients
        Of the same parameters.
    parameters : ndarray, shape (row, 21)
    rows : slice
    """
    decay = _decay(found, parameters)[rows]
    n = len(decay)
    matrix = np.zeros((n, len(CTSM_POOLS), N_LAYERS, len(CTSM_POOLS), N_LAYERS))
    layer = np.arange(N_LAYERS)
    for pool in range(len(CTSM_POOLS)):
        matrix[:, pool, layer, pool, layer] += decay[:, pool]
        if CTSM_POOLS[pool] != "CWD":  # woody debris stays where it falls
            _add_transport(matrix[:, pool, :, pool], found.lower[rows], found.upper[rows])
    for donor, receiver, fraction in _fractions(parameters[rows]):
        matrix[:, receiver, layer, donor, layer] -= fraction[:, np.newaxis] * decay[:, donor]
    return matrix.reshape(n, len(CTSM_POOLS) * N_LAYERS, -1)


def _decay(found: Coefficients, parameters: Array) -> Array:
    """Rate of decay, yr-1, shape (row, 7, 20)."""
    scalars = (found.scalar, found.litter_scalar, found.litter_scalar, found.litter_scalar)
    by_pool = np.stack([*scalars, found.scalar, found.scalar, found.scalar], axis=1)
    turnover = parameters[:, [PARAMETER_NAMES.index(name) for name in _TURNOVER]]
    return np.asarray(by_pool / turnover[:, :, np.newaxis])


def _add_transport(matrix: Array, lower: Array, upper: Array) -> None:
    """Add the exchange of one pool with the layers above (`lower`) and below (`upper`)."""
    layer = np.arange(N_LAYERS)
    matrix[:, layer[1:], layer[1:]] += lower[:, 1:]
    matrix[:, layer[1:], layer[:-1]] -= lower[:, 1:]
    matrix[:, layer[:-1], layer[:-1]] += upper[:, :-1]
    matrix[:, layer[:-1], layer[1:]] -= upper[:, :-1]


def _fractions(parameters: Array) -> list[tuple[int, int, Array]]:
    """Donor, receiver, and the fraction of the donor's decay that arrives, shape (row,)."""
    found = [
        (
            CTSM_POOLS.index(donor),
            CTSM_POOLS.index(receiver),
            parameters[:, PARAMETER_NAMES.index(name)],
        )
        for donor, receiver, name in _TRANSFERS
    ]
    debris, _, to_cellulose = found[-1]
    return [*found, (debris, CTSM_POOLS.index("L3"), 1.0 - to_cellulose)]


def _respiration(found: Coefficients, parameters: Array) -> Array:
    """Respired per soil carbon, yr-1, shape (row, 3, 20)."""
    kept = np.zeros((len(parameters), len(CTSM_POOLS)))
    for donor, _, fraction in _fractions(parameters):
        kept[:, donor] += fraction
    respired: Array = _decay(found, parameters) * (1.0 - kept)[:, :, np.newaxis]
    return respired[:, SOIL_POOLS]


def _ratio(above: Array, below: Array) -> Array:
    return np.asarray(np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0.0))
