"""What a configuration would do, found out before hours are spent on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ctsm_socnn.config import Config
from ctsm_socnn.errors import FileError
from ctsm_socnn.export.paramfile import read_scalars
from ctsm_socnn.forcing import find_history
from ctsm_socnn.forcing.record import check_history
from ctsm_socnn.netcdf_reading import read_header
from ctsm_socnn.observations import open_covariates
from ctsm_socnn.parameters.ctsm_versions import resolve_version
from ctsm_socnn.regrid.grids import read_grid

__all__ = ["preview"]

_SECONDS_PER_SITE: Final = 0.3
"""CPU time of the default site-by-site sampler, measured on the twin world."""


def preview(config: Config, workers: int) -> Iterator[str]:
    """Look at every input and say what would be done with it, one line each.

    History files are opened for their headers, masks and months only; profile tables are not read.

    Parameters
    ----------
    config : Config
    workers : int
        Processes that would share the site-by-site assimilation.

    Raises
    ------
    SocnnError
        Of the room that would have refused the input later.
    """
    yield _history(config)
    yield _profiles(config, workers)
    yield _covariates(config)
    grid = read_grid(config.grid.target, config.grid.mask)
    used = int(grid.mask.sum())
    yield f"model grid: {Path(config.grid.target).name}, {used} of {grid.mask.size} cells are filled"
    for case in config.case:
        version = resolve_version(case.version)
        scalars = read_scalars(case.paramfile, version)
        yield (
            f"case {case.name}: {version.name} reads {len(scalars)} soil-carbon scalars from "
            f"{case.paramfile.name}"
        )
    if not config.case:
        yield "cases: none, so that no usermods will be written"


def _history(config: Config) -> str:
    forcing = config.forcing
    record = check_history(
        find_history(forcing.history), forcing.surface, forcing.first_year, forcing.last_year
    )
    find_history(forcing.pools)
    return (
        f"history: {len(record.samples)} months ({record.samples[0]} to {record.samples[-1]}) in "
        f"{len(record.paths)} files, {record.grid.land.size} land cells"
    )


def _profiles(config: Config, workers: int) -> str:
    profiles = config.profiles
    if profiles.sites is None:
        if profiles.file is None or not profiles.file.exists():
            raise FileError(f"{profiles.file} does not exist; name the profile table")
        return f"profiles: {profiles.file.name}, format {profiles.format}"
    count = next(iter(read_header(profiles.sites).dimensions.values()))
    minutes = count * _SECONDS_PER_SITE / workers / 60.0
    return (
        f"sites: {count} in {profiles.sites.name}; site-by-site assimilation takes about "
        f"{minutes:.0f} min with {workers} workers"
    )


def _covariates(config: Config) -> str:
    covariates = open_covariates(config.covariates.file, config.covariates.names)
    sizes = " x ".join(str(size) for size in covariates.sizes.values())
    return f"covariates: {len(covariates.data_vars)} on {sizes} cells"
