"""End-to-end training: one epoch over 20,000 sites on two threads.

Peer: the published torch port (BINN) needs 63 ms a site for forward and backward on one thread, that
is about 22 minutes an epoch.
"""

from __future__ import annotations

import resource
import time
from typing import Final

import numpy as np
import torch
import xarray as xr
from measuring import Measurement, at_most, wall_seconds

from ctsm_socnn.model import Columns, soil_carbon, steady_state_vjp
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network import default_settings
from ctsm_socnn.network.end_to_end import ProfileObjective
from ctsm_socnn.network.inputs import InputTransform
from ctsm_socnn.network.model import build_network
from ctsm_socnn.network.training import fit_network, seeded
from ctsm_socnn.parameters import to_physical

SITES: Final = 20_000
COVARIATES: Final = 40
THREADS: Final = 2
EPOCHS: Final = 6
GOAL_SECONDS: Final = 0.5


def measure() -> list[Measurement]:
    """Time epochs of training, and the kernel alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        sites = made_up_sites()
        epoch = _epoch_seconds(sites)
        kernel = _kernel_seconds(sites)
    finally:
        torch.set_num_threads(before)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return [
        at_most("one epoch, kernel, network and overhead", epoch, "s", GOAL_SECONDS),
        Measurement("of which kernel and adjoint", kernel, "s"),
        Measurement("share of the kernel", 100.0 * kernel / epoch, "%"),
        Measurement("peak memory of the process", peak, "GiB"),
    ]


def made_up_sites() -> xr.Dataset:
    """Sites with six observations each; values are plausible, nothing more."""
    generator = np.random.default_rng(0)
    shape = (SITES, 12, 20)
    depth = np.array([0.05, 0.15, 0.3, 0.5, 0.8, 1.2])
    carbon = 40_000.0 * np.exp(-depth / 0.4) * generator.lognormal(0.0, 0.3, (SITES, 1))
    monthly = {
        "CWD_INPUT": 3.0,
        "LITR1_INPUT": 8.0,
        "LITR2_INPUT": 20.0,
        "LITR3_INPUT": 9.0,
        "ALTMAX": 42.0,
        "ALTMAX_LASTYEAR": 42.0,
    }
    return xr.Dataset(
        {
            "TSOI": (("site", "month", "layer"), generator.uniform(270.0, 295.0, shape)),
            "W_SCALAR": (("site", "month", "layer"), generator.uniform(0.2, 1.0, shape)),
            "O_SCALAR": (("site", "month", "layer"), np.ones(shape)),
            "FPI_vr": (("site", "month", "layer"), generator.uniform(0.5, 1.0, shape)),
            "CELLSAND": (("site", "layer"), np.full((SITES, 20), 40.0)),
            "nbedrock": ("site", np.full(SITES, 18.0)),
            **{name: (("site", "month"), np.full((SITES, 12), v)) for name, v in monthly.items()},
            **{f"cov_{i}": ("site", generator.normal(size=SITES)) for i in range(COVARIATES)},
            "soc": (("site", "obs"), carbon),
            "soc_depth": (("site", "obs"), np.broadcast_to(depth, carbon.shape)),
        }
    )


def _epoch_seconds(sites: xr.Dataset) -> float:
    settings = default_settings("end-to-end").with_changes(epochs=EPOCHS)
    transform = InputTransform.fit(sites, settings.inputs)
    columns, operator = Columns.from_sites(sites), ObservationOperator.from_sites(sites)
    ends: list[float] = []
    with seeded(0):
        fit_network(
            build_network(transform, settings, np.full(21, 0.5)),
            ProfileObjective(columns, operator, settings),
            transform(sites),
            np.zeros(SITES, dtype=bool),
            settings,
            progress=lambda *_: ends.append(time.perf_counter()),
        )
    return float(np.diff(ends).min())


def _kernel_seconds(sites: xr.Dataset) -> float:
    columns = Columns.from_sites(sites)
    parameters = to_physical(np.full((SITES, 21), 0.5))
    bar = np.ones((SITES, 20))
    forward = wall_seconds(lambda: soil_carbon(columns, parameters, threads=THREADS), repeats=3)
    both = wall_seconds(
        lambda: steady_state_vjp(columns, parameters, bar, threads=THREADS), repeats=3
    )
    return forward + both
