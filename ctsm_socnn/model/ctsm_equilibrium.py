"""Steady state of a CTSM scheme under a climatology, and accelerated spin-up.

Three ways to the same end, from fast to faithful: the balance of the mean year (`mean_steady_state`,
one solve per column), the exact cycle of the model's own implicit steps (`periodic_steady_state`), and
what modellers do with the model itself (`accelerated_spinup`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn import _kernel
from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.arguments import checked_step_length
from ctsm_socnn.model.ctsm_forcing import CtsmColumns, CtsmForcing, as_pools
from ctsm_socnn.model.ctsm_scheme import CtsmScheme, rates, run_kernel, site_arguments
from ctsm_socnn.model.simulation import checked_records, monthly_records, simulate

__all__ = [
    "CtsmSteadyState",
    "accelerated_spinup",
    "mean_steady_state",
    "periodic_steady_state",
    "record_weights",
    "require_steady",
    "year_weights",
]

Array = NDArray[np.float64]

HISTORY: Final = 8
"""Earlier cycles from which the acceleration draws; carbon has few modes that are neither fast nor slow."""
DAY: Final = 86400.0


@dataclass(frozen=True)
class CtsmSteadyState:
    """Carbon at steady state.

    Attributes
    ----------
    pools : (n, 7, 20), gC m-3
        In the order of `CTSM_POOLS`; for the periodic state, at the turn of the year.
    soc : (n, 20), gC m-3
        S1 + S2 + S3.
    cycles : int
        Years that were run; 0 for the mean year.
    error : float
        Estimated relative distance from the steady state.
    """

    pools: Array
    soc: Array
    cycles: int
    error: float


def record_weights(record: NDArray[np.int32], n_records: int) -> Array:
    """Share of the year's steps that each record holds for, shape (n_records,)."""
    return np.bincount(record, minlength=n_records) / len(record)


def mean_steady_state(
    scheme: CtsmScheme,
    columns: CtsmColumns,
    climatology: CtsmForcing,
    *,
    weights: ArrayLike | None = None,
    threads: int | None = None,
) -> CtsmSteadyState:
    """Steady state of the mean coefficients of a year.

    Losses, transfers, transport and input are averaged over the records; the lower boundary is
    closed, which is what the model's open one tends to as the step becomes short.

    Parameters
    ----------
    scheme, columns
    climatology : CtsmForcing
        The records of one year.
    weights : (records,), 1, optional
        Share of the year of each record; by default the months' days for twelve records, equal
        shares otherwise.

    Raises
    ------
    KernelError
        If a layer receives carbon that nothing removes.
    """
    shares = year_weights(climatology, weights)
    site, count = site_arguments(scheme, columns, climatology, threads)
    pools, status = _kernel.ctsm_steady(*site, shares, count)
    require_steady(status)
    return _result(pools.T, 0, 0.0)


def require_steady(status: NDArray[np.int32]) -> None:
    """Refuse columns in which carbon arrives that nothing removes: `status` names the first layer.

    Raises
    ------
    KernelError
        Naming the first such column and its layer.
    """
    if status.any():
        column = int(np.flatnonzero(status)[0])
        raise KernelError(
            f"layer {status[column]} of column {column} receives carbon, but nothing decomposes or "
            "moves it in any record: it has no steady state"
        )


def year_weights(climatology: CtsmForcing, weights: ArrayLike | None) -> Array:
    """Share of the year of each record: as given, by the months' days for twelve, or equal."""
    n_records = climatology.n_records
    if weights is None:
        if n_records == 12:
            return record_weights(monthly_records(DAY), n_records)
        return np.full(n_records, 1.0 / n_records)
    shares = np.asarray(weights, dtype=np.float64)
    fit = shares.shape == (n_records,)
    if not (fit and shares.min() >= 0.0 and abs(shares.sum() - 1.0) <= 1e-12):  # false for NaN
        raise KernelError(f"weights must be {n_records} shares of the year that sum to 1")
    return shares


def periodic_steady_state(
    scheme: CtsmScheme,
    columns: CtsmColumns,
    climatology: CtsmForcing,
    *,
    dt: float = DAY,
    record: NDArray[np.int32] | None = None,
    tolerance: float = 1e-11,
    max_cycles: int = 60,
    threads: int | None = None,
) -> CtsmSteadyState:
    """Pools that return to themselves after a year of the model's own implicit steps.

    The change over a year is affine in the pools. Starting from the mean year's balance, the
    residual of each cycle is turned into a correction by the mean year's operator - exact both for
    pools much faster and much slower than a year - and Anderson's method combines the corrections.

    Parameters
    ----------
    scheme, columns, climatology
        As for `mean_steady_state`.
    dt : float, s
    record : (steps,) int, optional
        Zero-based record of each step of the year; by default months of the no-leap calendar for
        twelve records, each record once otherwise.
    tolerance : float
        Largest correction allowed, as a share of each profile's maximum.
    max_cycles : int

    Raises
    ------
    KernelError
        If a layer has no steady state, or the cycle is not closed within `max_cycles` years.
    """
    _require_at_least_one(max_cycles=max_cycles)
    steps = _year_of_records(climatology, dt, record)
    weights = record_weights(steps, climatology.n_records)
    start = mean_steady_state(scheme, columns, climatology, weights=weights, threads=threads).pools
    site, count = site_arguments(scheme, columns, climatology, threads)
    year = dt * len(steps)

    def correction(pools: Array) -> Array:
        residual = _after(scheme, columns, climatology, pools, dt, steps, threads) - pools
        slow: Array = _kernel.ctsm_balance(*site, weights, residual.T / year, count).T
        return residual + slow

    accelerated = _Anderson(start)
    pools = start
    for cycle in range(1, max_cycles + 1):
        step = correction(pools)
        error = _relative(step, pools)
        if error <= tolerance:
            return _result(pools + step, cycle, error)
        pools = accelerated.next(pools, step)
    raise KernelError(
        f"the yearly cycle is not closed after {max_cycles} years: it still changes by {error:.1e}; "
        "raise max_cycles or tolerance"
    )


def _after(
    scheme: CtsmScheme,
    columns: CtsmColumns,
    forcing: CtsmForcing,
    pools: Array,
    dt: float,
    steps: NDArray[np.int32],
    threads: int | None,
) -> Array:
    """Pools after the last of the steps."""
    last = np.array([len(steps)], dtype=np.int32)
    return run_kernel(scheme, columns, forcing, pools, dt, steps, last, threads).pools[:, 0]


def _year_of_records(
    climatology: CtsmForcing, dt: float, record: NDArray[np.int32] | None
) -> NDArray[np.int32]:
    if record is None and climatology.n_records == 12:
        return monthly_records(checked_step_length(dt))
    return checked_records(record, climatology)


def _require_at_least_one(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise KernelError(f"{name} is {count}; it must be 1 or more")


def _relative(change: Array, pools: Array) -> float:
    """Largest change as a share of its profile's maximum."""
    largest = np.abs(pools).max(axis=-1, keepdims=True)
    return float(np.max(np.abs(change) / np.where(largest > 0.0, largest, 1.0)))


class _Anderson:
    """Anderson acceleration of a fixed point, each column on its own."""

    def __init__(self, start: Array) -> None:
        largest = np.abs(start).max(axis=-1, keepdims=True)
        self._scale = np.where(largest > 0.0, largest, 1.0)
        self._pools: list[Array] = []
        self._steps: list[Array] = []

    def next(self, pools: Array, step: Array) -> Array:
        """Combine earlier iterates so that the step, if it were affine, would be smallest."""
        self._pools = [*self._pools[-HISTORY:], pools]
        self._steps = [*self._steps[-HISTORY:], step]
        if len(self._steps) == 1:
            return pools + step
        flat = (len(pools), -1)
        moved = [np.subtract(pools, earlier).reshape(flat) for earlier in self._pools[:-1]]
        changed = [
            (np.subtract(step, earlier) / self._scale).reshape(flat) for earlier in self._steps[:-1]
        ]
        matrix = np.stack(changed, axis=-1)
        norms = np.linalg.norm(matrix, axis=1, keepdims=True)
        norms = np.where(norms > 0.0, norms, 1.0)
        target = (step / self._scale).reshape(flat)
        share = np.einsum("cmk,ck->cm", np.linalg.pinv(matrix / norms, rcond=1e-13), target)
        share = share / norms[:, 0]
        towards = (
            np.stack(moved, axis=-1)
            + np.stack(changed, axis=-1)
            * (np.broadcast_to(self._scale, pools.shape).reshape(flat)[..., None])
        )
        combined = pools + step - np.einsum("ckm,cm->ck", towards, share).reshape(pools.shape)
        positive: Array = np.maximum(combined, 0.0)
        return positive


def accelerated_spinup(
    scheme: CtsmScheme,
    columns: CtsmColumns,
    climatology: CtsmForcing,
    pools: ArrayLike,
    *,
    accelerated_years: int,
    final_years: int,
    dt: float = DAY,
    record: NDArray[np.int32] | None = None,
    threads: int | None = None,
) -> xr.Dataset:
    """Spin up as CTSM does: years of accelerated decomposition, then years at the true rates.

    On leaving the accelerated phase, each pool is multiplied by the factor by which it was sped up.

    Parameters
    ----------
    scheme, columns, climatology
        As for `mean_steady_state`; the scheme's spin-up switch does not matter.
    pools : (n, 7, 20), gC m-3
        At the start.
    accelerated_years, final_years : int
    dt, record
        As for `periodic_steady_state`.

    Returns
    -------
    xarray.Dataset
        Of `simulate`, for the final years, a save a year.
    """
    _require_at_least_one(accelerated_years=accelerated_years, final_years=final_years)
    steps = _year_of_records(climatology, dt, record)
    fast = replace(scheme, switches=replace(scheme.switches, spinup=True))
    true = replace(scheme, switches=replace(scheme.switches, spinup=False))
    repeated = np.tile(steps, accelerated_years)
    start = as_pools(pools, len(columns))
    sped = _after(fast, columns, climatology, start, dt, repeated, threads)
    term = rates(fast, columns, climatology, threads=threads).spinup_term
    return simulate(
        true,
        columns,
        climatology,
        sped * term[:, :, None],
        dt=dt,
        record=np.tile(steps, final_years),
        save=len(steps) * np.arange(1, final_years + 1),
        threads=threads,
    )


def _result(pools: Array, cycles: int, error: float) -> CtsmSteadyState:
    return CtsmSteadyState(pools, pools[:, 4:].sum(axis=1), cycles, error)
