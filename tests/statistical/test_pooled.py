"""Posteriors of parameters that many profiles share."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.assimilation import Prior, one_batch
from ctsm_socnn.assimilation.diagnostics import identifiable_parameters
from ctsm_socnn.model import SOIL_GRID, Columns, soil_carbon
from ctsm_socnn.parameters import PARAMETER_NAMES, to_physical

N_SITES, WORLDS = 60, 20
DRAWS = 39  # of the 40 ranks that the truth may have, the middle 36 are its 90 % interval
LAYERS = [0, 2, 4, 6, 8]
PRIOR = Prior((0.5,) * 21, (0.2,) * 21)


def forcing(rng: np.random.Generator, n: int) -> xr.Dataset:
    """Sites with forcing of their own, and no carbon yet."""
    season = 10.0 * np.cos(2.0 * np.pi * (np.arange(12) - 6.5) / 12.0)
    damping = np.exp(-SOIL_GRID.node_depth / 2.0)
    profile = ("site", "month", "layer")
    return xr.Dataset(
        {
            "TSOI": (profile, rng.uniform(275, 293, (n, 1, 1)) + season[:, None] * damping),
            "W_SCALAR": (profile, rng.uniform(0.2, 0.9, (n, 12, 20))),
            "O_SCALAR": (profile, np.full((n, 12, 20), 0.95)),
            "FPI_vr": (profile, np.full((n, 12, 20), 0.9)),
            "ALTMAX": (("site", "month"), np.full((n, 12), 20.0)),
            "ALTMAX_LASTYEAR": (("site", "month"), np.full((n, 12), 20.0)),
            "nbedrock": (("site",), np.full(n, 20)),
            **{
                f"{pool}_INPUT": (("site", "month"), rng.uniform(1.0, 20.0, (n, 12)))
                for pool in ("CWD", "LITR1", "LITR2", "LITR3")
            },
        }
    )


def observed(sites: xr.Dataset, unit: np.ndarray, rng: np.random.Generator) -> xr.Dataset:
    """Carbon with an error that a profile shares, and one of each layer: more than costs assume."""
    soc = soil_carbon(Columns.from_sites(sites), to_physical(unit), threads=1)[:, LAYERS]
    error = 0.7 * rng.normal(size=(len(soc), 1)) + 0.3 * rng.normal(size=soc.shape)
    depth = np.tile(SOIL_GRID.node_depth[LAYERS], (len(soc), 1))
    return sites.assign(
        soc=(("site", "obs"), np.clip(soc * np.exp(error), 1.0, 2e5)),
        soc_depth=(("site", "obs"), depth),
    )


def test_intervals_of_one_batch_cover_what_was_true() -> None:
    """Truths from the prior; errors larger than assumed, or a cost that knows nothing of errors."""
    inside = []
    for world in range(WORLDS):
        rng = np.random.default_rng([17, world])
        truth = PRIOR.draw(rng, 1)
        sites = observed(forcing(rng, N_SITES), np.tile(truth, (N_SITES, 1)), rng)
        cost = ("log", "student-t")[world % 2]
        fitted = one_batch(sites, cost=cost, starts=1, seed=world, prior=PRIOR, draws=DRAWS)
        rank = (fitted["draws"].values < to_physical(truth[0])).sum(axis=0)
        inside.append((rank >= 2) & (rank <= DRAWS - 2))
    learnt = identifiable_parameters(sites)[0]
    assert np.mean(np.array(inside)[:, learnt]) == pytest.approx(0.9, abs=0.04)
    # The cap of the water scalar makes the cost rough in this one.
    assert np.mean(np.array(inside)[:, PARAMETER_NAMES.index("w_scaling")]) >= 0.75
