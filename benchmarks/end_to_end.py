"""End-to-end training: one epoch over 20,000 sites on two threads, and a whole training on 997.

Peer: the published torch port (BINN) needs 63 ms a site for forward and backward on one thread, that
is about 22 minutes an epoch.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import xarray as xr
from measuring import Measurement, at_most, wall_seconds

from ctsm_socnn.model import Columns, soil_carbon, steady_state_vjp
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network import NetworkSettings, default_settings, train
from ctsm_socnn.network.end_to_end import ProfileObjective
from ctsm_socnn.network.inputs import Inputs, InputTransform
from ctsm_socnn.network.model import build_network
from ctsm_socnn.network.training import ParameterNetwork, fit_network, seeded
from ctsm_socnn.parameters import to_physical

SITES: Final = 20_000
COVARIATES: Final = 40
THREADS: Final = 2
EPOCHS: Final = 10
REPEATS: Final = 5
GOAL_SECONDS: Final = 0.5
WHOLE_SITES: Final = 997
MEMBERS: Final = 5
WHOLE_GOAL_SECONDS: Final = 180.0


def measure() -> list[Measurement]:
    """Time epochs of training, and the kernel and the network alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        whole = whole_training_seconds()
        case = _Case.of(made_up_sites(SITES))
        epoch = case.epoch_seconds()
        kernel = case.kernel_seconds()
        torch.set_num_threads(1)
        network = case.network_seconds()
    finally:
        torch.set_num_threads(before)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rest = max(0.0, epoch - kernel - network)
    return [
        at_most(
            f"{WHOLE_SITES} sites, {MEMBERS} networks, to the end of their training",
            whole,
            "s",
            WHOLE_GOAL_SECONDS,
        ),
        at_most("one epoch, kernel, network and overhead", epoch, "s", GOAL_SECONDS),
        Measurement("share of the kernel and its adjoint, two threads", 100 * kernel / epoch, "%"),
        Measurement(
            "share of the network and its gradient, one thread", 100 * network / epoch, "%"
        ),
        Measurement("share of loss, optimiser and Python", 100 * rest / epoch, "%"),
        Measurement("peak memory of the process", peak, "GiB"),
    ]


def whole_training_seconds() -> float:
    """Time the default training with imagined sites and trees, as `ctsm-socnn train` runs it."""
    settings = default_settings("end-to-end").with_changes(members=MEMBERS)
    sites = made_up_sites(WHOLE_SITES)
    start = time.perf_counter()
    train(sites, "end-to-end", settings, 0)
    return time.perf_counter() - start


def made_up_sites(n: int) -> xr.Dataset:
    """Sites with six observations each; values are plausible, nothing more."""
    generator = np.random.default_rng(0)
    shape = (n, 12, 20)
    depth = np.array([0.05, 0.15, 0.3, 0.5, 0.8, 1.2])
    carbon = 40_000.0 * np.exp(-depth / 0.4) * generator.lognormal(0.0, 0.3, (n, 1))
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
            "CELLSAND": (("site", "layer"), np.full((n, 20), 40.0)),
            "nbedrock": ("site", np.full(n, 18.0)),
            **{name: (("site", "month"), np.full((n, 12), v)) for name, v in monthly.items()},
            **{f"cov_{i}": ("site", generator.normal(size=n)) for i in range(COVARIATES)},
            "soc": (("site", "obs"), carbon),
            "soc_depth": (("site", "obs"), np.broadcast_to(depth, carbon.shape)),
        },
        coords={
            "lon": ("site", generator.uniform(-80.0, -67.0, n)),
            "lat": ("site", generator.uniform(39.0, 47.0, n)),
        },
    )


@dataclass(frozen=True)
class _Case:
    """What a training over the sites needs."""

    settings: NetworkSettings
    network: ParameterNetwork
    objective: ProfileObjective
    columns: Columns
    inputs: Inputs

    @classmethod
    def of(cls, sites: xr.Dataset) -> _Case:
        settings = default_settings("end-to-end").with_changes(epochs=EPOCHS)
        transform = InputTransform.fit(sites, settings.inputs)
        columns, operator = Columns.from_sites(sites), ObservationOperator.from_sites(sites)
        with seeded(0):
            network = build_network(transform, settings, np.full(21, 0.5))
        inputs = transform(sites)
        objective = ProfileObjective(columns, operator, settings)
        return cls(settings, network, objective, columns, inputs)

    def epoch_seconds(self) -> float:
        ends: list[float] = []
        everything = np.zeros(SITES, dtype=bool)
        with seeded(0):
            fit_network(
                self.network,
                self.objective,
                self.inputs,
                everything,
                self.settings,
                progress=lambda *_: ends.append(time.perf_counter()),
            )
        return float(np.diff(ends).min())

    def kernel_seconds(self) -> float:
        parameters = to_physical(np.full((SITES, 21), 0.5))
        bar = np.ones((SITES, 20))
        forward = wall_seconds(
            lambda: soil_carbon(self.columns, parameters, threads=THREADS), REPEATS
        )
        return forward + wall_seconds(
            lambda: steady_state_vjp(self.columns, parameters, bar, threads=THREADS), REPEATS
        )

    def network_seconds(self) -> float:
        numeric, classes = (torch.from_numpy(x) for x in (self.inputs.numeric, self.inputs.classes))
        size = self.settings.batch_size or SITES
        batches = list(zip(numeric.split(size), classes.split(size), strict=True))
        self.network.train()

        def forward_and_back() -> None:
            for batch in batches:
                self.network(*batch).sum().backward()

        return wall_seconds(forward_and_back, REPEATS)
