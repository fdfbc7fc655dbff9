"""Regridding: weights of 0.125-degree CONUS to f09, and 25 parameters x 100 members onto f09.

Peers: the bare product of scipy's sparse matrix with the same fields, and ESMPy for the weights
where it can be imported.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np
from measuring import Measurement, at_least, at_most, cpu_seconds, wall_seconds

from ctsm_socnn.regrid.esmf import esmpy_problem, esmpy_weights
from ctsm_socnn.regrid.geometry import Grid, rectilinear_grid
from ctsm_socnn.regrid.grids import cesm_grid
from ctsm_socnn.regrid.rectilinear import conservative_weights

FIELDS: Final = 25 * 100
TURNS: Final = 7


def measure() -> list[Measurement]:
    """Time the making of weights and their use."""
    conus, f09 = _conus(), cesm_grid("f09")
    making = wall_seconds(partial(conservative_weights, conus, f09), repeats=3)
    found = [at_most("rectilinear weights, 0.125-degree CONUS to f09", making, "s", 1.0)]
    if not esmpy_problem():
        theirs = wall_seconds(partial(esmpy_weights, conus, f09), repeats=1)
        found.append(Measurement("the same by ESMPy", theirs, "s"))
    return [*found, *_applying(f09)]


def _conus() -> Grid:
    return rectilinear_grid("CONUS", np.arange(-125.0, -66.0, 0.125), np.arange(24.0, 50.0, 0.125))


def _applying(target: Grid) -> list[Measurement]:
    source = rectilinear_grid("globe", np.arange(1.0, 360.0, 2.0), np.arange(-89.0, 90.0, 2.0))
    weights = conservative_weights(source, target)
    fields = np.random.default_rng(0).random((source.size, FIELDS))
    bare, ours = np.inf, np.inf
    # By turns, so that a busy moment of the machine falls on both.
    for _ in range(TURNS):
        bare = min(bare, cpu_seconds(partial(weights.matrix.__matmul__, fields), repeats=1))
        ours = min(ours, cpu_seconds(partial(weights.apply, fields, 0.01), repeats=1))
    return [
        Measurement(f"{FIELDS} fields onto f09", ours, "s CPU"),
        Measurement("bare scipy sparse product", bare, "s CPU"),
        at_least("bare product / applying weights", bare / ours, "times", 0.8),
    ]
