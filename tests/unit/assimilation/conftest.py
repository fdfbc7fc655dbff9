"""A few made-up sites whose carbon comes from known parameters."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.model import SOIL_GRID, Columns, steady_state
from ctsm_socnn.parameters import to_physical

OBSERVED_LAYERS = [0, 2, 4, 6, 8]
NOISE = 0.1


def forcing(n: int, rng: np.random.Generator) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    season = np.cos(2.0 * np.pi * (np.arange(12) - 6.5) / 12.0)
    damping = np.exp(-SOIL_GRID.node_depth / 2.0)
    warmth = rng.uniform(278.0, 293.0, n)
    by_layer = ("site", "month", "layer")
    temperature = warmth[:, None, None] + 10.0 * season[:, None] * damping
    moisture = rng.uniform(0.3, 0.9, (n, 12, 20))
    return {
        "TSOI": (by_layer, temperature),
        "W_SCALAR": (by_layer, moisture),
        "O_SCALAR": (by_layer, np.full((n, 12, 20), 0.95)),
        "FPI_vr": (by_layer, np.full((n, 12, 20), 0.9)),
        "CELLSAND": (("site", "layer"), np.full((n, 20), 50.0)),
        "ALTMAX": (("site", "month"), np.full((n, 12), 20.0)),
        "ALTMAX_LASTYEAR": (("site", "month"), np.full((n, 12), 20.0)),
        "nbedrock": (("site",), np.full(n, 20)),
        **{
            f"{pool}_INPUT": (("site", "month"), rng.uniform(1.0, 20.0, (n, 12)))
            for pool in ("CWD", "LITR1", "LITR2", "LITR3")
        },
    }


def twin_sites(n: int, seed: int = 0) -> tuple[xr.Dataset, np.ndarray]:
    """Sites and their true parameters, shape (site, 21), 0 to 1."""
    rng = np.random.default_rng(seed)
    sites = xr.Dataset(forcing(n, rng))
    truth = rng.uniform(0.3, 0.7, (n, 21))
    soc = steady_state(Columns.from_sites(sites), to_physical(truth)).soc[:, OBSERVED_LAYERS]
    sites["soc"] = (("site", "obs"), soc * np.exp(NOISE * rng.normal(size=soc.shape)))
    depth = SOIL_GRID.node_depth[OBSERVED_LAYERS]
    sites["soc_depth"] = (("site", "obs"), np.tile(depth, (n, 1)))
    sites["lon"] = (("site",), rng.uniform(-80.0, -70.0, n))
    sites["lat"] = (("site",), rng.uniform(40.0, 45.0, n))
    return sites, truth


@pytest.fixture(scope="session")
def twin() -> tuple[xr.Dataset, np.ndarray]:
    return twin_sites(6)
