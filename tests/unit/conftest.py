"""Small files in the form of CLM's own, for tests of reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.model import SOIL_GRID

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
