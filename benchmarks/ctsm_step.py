"""One full step of the ctsm5.4 scheme: rates, decomposition, transport, 7 pools x 20 layers.

Peers: scipy's banded solve of the transport of one column alone (six pools at once, the matrix
given). The model's own code, which transports nitrogen too, was timed once at 15 to 17 us a column.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from measuring import (
    Measurement,
    at_least,
    at_most,
    cpu_seconds,
    own_and_system_seconds,
    wall_seconds,
)
from numpy.typing import NDArray
from scipy.linalg import solve_banded

from ctsm_socnn.model import (
    CtsmColumns,
    CtsmForcing,
    CtsmScheme,
    CtsmSwitches,
    mean_steady_state,
    simulate,
)
from ctsm_socnn.model.ctsm_sensitivity import steady_state_gradient

COLUMNS: Final = 256
SIZES: Final = (1, 256, 10_000, 100_000, 1_000_000)
ROUNDS: Final = 3
RECORDS: Final = 12
STEPS: Final = 240
HALF_HOUR: Final = 1800.0
MICRO: Final = 1e6
ACTIVE_LAYERS: Final = (0.7, 1.2, 3.0, 10.0)


def measure() -> list[Measurement]:
    """Time steps as the model takes them, and what depends on them."""
    new_records = np.resize(np.arange(RECORDS, dtype=np.int32), STEPS)
    same_record = np.zeros(STEPS, dtype=np.int32)
    plain = CtsmScheme.of("ctsm5.4")
    spinup = CtsmScheme.of("ctsm5.4", switches=CtsmSwitches(spinup=True))
    step = _per_step(plain, COLUMNS, new_records)
    banded = cpu_seconds(partial(_banded_solve, *_banded_system()))
    return [
        at_most("one full step of a column, 256 columns, new forcing", step * MICRO, "us", 5.0),
        Measurement(
            "the same with the forcing of the step before",
            _per_step(plain, COLUMNS, same_record) * MICRO,
            "us",
        ),
        Measurement("the same in spin-up", _per_step(spinup, COLUMNS, new_records) * MICRO, "us"),
        Measurement("scipy.linalg.solve_banded, transport alone", banded * MICRO, "us"),
        Measurement("banded solve / full step", banded / step, "times"),
        *_steady_state(plain),
        *_linearity(plain),
        *_scaling(plain, new_records),
    ]


def _steady_state(scheme: CtsmScheme) -> list[Measurement]:
    columns, forcing = _columns(COLUMNS), _forcing(COLUMNS)
    bar = np.ones((COLUMNS, 7, 20))
    solve = cpu_seconds(partial(mean_steady_state, scheme, columns, forcing, threads=1))
    gradient = cpu_seconds(partial(steady_state_gradient, scheme, columns, forcing, bar, threads=1))
    return [
        Measurement("steady state of the mean year, a column", solve / COLUMNS * MICRO, "us"),
        Measurement(
            "its gradient: 31 parameters, scalars, inputs", gradient / COLUMNS * MICRO, "us"
        ),
    ]


def _linearity(scheme: CtsmScheme) -> list[Measurement]:
    """Cost of a step from one column to a million (5 GB), and what new memory for results adds.

    Sizes take turns, the largest in two rounds of three; of each the least counts.
    """
    own = dict.fromkeys(SIZES, np.inf)
    system = dict.fromkeys(SIZES, np.inf)
    for turn in range(ROUNDS):
        for n in SIZES:
            if turn > 0 or n < SIZES[-1]:
                seconds = _short_run(scheme, n)
                own[n], system[n] = min(own[n], seconds[0]), min(system[n], seconds[1])
    return [
        *(Measurement(f"one full step, {n} columns", own[n] * MICRO, "us") for n in SIZES),
        at_most("a million columns / 256 columns", own[SIZES[-1]] / own[COLUMNS], "times", 1.25),
        Measurement(
            "new memory for a million columns, a step of 12", system[SIZES[-1]] * MICRO, "us"
        ),
    ]


def _scaling(scheme: CtsmScheme, records: NDArray[np.int32]) -> list[Measurement]:
    columns, forcing = _columns(COLUMNS), _forcing(COLUMNS)
    pools = mean_steady_state(scheme, columns, forcing).pools
    one, two = (
        partial(
            simulate,
            scheme,
            columns,
            forcing,
            pools,
            dt=HALF_HOUR,
            record=np.tile(records, 10),
            threads=threads,
        )
        for threads in (1, 2)
    )
    site = sum(field.nbytes for field in vars(columns).values()) / COLUMNS
    climate = sum(field[:1].nbytes for field in vars(forcing).values()) / COLUMNS
    return [
        at_least("speed of 2 threads / 1 thread", _ratio(wall_seconds, one, two), "times", 1.8),
        Measurement(
            "CPU time of the first thread, alone / of two", _ratio(cpu_seconds, one, two), "times"
        ),
        Measurement("memory of a column: what is constant", site, "bytes"),
        Measurement("memory of a column: one record of all forcing", climate, "bytes"),
        Measurement("memory of a column: pools, each of start, end and saves", 7 * 20 * 8, "bytes"),
    ]


def _ratio(
    seconds: Callable[[Callable[[], object]], float],
    one: Callable[[], object],
    two: Callable[[], object],
) -> float:
    return seconds(one) / seconds(two)


def _per_step(scheme: CtsmScheme, n: int, records: NDArray[np.int32]) -> float:
    columns, forcing = _columns(n), _forcing(n)
    pools = mean_steady_state(scheme, columns, forcing).pools
    few = records[: max(RECORDS, min(len(records), 240_000 // n))]
    run = partial(simulate, scheme, columns, forcing, pools, dt=HALF_HOUR, record=few, threads=1)
    return cpu_seconds(run) / n / len(few)


def _short_run(scheme: CtsmScheme, n: int) -> tuple[float, float]:
    """Own and system seconds a column and step, of so many steps that the call hardly counts."""
    columns, forcing = _columns(n), _forcing(n, records=2)
    pools = np.full((n, 7, 20), 100.0)
    steps = np.resize(np.arange(2, dtype=np.int32), max(RECORDS, 120_000 // n))
    run = partial(simulate, scheme, columns, forcing, pools, dt=HALF_HOUR, record=steps, threads=1)
    own, system = own_and_system_seconds(run)
    return own / n / len(steps), system / n / len(steps)


def _columns(n: int) -> CtsmColumns:
    generator = np.random.default_rng(1)
    return CtsmColumns.from_arrays(
        generator.integers(3, 21, n), generator.uniform(10.0, 90.0, (n, 20)), latitude=50.0
    )


def _forcing(n: int, records: int = RECORDS) -> CtsmForcing:
    generator = np.random.default_rng(2)
    thaw = generator.choice(ACTIVE_LAYERS, (records, n))
    shape = (records, n, 20)
    return CtsmForcing.from_arrays(
        generator.uniform(260.0, 300.0, shape),
        -np.exp(generator.uniform(np.log(0.003), np.log(1.5), shape)),
        fpi=generator.uniform(0.3, 1.0, shape),
        altmax=thaw,
        altmax_lastyear=thaw,
        inputs=np.full((7, 20), 1e-6),
    )


def _banded_system() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    generator = np.random.default_rng(3)
    bands = np.stack([-np.ones(20), 3.0 * np.ones(20), -np.ones(20)])
    return bands, generator.uniform(size=(20, 6))


def _banded_solve(bands: NDArray[np.float64], right_side: NDArray[np.float64]) -> None:
    solve_banded((1, 1), bands, right_side, check_finite=False)
