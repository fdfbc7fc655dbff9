"""Transient runs of a CTSM scheme: half-hourly to monthly forcing, output, carbon balance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.arguments import checked_step_length, whole_numbers
from ctsm_socnn.model.ctsm_forcing import CTSM_POOLS, CtsmColumns, CtsmForcing, as_pools
from ctsm_socnn.model.ctsm_scheme import CtsmScheme, KernelRun, run_kernel
from ctsm_socnn.model.grid import SOIL_GRID

__all__ = ["checked_records", "monthly_records", "repeated_records", "simulate"]

SECONDS_PER_DAY: Final = 86400.0
DAYS_OF_MONTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""The no-leap calendar, CTSM's default."""


def repeated_records(
    n_records: int, steps_per_record: int, *, cycles: int = 1
) -> NDArray[np.int32]:
    """Record of each step when every record holds for the same number of steps.

    Parameters
    ----------
    n_records : int
    steps_per_record : int
        1 where forcing comes with every step, 48 for half-hour steps with daily forcing.
    cycles : int
        How often the records are run through.

    Returns
    -------
    (cycles * n_records * steps_per_record,) int, zero-based
    """
    return np.tile(np.repeat(np.arange(n_records, dtype=np.int32), steps_per_record), cycles)


def monthly_records(dt: float, *, years: int = 1) -> NDArray[np.int32]:
    """Record of each step for twelve monthly records over years of 365 days.

    Parameters
    ----------
    dt : float, s
        Must divide a day.

    Returns
    -------
    (years * 365 * 86400 / dt,) int, zero-based months

    Raises
    ------
    KernelError
        If `dt` is not positive or does not divide a day.
    """
    steps_per_day = SECONDS_PER_DAY / checked_step_length(dt)
    if steps_per_day < 1 or not float(steps_per_day).is_integer():
        raise KernelError(f"dt is {dt} s; it must divide a day of {SECONDS_PER_DAY:g} s")
    steps = np.array(DAYS_OF_MONTHS) * int(steps_per_day)
    return np.tile(np.repeat(np.arange(12, dtype=np.int32), steps), years)


def simulate(
    scheme: CtsmScheme,
    columns: CtsmColumns,
    forcing: CtsmForcing,
    pools: ArrayLike,
    *,
    dt: float,
    record: NDArray[np.int32] | None = None,
    save: Sequence[int] | NDArray[np.int_] | None = None,
    threads: int | None = None,
) -> xr.Dataset:
    """Run columns through time, step by step as `one_step` (CTSM: CNDriverNoLeaching).

    Parameters
    ----------
    scheme, columns, forcing
        Which model, where, and under what; `forcing` holds the records.
    pools : (n, 7, 20), gC m-3
        At the start, in the order of `CTSM_POOLS`.
    dt : float, s
        Length of a step; CTSM's is 1800.
    record : (steps,) int, optional
        Zero-based record that each step uses (`repeated_records`, `monthly_records`); by default
        every record is used once, in its order.
    save : sequence of int, optional
        Steps, counted from 1, after which the state is kept; by default the last.
    threads : int, optional
        By default all cores that the process may use.

    Returns
    -------
    xarray.Dataset
        By save: `pools` (gC m-3), `soc` (S1 + S2 + S3 by layer, gC m-3), `stock` of all pools
        (gC m-2), `respiration` and `input` since the start (gC m-2), and `carbon_balance`
        (gC m-2), what the stock holds beyond start, input and respiration: rounding only with
        `conservative` switches, otherwise minus the carbon that leaked at bedrock.

    Raises
    ------
    KernelError
        If arguments do not fit together or a step names a record that does not exist.
    """
    steps = checked_records(record, forcing)
    saved_steps = _checked_saves(save, len(steps))
    start = as_pools(pools, len(columns))
    result = run_kernel(scheme, columns, forcing, start, dt, steps, saved_steps, threads)
    return _dataset(scheme, result, start, saved_steps, dt)


def checked_records(record: NDArray[np.int32] | None, forcing: CtsmForcing) -> NDArray[np.int32]:
    """Return the zero-based record of each step, by default each record once.

    Raises
    ------
    KernelError
        If there is no step, or one names a record that does not exist.
    """
    if record is None:
        return np.arange(forcing.n_records, dtype=np.int32)
    steps = whole_numbers("record", record, "step", first=1)
    if not steps.size:
        raise KernelError("record must name the forcing record of at least one step")
    wrong = np.flatnonzero((steps < 0) | (steps >= forcing.n_records))
    if wrong.size:
        raise KernelError(
            f"step {wrong[0] + 1} uses record {steps[wrong[0]]}, "
            f"but forcing has {forcing.n_records}, counted from 0"
        )
    return steps


def _checked_saves(save: ArrayLike | None, n_steps: int) -> NDArray[np.int32]:
    saved = whole_numbers("save", n_steps if save is None else save, "entry")
    if not saved.size or np.any(np.diff(saved) <= 0) or saved[0] < 1 or saved[-1] > n_steps:
        raise KernelError(f"save must be increasing step numbers from 1 to {n_steps}")
    return saved


def _dataset(
    scheme: CtsmScheme,
    result: KernelRun,
    start: NDArray[np.float64],
    saved_steps: NDArray[np.int32],
    dt: float,
) -> xr.Dataset:
    thickness = SOIL_GRID.thickness
    pools = np.swapaxes(result.pools, 0, 1)
    respiration, received = result.respiration.T, result.input.T
    stock = (pools @ thickness).sum(axis=-1)
    balance = stock - (start @ thickness).sum(axis=-1) - received + respiration
    layered = ("save", "column", "pool", "layer")
    by_column = ("save", "column")
    return xr.Dataset(
        {
            "pools": (layered, pools, {"units": "gC m-3"}),
            "soc": (("save", "column", "layer"), pools[:, :, 4:].sum(axis=2), {"units": "gC m-3"}),
            "stock": (by_column, stock, {"units": "gC m-2"}),
            "respiration": (
                by_column,
                respiration,
                {"units": "gC m-2", "long_name": "heterotrophic respiration since the start"},
            ),
            "input": (
                by_column,
                received,
                {"units": "gC m-2", "long_name": "carbon input since the start"},
            ),
            "carbon_balance": (
                by_column,
                balance,
                {"units": "gC m-2", "long_name": "stock - start - input + respiration"},
            ),
        },
        coords={
            "step": ("save", saved_steps),
            "pool": list(CTSM_POOLS),
            "depth": ("layer", SOIL_GRID.node_depth, {"units": "m"}),
        },
        attrs={"scheme": str(scheme.version), "step_length_s": dt},
    )
