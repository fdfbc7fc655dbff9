"""A made-up set of sites, small enough to train on in a second."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.parameters import PARAMETER_NAMES, lower_bounds, upper_bounds

N_SITES = 40


@pytest.fixture
def sites() -> xr.Dataset:
    """Sites in the schema: covariates of numbers and classes, four observations each."""
    generator = np.random.default_rng(5)
    n = N_SITES
    warmth = generator.uniform(-1.0, 1.0, n)
    month = np.arange(12)
    temperature = (
        282.0 + 5.0 * warmth[:, None, None] + 8.0 * np.sin(month / 6.0 * np.pi)[None, :, None]
    )
    depth = np.array([0.05, 0.2, 0.5, 1.1])
    carbon = 40_000.0 * np.exp(-depth / 0.4) * np.exp(-0.5 * warmth[:, None])
    scalar = (("site", "month", "layer"), np.full((n, 12, 20), 0.7))
    return xr.Dataset(
        {
            "TSOI": (("site", "month", "layer"), np.broadcast_to(temperature, (n, 12, 20)).copy()),
            "W_SCALAR": scalar,
            "O_SCALAR": scalar,
            "FPI_vr": scalar,
            "CELLSAND": (("site", "layer"), np.full((n, 20), 40.0)),
            "ALTMAX": (("site", "month"), np.full((n, 12), 42.0)),
            "ALTMAX_LASTYEAR": (("site", "month"), np.full((n, 12), 42.0)),
            "nbedrock": ("site", np.where(np.arange(n) % 5 == 0, 8.0, 18.0)),
            **{
                name: (("site", "month"), np.full((n, 12), amount))
                for name, amount in {
                    "CWD_INPUT": 3.0,
                    "LITR1_INPUT": 8.0,
                    "LITR2_INPUT": 20.0,
                    "LITR3_INPUT": 9.0,
                }.items()
            },
            "cov_warmth": ("site", warmth, {"units": "1"}),
            "cov_noise": ("site", generator.normal(size=n)),
            "cov_Land_Cover": ("site", (np.arange(n) % 3 + 4.0)),
            "soc": (("site", "obs"), carbon),
            "soc_depth": (("site", "obs"), np.broadcast_to(depth, (n, 4)).copy()),
        },
        coords={
            "lon": ("site", -75.0 + 0.01 * np.arange(n)),
            "lat": ("site", 42.0 + 0.02 * (np.arange(n) // 2)),
            "profile_id": ("site", 1000 + np.arange(n)),
        },
    )


@pytest.fixture
def posterior(sites: xr.Dataset) -> xr.Dataset:
    """Posteriors whose means follow `cov_warmth`; one site has not converged."""
    warmth = sites["cov_warmth"].values
    unit = 0.5 + 0.3 * warmth[:, None] * np.linspace(-1.0, 1.0, len(PARAMETER_NAMES))
    span = upper_bounds() - lower_bounds()
    mean = lower_bounds() + unit * span
    converged = np.ones(len(warmth), dtype=np.int8)
    converged[7] = 0
    return xr.Dataset(
        {
            "mean": (("site", "parameter"), mean),
            "sd": (("site", "parameter"), np.broadcast_to(0.05 * span, mean.shape).copy()),
            "best": (("site", "parameter"), mean),
            "converged": ("site", converged),
        },
        coords={
            "parameter": list(PARAMETER_NAMES),
            "profile_id": ("site", sites["profile_id"].values),
        },
    )
