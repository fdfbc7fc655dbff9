"""Steady state of the published model and its gradient: per column, 12 months x 20 layers.

Peers: numpy's dense solve of the same 140 unknowns (the matrix given, so that it is a floor for any
dense code), and the published code under Octave, which was timed once at 75.4 ms an evaluation.
"""

from __future__ import annotations

import importlib
import time
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

from ctsm_socnn.model import Columns, soil_carbon, steady_state_vjp
from ctsm_socnn.model.arguments import records
from ctsm_socnn.parameters import lower_bounds, upper_bounds
from ctsm_socnn.processor import runnable_builds

COLUMNS: Final = 40_000
PIECE: Final = 8_000
ROUNDS: Final = 20
UNKNOWNS: Final = 140
SIZES: Final = (1, 64, 1_000, COLUMNS, 1_000_000)
LARGEST_CALLS: Final = 5
OCTAVE_SECONDS: Final = 75.4e-3
MICRO: Final = 1e6


def measure() -> list[Measurement]:
    """Time the kernel beside its peers."""
    generator = np.random.default_rng(0)
    columns = _columns(generator, COLUMNS)
    parameters = _parameters(generator, COLUMNS)
    value = _per_row(columns, parameters, None)
    gradient = _gradient_per_row(columns, parameters)
    dense = cpu_seconds(partial(np.linalg.solve, *_dense_system(generator)))
    return [
        at_most("steady state, a column of its own for each row", value * MICRO, "us", 1.0),
        at_most("with gradient of the 21 parameters", gradient * MICRO, "us", 1.8),
        Measurement("numpy.linalg.solve, 140 x 140", dense * MICRO, "us"),
        at_least("dense solve / steady state", dense / value, "times", 200.0),
        at_least(
            "published code under Octave / steady state", OCTAVE_SECONDS / value, "times", 5e4
        ),
        *_other_patterns(generator, columns, parameters),
        *_linearity(columns, parameters),
        *_scaling(columns, parameters),
        *_builds(columns, parameters),
        Measurement("memory of a column", columns.bytes_per_column, "bytes"),
    ]


def _other_patterns(
    generator: np.random.Generator, columns: Columns, parameters: NDArray[np.float64]
) -> list[Measurement]:
    """Cost of rows that share a column, and of rows that jump between columns."""
    patterns = {
        "one column for all rows": np.zeros(COLUMNS, dtype=np.int64),
        "columns in random order": generator.permutation(COLUMNS),
    }
    return [
        Measurement(name, _per_row(columns, parameters, index) * MICRO, "us")
        for name, index in patterns.items()
    ]


def _linearity(columns: Columns, parameters: NDArray[np.float64]) -> list[Measurement]:
    """Cost of a row in calls of one row to a million, into the same memory at each call.

    Sizes take turns, and of each the least counts. A million rows are the columns 25 times over:
    that many more records than any cache holds. New memory for as many results is timed beside it.
    """
    bar = np.ones((SIZES[-1], 20))
    memory = np.zeros((SIZES[-1], 20)), np.zeros((SIZES[-1], 21))
    value, gradient = (dict.fromkeys(SIZES, np.inf) for _ in range(2))
    for _ in range(LARGEST_CALLS):
        for rows in SIZES:
            index = np.resize(np.arange(COLUMNS), rows)
            repeated = np.resize(parameters, (rows, 21))
            out = memory[0][:rows], memory[1][:rows]
            forward = partial(soil_carbon, columns, repeated, index, threads=1, out=out[0])
            back = partial(
                steady_state_vjp, columns, repeated, bar[:rows], index, threads=1, out=out
            )
            for cost, work in ((value, forward), (gradient, back)):
                calls = max(1, 4_000 // rows)
                cost[rows] = min(cost[rows], _of_calls(work, calls) / rows)
    return [
        *(
            Measurement(f"{rows} rows a call, a row", value[rows] * MICRO, "us")
            for rows in SIZES[:-1]
        ),
        at_most(
            "a million rows / 40,000 rows, a row", value[SIZES[-1]] / value[COLUMNS], "times", 1.25
        ),
        at_most("the same of the gradient", gradient[SIZES[-1]] / gradient[COLUMNS], "times", 1.25),
        *_new_memory(columns, np.resize(parameters, (SIZES[-1], 21))),
    ]


def _of_calls(work: Callable[[], object], calls: int) -> float:
    """CPU time of a call, the mean of so many."""
    start = time.thread_time()
    for _ in range(calls):
        work()
    return (time.thread_time() - start) / calls


def _new_memory(columns: Columns, parameters: NDArray[np.float64]) -> list[Measurement]:
    """What results in new memory cost: the kernel's time, and that of the first touch of each page."""
    index = np.resize(np.arange(COLUMNS), len(parameters))
    work = partial(soil_carbon, columns, parameters, index, threads=1)
    times = np.array([own_and_system_seconds(work) for _ in range(LARGEST_CALLS)])
    own, system = times.T / len(parameters) * MICRO
    return [
        Measurement("a million rows into new memory, a row: the kernel", own.min(), "us"),
        Measurement("  and the operating system, least of 5 calls", system.min(), "us"),
        Measurement("  and the operating system, most of 5 calls", system.max(), "us"),
    ]


def _builds(columns: Columns, parameters: NDArray[np.float64]) -> list[Measurement]:
    """Time each build of the kernel that this processor can run, without the checks of Python."""
    own = np.arange(1, COLUMNS + 1, dtype=np.int32)
    patterns = {"own columns": own, "one column": np.ones_like(own)}
    bar, soc = np.ones((COLUMNS, 20)), np.empty((COLUMNS, 20))
    parameters_bar, input_bar = np.empty((COLUMNS, 21)), np.empty((COLUMNS, 4))
    measured = []
    for build in runnable_builds():
        kernel = importlib.import_module(f"ctsm_socnn.{build.module}")
        for name, column in patterns.items():
            given = (*records(columns), parameters.T, column)
            value = partial(kernel.proda_soil_carbon, *given, 1, soc.T)
            gradient = partial(
                kernel.proda_gradient, *given, bar.T, 1, soc.T, parameters_bar.T, input_bar.T
            )
            for what, work in (("steady state", value), ("with gradient", gradient)):
                seconds = cpu_seconds(work) / COLUMNS
                measured.append(
                    Measurement(f"build {build.level}, {name}, {what}", seconds * MICRO, "us")
                )
    return measured


def _scaling(columns: Columns, parameters: NDArray[np.float64]) -> list[Measurement]:
    """Gain of a second thread, with columns that come from memory and with one in the cache.

    Timed in pieces, each of more columns than the cache holds and yet so short that some meet two
    idle cores even on a busy machine.
    """
    measured = []
    bar = np.ones((PIECE, 20))
    shared = np.zeros(PIECE, dtype=np.int64)
    calls: dict[str, Callable[..., object]] = {
        "own columns": lambda rows, own, threads: soil_carbon(
            columns, parameters[rows], own, threads
        ),
        "one column for all rows": lambda rows, _, threads: soil_carbon(
            columns, parameters[rows], shared, threads
        ),
        "gradient": lambda rows, own, threads: steady_state_vjp(
            columns, parameters[rows], bar, own, threads
        ),
    }
    for name, call in calls.items():
        one, two = _least_of_pieces(call)
        measured.append(at_least(f"speed of 2 threads / 1 thread, {name}", one / two, "times", 1.8))
    return measured


def _least_of_pieces(call: Callable[..., object]) -> tuple[float, float]:
    """Least time of a piece with one thread and with two, which take turns."""
    least = [np.inf, np.inf]
    for _ in range(ROUNDS):
        for start in range(0, COLUMNS, PIECE):
            own = np.arange(start, start + PIECE)
            for i in range(2):
                work = partial(call, slice(start, start + PIECE), own, threads=i + 1)
                least[i] = min(least[i], wall_seconds(work, repeats=1))
    return least[0], least[1]


def _per_row(
    columns: Columns,
    parameters: NDArray[np.float64],
    index: NDArray[np.int64] | None,
) -> float:
    work = partial(soil_carbon, columns, parameters, index, threads=1)
    return cpu_seconds(work) / len(parameters)


def _gradient_per_row(columns: Columns, parameters: NDArray[np.float64]) -> float:
    bar = np.ones((len(parameters), 20))
    work = partial(steady_state_vjp, columns, parameters, bar, threads=1)
    return cpu_seconds(work) / len(parameters)


def _columns(generator: np.random.Generator, count: int) -> Columns:
    shape = (count, 12, 20)
    return Columns.from_arrays(
        temperature=283.0 + generator.normal(0.0, 8.0, shape),
        water=generator.uniform(0.05, 1.0, shape),
        oxygen=generator.uniform(0.5, 1.0, shape),
        nitrogen=generator.uniform(0.1, 1.0, shape),
        thaw=generator.uniform(0.5, 4.0, (count, 12)),
        thaw_last_year=generator.uniform(0.5, 4.0, (count, 12)),
        bedrock=generator.integers(4, 21, count),
        inputs=[generator.uniform(1.0, 30.0, (count, 12)) for _ in range(4)],
    )


def _parameters(generator: np.random.Generator, count: int) -> NDArray[np.float64]:
    unit = generator.uniform(0.05, 0.95, (count, 21))
    values: NDArray[np.float64] = lower_bounds() + unit * (upper_bounds() - lower_bounds())
    return values


def _dense_system(generator: np.random.Generator) -> tuple[NDArray[np.float64], ...]:
    matrix = generator.normal(size=(UNKNOWNS, UNKNOWNS)) + UNKNOWNS * np.eye(UNKNOWNS)
    return matrix, generator.normal(size=UNKNOWNS)
