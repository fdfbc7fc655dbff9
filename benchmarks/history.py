"""History to climatology: eight years at 4 x 5 degrees with the fields of the litter budget.

Peers: netCDF4 reading the same fields as it comes (with its masks), and without masks and only
the levels that are needed; neither does anything with the values.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import netCDF4
import numpy as np
from measuring import Measurement, at_least, cpu_seconds

from ctsm_socnn.forcing import GENERATIONS, read_climatology
from ctsm_socnn.forcing.field_names import LITTER_POOLS
from ctsm_socnn.forcing.fields import MONTHLY_FIELDS
from ctsm_socnn.model import SOIL_GRID

N_LAT, N_LON, N_GROUND_LEVELS = 46, 72, 25
YEARS: Final = range(1, 9)
REPEATS: Final = 3
DAYS: Final = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
FILL: Final = np.float32(1e36)


def measure() -> list[Measurement]:
    """Compare the CPU time of averaging with that of bare reading."""
    with tempfile.TemporaryDirectory() as directory:
        paths = [_write_year(Path(directory), year) for year in YEARS]
        simple = cpu_seconds(partial(_read_as_it_comes, paths), repeats=REPEATS)
        bare = cpu_seconds(partial(_read_bare, paths), repeats=REPEATS)
        ours = cpu_seconds(partial(read_climatology, paths), repeats=REPEATS)
    return [
        Measurement("history to climatology", ours, "s CPU"),
        Measurement("netCDF4 reading the fields as it comes", simple, "s CPU"),
        Measurement("netCDF4 reading 20 levels without masks", bare, "s CPU"),
        at_least("reading as it comes / averaging", simple / ours, "times", 0.6),
    ]


def _read_as_it_comes(paths: list[Path]) -> None:
    for path in paths:
        with netCDF4.Dataset(path) as dataset:
            for name in _fields():
                dataset[name][:]


def _read_bare(paths: list[Path]) -> None:
    for path in paths:
        with netCDF4.Dataset(path) as dataset:
            dataset.set_auto_mask(False)
            for name in _fields():
                variable = dataset[name]
                levels = (slice(20),) if variable.ndim == 4 else ()
                variable[(slice(None), *levels)]


def _fields() -> Mapping[str, tuple[str | None, str, float]]:
    """Level dimension, unit and a plausible value of each field."""
    levels = {"TSOI": "levgrnd", "W_SCALAR": "levsoi", "O_SCALAR": "levsoi", "FPI_vr": "levdcmp"}
    values = {"K": 280.0, "1": 0.5, "m": 3.0}
    fields: dict[str, tuple[str | None, str, float]] = {
        name: (levels.get(name), unit, values[unit]) for name, unit in MONTHLY_FIELDS.items()
    }
    for pool in map(GENERATIONS[0].pool, LITTER_POOLS):
        for name in (*pool.required, *pool.optional_losses):
            is_pool = name == pool.carbon
            fields[name] = ("levsoi", "gC/m^3", 50.0) if is_pool else ("levdcmp", "gC/m^3/s", 1e-7)
    return fields | {"LITFALL": (None, "gC/m^2/s", 1e-6), "TOTSOMC": (None, "gC/m^2", 9000.0)}


def _write_year(directory: Path, year: int) -> Path:
    path = directory / f"bench.clm2.h0a.{year:04d}.nc"
    land = np.random.default_rng(0).random((N_LAT, N_LON)) < 1 / 3
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_DATA") as dataset:
        for name, values, attributes in _coordinates(dataset, land, year):
            dims = {"landmask": ("lat", "lon"), "nbedrock": ("lat", "lon")}.get(name, (name,))
            dims = ("time", "nbnd") if name == "time_bounds" else dims
            variable = dataset.createVariable(name, values.dtype, dims)
            variable.setncatts(attributes)
            variable[:] = values
        for name, (level, unit, value) in _fields().items():
            dims = ("time", *((level,) if level else ()), "lat", "lon")
            variable = dataset.createVariable(name, "f4", dims, fill_value=FILL)
            variable.units = unit
            shape = (12, *(len(dataset.dimensions[dim]) for dim in dims[1:]))
            variable[:] = np.broadcast_to(np.where(land, np.float32(value), FILL), shape)
    return path


def _coordinates(
    dataset: netCDF4.Dataset, land: np.ndarray, year: int
) -> Iterator[tuple[str, np.ndarray, dict[str, str]]]:
    sizes = {"time": None, "lat": N_LAT, "lon": N_LON, "nbnd": 2}
    for name, size in {**sizes, "levsoi": 20, "levgrnd": 25, "levdcmp": N_GROUND_LEVELS}.items():
        dataset.createDimension(name, size)
    end = np.cumsum(DAYS) + 365.0 * (year - 1)
    bounds = np.stack([end - DAYS, end], axis=1)
    calendar = {"units": "days since 0001-01-01", "calendar": "noleap", "bounds": "time_bounds"}
    yield "time", bounds.mean(axis=1), calendar
    yield "time_bounds", bounds, {}
    yield "levsoi", SOIL_GRID.node_depth.copy(), {"units": "m"}
    yield "lat", np.linspace(-90.0, 90.0, N_LAT), {"units": "degrees_north"}
    yield "lon", np.arange(N_LON) * 360.0 / N_LON, {"units": "degrees_east"}
    yield "landmask", land.astype(np.int32), {}
    yield "nbedrock", np.where(land, 14, -9999).astype(np.int32), {}
