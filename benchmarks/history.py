"""History to climatology: eight years at 4 x 5 degrees with the fields of the litter budget.

Peers: netCDF4 reading the same fields as it comes (with its masks), and without masks and only
the levels that are needed; neither does anything with the values. Memory is that of a process of
its own at 0.9 x 1.25 degrees, over one year, over two, and over two with the litter inputs by layer;
files of 40 fields, of which the 29 that can be needed are read, 25 of them on levels.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import netCDF4
import numpy as np
from measuring import Measurement, at_least, at_most, cpu_seconds

from ctsm_socnn.forcing import GENERATIONS, read_climatology
from ctsm_socnn.forcing.field_names import LITTER_POOLS
from ctsm_socnn.forcing.fields import MONTHLY_FIELDS
from ctsm_socnn.model import SOIL_GRID

COARSE: Final = (46, 72)
F09: Final = (192, 288)
N_GROUND_LEVELS: Final = 25
MOST_MEMORY: Final = 2.0
YEARS: Final = range(1, 9)
REPEATS: Final = 3
DAYS: Final = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
FILL: Final = np.float32(1e36)
RUN_AND_TELL_PEAK: Final = """
import re
from pathlib import Path
from ctsm_socnn.cli.main import main
assert main() == 0
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
"""What the kernel tells of children holds the memory that their parent had when it started them."""


def measure() -> list[Measurement]:
    """Compare the CPU time of averaging with that of bare reading."""
    with tempfile.TemporaryDirectory() as directory:
        paths = [_write_year(Path(directory), year, COARSE) for year in YEARS]
        simple = cpu_seconds(partial(_read_as_it_comes, paths), repeats=REPEATS)
        bare = cpu_seconds(partial(_read_bare, paths), repeats=REPEATS)
        ours = cpu_seconds(partial(read_climatology, paths), repeats=REPEATS)
    return [
        Measurement("history to climatology", ours, "s CPU"),
        Measurement("netCDF4 reading the fields as it comes", simple, "s CPU"),
        Measurement("netCDF4 reading 20 levels without masks", bare, "s CPU"),
        at_least("reading as it comes / averaging", simple / ours, "times", 0.6),
        *_memory(),
    ]


def _memory() -> list[Measurement]:
    """Peak memory of the command, which must not grow with the years."""
    found = []
    with tempfile.TemporaryDirectory() as directory:
        paths = [_write_year(Path(directory), year, F09, compressed=True) for year in (1, 2)]
        for count, words in ((1, []), (2, []), (2, ["--input-profiles"])):
            peak = _peak_memory(paths[:count], Path(directory), words)
            name = " ".join([f"peak memory, {count} x 12 months of f09", *words])
            found.append(at_most(name, peak, "GiB", MOST_MEMORY))
    return found


def _peak_memory(paths: list[Path], directory: Path, options: list[str]) -> float:
    """GiB of a process that runs the command, by its own count."""
    words = ["forcing", "--history", *map(str, paths), "-o", str(directory / "c.nc"), "--overwrite"]
    command = [sys.executable, "-c", RUN_AND_TELL_PEAK, *words, *options]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(said.split()[-1]) / 2**20


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


def _fields_not_needed() -> Mapping[str, tuple[str | None, str, float]]:
    """Fields that lie in the same files, so that there are 40."""
    levels = {"T_SCALAR": "levdcmp", "H2OSOI": "levsoi", "SOILICE": "levsoi", "SOILLIQ": "levsoi"}
    names = (*levels, "GPP", "NPP", "HR", "NEE", "TLAI", "TOTVEGC", "SNOWDP")
    return {name: (levels.get(name), "1", 0.5) for name in names}


def _write_year(
    directory: Path, year: int, shape: tuple[int, int], *, compressed: bool = False
) -> Path:
    path = directory / f"bench.clm2.h0a.{year:04d}.nc"
    land = np.random.default_rng(0).random(shape) < 1 / 3
    with netCDF4.Dataset(
        path, "w", format="NETCDF4" if compressed else "NETCDF3_64BIT_DATA"
    ) as dataset:
        for name, values, attributes in _coordinates(dataset, land, year):
            dims = {"landmask": ("lat", "lon"), "nbedrock": ("lat", "lon")}.get(name, (name,))
            dims = ("time", "nbnd") if name == "time_bounds" else dims
            variable = dataset.createVariable(name, values.dtype, dims)
            variable.setncatts(attributes)
            variable[:] = values
        others = _fields_not_needed() if compressed else {}
        for name, (level, unit, value) in {**_fields(), **others}.items():
            dims = ("time", *((level,) if level else ()), "lat", "lon")
            variable = dataset.createVariable(
                name, "f4", dims, zlib=compressed, complevel=1, fill_value=FILL
            )
            variable.units = unit
            one_month = [len(dataset.dimensions[dim]) for dim in dims[1:]]
            for month in range(12):
                variable[month] = np.broadcast_to(
                    np.where(land, np.float32(value), FILL), one_month
                )
    return path


def _coordinates(
    dataset: netCDF4.Dataset, land: np.ndarray, year: int
) -> Iterator[tuple[str, np.ndarray, dict[str, str]]]:
    n_lat, n_lon = land.shape
    sizes = {"time": None, "lat": n_lat, "lon": n_lon, "nbnd": 2}
    for name, size in {**sizes, "levsoi": 20, "levgrnd": 25, "levdcmp": N_GROUND_LEVELS}.items():
        dataset.createDimension(name, size)
    end = np.cumsum(DAYS) + 365.0 * (year - 1)
    bounds = np.stack([end - DAYS, end], axis=1)
    calendar = {"units": "days since 0001-01-01", "calendar": "noleap", "bounds": "time_bounds"}
    yield "time", bounds.mean(axis=1), calendar
    yield "time_bounds", bounds, {}
    yield "levsoi", SOIL_GRID.node_depth.copy(), {"units": "m"}
    yield "lat", np.linspace(-90.0, 90.0, n_lat), {"units": "degrees_north"}
    yield "lon", np.arange(n_lon) * 360.0 / n_lon, {"units": "degrees_east"}
    yield "landmask", land.astype(np.int32), {}
    yield "nbedrock", np.where(land, 14, -9999).astype(np.int32), {}
