"""A small made-up set of soil columns that meets every branch of the CTSM schemes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ctsm_socnn.model.ctsm_forcing import CtsmColumns, CtsmForcing
from ctsm_socnn.model.grid import SOIL_GRID

NBEDROCK = np.array([20, 12, 20, 8, 3, 19, 1])
THAW = np.array([10.0, 10.0, 0.7, SOIL_GRID.interface_depth[9], 10.0, 3.0, 2.0])
"""Bioturbation, cryoturbation, and an active layer that ends at an interface and at bedrock."""
SECONDS_PER_YEAR = 365.0 * 86400.0


def soil_columns(**changes: Any) -> CtsmColumns:
    rng = np.random.default_rng(3)
    values: dict[str, Any] = {
        "sand": rng.uniform(10.0, 90.0, (len(NBEDROCK), 20)),
        "latitude": 55.0,
    }
    return CtsmColumns.from_arrays(NBEDROCK, **(values | changes))


def monthly_forcing(*, kinks: bool = True, **changes: Any) -> CtsmForcing:
    """Twelve months with a seasonal cycle; with kinks, layers at 273.15 K, at minpsi and maxpsi."""
    rng = np.random.default_rng(4)
    n, month = len(NBEDROCK), np.arange(12)
    season = np.sin(2.0 * np.pi * (month - 3) / 12.0)
    temperature = 277.0 + 10.0 * season[:, None, None] + rng.normal(0.0, 2.0, (12, n, 20))
    potential = -np.exp(rng.uniform(np.log(0.003), np.log(1.5), (12, n, 20)))
    if kinks:
        temperature[3, :, 4] = 273.15
        potential[5, :, 2:4] = [-2.0, -0.002]
    profile = np.exp(-SOIL_GRID.node_depth / 0.3)
    profile /= profile @ SOIL_GRID.thickness
    annual = np.array([50.0, 100.0, 200.0, 80.0, 0.0, 0.0, 0.0]) / SECONDS_PER_YEAR
    inputs = (1.0 + 0.8 * season)[:, None, None] * annual[:, None] * profile
    below = np.arange(20) >= NBEDROCK[:, None]
    values: dict[str, Any] = {
        "temperature": temperature,
        "water_potential": potential,
        "fpi": rng.uniform(0.5, 1.0, (12, n, 20)),
        "altmax": THAW,
        "altmax_lastyear": THAW,
        "inputs": np.where(below[:, None], 0.0, inputs[:, None]),
        "oxygen_unsaturated": rng.uniform(0.0, 1.0, (12, n, 20)),
    }
    return CtsmForcing.from_arrays(**(values | changes))


def stock(pools: np.ndarray) -> np.ndarray:
    """Carbon of each column, gC m-2."""
    return np.asarray((pools @ SOIL_GRID.thickness).sum(axis=-1))
