"""Small files in the form of CLM's own, and made-up sites to learn from in a second."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.forcing import climatology
from ctsm_socnn.model import SOIL_GRID
from ctsm_socnn.parameters import PARAMETER_NAMES, lower_bounds, upper_bounds

N_SITES = 40
MONTH_ENDS = np.cumsum([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])

HistoryFile = Callable[..., Path]


def history_dataset(year: int, months: Sequence[int]) -> xr.Dataset:
    """History of 2 x 3 cells, the last of them ocean; values tell layer, month and year apart."""
    end = np.array([MONTH_ENDS[month - 1] for month in months], dtype=float) + 365.0 * (year - 1)
    start = np.array([0 if m == 1 else MONTH_ENDS[m - 2] for m in months]) + 365.0 * (year - 1)
    mask = np.array([[1, 1, 1], [1, 1, 0]], dtype=np.int32)
    shape = (len(months), 20, *mask.shape)
    month = np.reshape(np.array(months, dtype=float), (-1, 1, 1, 1))
    layer = np.reshape(np.arange(20.0), (1, -1, 1, 1))

    def on_land(values: np.ndarray) -> np.ndarray:
        return np.where(mask == 1, values, 1e36).astype(np.float32)

    def levels(values: np.ndarray | float, units: str) -> tuple[object, ...]:
        dims = ("time", "levsoi", "lat", "lon")
        filled = on_land(np.broadcast_to(values, shape))
        return dims, filled, {"units": units, "_FillValue": np.float32(1e36)}

    def flat(values: np.ndarray | float, units: str) -> tuple[object, ...]:
        filled = on_land(np.broadcast_to(values, (len(months), *mask.shape)))
        return ("time", "lat", "lon"), filled, {"units": units, "_FillValue": np.float32(1e36)}

    return xr.Dataset(
        {
            "TSOI": levels(270.0 + month + 0.1 * layer + (year - 1), "K"),
            "W_SCALAR": levels(0.5, "unitless"),
            "O_SCALAR": levels(1.0, "unitless"),
            "FPI_vr": levels(0.9, "proportion"),
            "CELLSAND": levels(40.0, "percent"),
            "ALTMAX": flat(3.0, "m"),
            "ALTMAX_LASTYEAR": flat(2.5, "m"),
            **{
                f"{pool}_INPUT": flat(10.0 + month[..., 0], "gC m-2 month-1")
                for pool in ("CWD", "LITR1", "LITR2", "LITR3")
            },
            "nbedrock": (("lat", "lon"), np.where(mask == 1, 12, -9999).astype(np.int32)),
            "landmask": (("lat", "lon"), mask),
            "time_bounds": (("time", "hist_interval"), np.stack([start, end], axis=1)),
        },
        {
            "time": (
                "time",
                end,
                {
                    "units": "days since 0001-01-01",
                    "calendar": "noleap",
                    "bounds": "time_bounds",
                },
            ),
            "levsoi": ("levsoi", SOIL_GRID.node_depth.astype(np.float32), {"units": "m"}),
            "lat": ("lat", [40.0, 41.0], {"units": "degrees_north"}),
            "lon": ("lon", [280.0, 281.0, 282.0], {"units": "degrees_east"}),
        },
    )


@pytest.fixture
def history_file(tmp_path: Path) -> HistoryFile:
    """Write a history file: `history_file(name, year=1, months=range(1, 13), edit=None)`."""

    def write(
        name: str = "case.clm2.h0.nc",
        year: int = 1,
        months: Sequence[int] = range(1, 13),
        edit: Callable[[xr.Dataset], xr.Dataset] | None = None,
    ) -> Path:
        dataset = history_dataset(year, list(months))
        if edit is not None:
            dataset = edit(dataset)
        path = tmp_path / name
        dataset.to_netcdf(path, format="NETCDF3_64BIT")
        return path

    return write


@pytest.fixture
def set_units() -> Callable[[Path, str, str], None]:
    """Change the attribute `units` of a variable in place."""

    def change(path: Path, name: str, units: str) -> None:
        with netCDF4.Dataset(path, "a") as dataset:
            dataset[name].units = units

    return change


@pytest.fixture
def interrupt_after(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[int], AbstractContextManager[None]]:
    """Stop a climatology as Ctrl-C would once so many blocks are done and put aside."""
    add = climatology._add_fields

    @contextmanager
    def interrupted(blocks: int) -> Iterator[None]:
        done = itertools.count()

        def counted(*arguments: Any) -> None:
            if next(done) == blocks:
                raise KeyboardInterrupt
            add(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(climatology, "_SECONDS_BETWEEN_SAVES", -1.0)
            patch.setattr(climatology, "_add_fields", counted)
            yield

    return interrupted


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
    offset = np.linspace(-0.1, 0.1, 5)[:, None] * span
    return xr.Dataset(
        {
            "mean": (("site", "parameter"), mean),
            "sd": (("site", "parameter"), np.broadcast_to(0.05 * span, mean.shape).copy()),
            "best": (("site", "parameter"), mean),
            "converged": ("site", converged),
            "draws": (("site", "draw", "parameter"), mean[:, None, :] + offset),
        },
        coords={
            "parameter": list(PARAMETER_NAMES),
            "profile_id": ("site", sites["profile_id"].values),
        },
    )
