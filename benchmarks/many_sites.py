"""Site-by-site assimilation of many sites: two workers against one, and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from assimilation import made_up_sites
from measuring import Measurement, at_least, at_most

from ctsm_socnn.assimilation import site_by_site
from ctsm_socnn.netcdf import write_dataset

SHORT_RUN, LONG_RUN = 1024, 4096
FEW, MANY = 512, 4096
SHORT: Final = ["--chains", "2", "--warmup", "20", "--draws", "8"]


def measure() -> list[Measurement]:
    """Parallel efficiency, start of the workers included, and peak memory of the command.

    To start a worker takes two seconds of processor time, which weighs the less the longer the run.
    """
    sites = made_up_sites(SHORT_RUN)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        measured = [
            measurement
            for count in (SHORT_RUN, LONG_RUN)
            for measurement in _efficiency(sites, count, directory)
        ]
        few, many = (_peak_memory(sites, count, directory) for count in (FEW, MANY))
    return [
        *measured,
        Measurement(f"peak memory, {FEW} sites", few / 2**20, "MiB"),
        Measurement(f"peak memory, {MANY} sites", many / 2**20, "MiB"),
        at_most("ratio of the two", many / few, "times", 1.2),
    ]


def _efficiency(sites: xr.Dataset, count: int, directory: Path) -> list[Measurement]:
    """Compare two workers with one on so many sites, the same ones again and again."""
    many = sites.isel(site=np.arange(count) % sites.sizes["site"])
    one, two = (_wall_seconds(many, workers, directory) for workers in (1, 2))
    name, efficiency = f"parallel efficiency at 2 workers, {count} sites", one / (2.0 * two)
    return [
        Measurement(f"{count} sites, 1 worker, wall", one, "s"),
        Measurement(f"{count} sites, 2 workers, wall", two, "s"),
        at_least(name, efficiency, "ratio", 0.9)
        if count == LONG_RUN
        else Measurement(name, efficiency, "ratio"),
    ]


def _wall_seconds(sites: xr.Dataset, workers: int, directory: Path) -> float:
    started = time.perf_counter()
    output = directory / f"{sites.sizes['site']}_{workers}.nc"
    site_by_site(sites, output=output, workers=workers, progress=False)
    return time.perf_counter() - started


def _peak_memory(sites: xr.Dataset, count: int, directory: Path) -> int:
    """Bytes that `assimilate` holds at most for the same sites again and again."""
    path = directory / f"sites_{count}.nc"
    write_dataset(sites.isel(site=np.arange(count) % sites.sizes["site"]), path)
    words = ["assimilate", str(path), *SHORT, "-o", str(directory / f"posterior_{count}.nc")]
    process = subprocess.Popen(
        [sys.executable, "-m", "ctsm_socnn", *words], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"assimilate ended with status {status}")
    return usage.ru_maxrss * 1024
