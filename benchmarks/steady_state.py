"""Steady state of the published model and its gradient: per column, 12 months x 20 layers.

Peers: numpy's dense solve of the same 140 unknowns (the matrix given, so that it is a floor for any
dense code), and the published code under Octave, which was timed once at 75.4 ms an evaluation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from measuring import Measurement, at_least, at_most, cpu_seconds, wall_seconds
from numpy.typing import NDArray

from ctsm_socnn.model import Columns, soil_carbon, steady_state_vjp
from ctsm_socnn.parameters import lower_bounds, upper_bounds

COLUMNS: Final = 40_000
PIECE: Final = 8_000
ROUNDS: Final = 20
UNKNOWNS: Final = 140
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
        *_scaling(columns, parameters),
        Measurement("memory of a column", columns.bytes_per_column, "bytes"),
    ]


def _other_patterns(
    generator: np.random.Generator, columns: Columns, parameters: NDArray[np.float64]
) -> list[Measurement]:
    """Cost of rows that share a column, that jump between columns, and of few and many rows."""
    shared = np.zeros(COLUMNS, dtype=np.int64)
    shuffled = generator.permutation(COLUMNS)
    many = np.tile(np.arange(COLUMNS), 25)
    repeated = np.tile(parameters, (25, 1))
    few = 64
    patterns = [
        Measurement("one column for all rows", _per_row(columns, parameters, shared) * MICRO, "us"),
        Measurement(
            "columns in random order", _per_row(columns, parameters, shuffled) * MICRO, "us"
        ),
        Measurement(
            f"{few} rows a call",
            _per_row(columns.take(range(few)), parameters[:few], None, repeats=200) * MICRO,
            "us",
        ),
    ]
    million = _per_row(columns, repeated, many, repeats=1)
    ratio = million / _per_row(columns, parameters, None)
    return [*patterns, at_most("a million rows / 40,000 rows, per row", ratio, "times", 1.25)]


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
    repeats: int = 7,
) -> float:
    work = partial(soil_carbon, columns, parameters, index, threads=1)
    return cpu_seconds(work, repeats) / len(parameters)


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
