"""As many sites as the published study: 25,444 profiles of the twin world on two cores."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Final

from measuring import Measurement, at_most

from ctsm_socnn.assimilation import site_by_site
from ctsm_socnn.config import load_config
from ctsm_socnn.demo import make_twin_world
from ctsm_socnn.forcing import read_climatology
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.observations import build_sites, open_covariates, read_profiles
from ctsm_socnn.schemas import open_sites

N_PROFILES: Final = 25_444
SEED: Final = 2020
WORKERS: Final = 2


def measure() -> list[Measurement]:
    """World, sites and the gradient sampler; a quarter of an hour where nothing else runs."""
    with tempfile.TemporaryDirectory() as name:
        started = time.monotonic()
        path = _write_sites(Path(name))
        made = time.monotonic()
        output = Path(name) / "posterior.nc"
        posterior = site_by_site(open_sites(path, load=False), output=output, workers=WORKERS)
        ended = time.monotonic()
        cpu_seconds = float(posterior.attrs["cpu_seconds"])
        converged = float(posterior["converged"].mean())
        posterior.close()
    return [
        Measurement("world and sites, wall", (made - started) / 60, "min"),
        at_most("gradient sampler at 25,444 sites, wall", (ended - made) / 60, "min", 30.0),
        Measurement("CPU time of the sites", cpu_seconds / 60, "min"),
        Measurement("that over both cores' time", cpu_seconds / WORKERS / (ended - made), "ratio"),
        Measurement("sites converged", converged, "share"),
    ]


def _write_sites(directory: Path) -> Path:
    config, _ = load_config(make_twin_world(directory, SEED, N_PROFILES))
    sites, _ = build_sites(
        read_climatology(sorted((directory / "history").glob("*.nc"))),
        read_profiles(directory / "profiles.csv", "generic", config.profiles.columns),
        open_covariates(directory / "covariates.nc"),
        categorical=config.covariates.categorical,
    )
    path = directory / "sites.nc"
    write_dataset(sites, path)
    return path
