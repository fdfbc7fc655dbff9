"""What a configuration would do, found before the run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ctsm_socnn.assimilation import read_source_errors
from ctsm_socnn.cases import check_case, fitted_cases
from ctsm_socnn.config import CaseConfig, Config
from ctsm_socnn.configured import covariate_grid, network_settings
from ctsm_socnn.errors import FileError
from ctsm_socnn.forcing import find_history
from ctsm_socnn.forcing.record import check_history
from ctsm_socnn.netcdf_reading import read_header
from ctsm_socnn.observations import read_profiles
from ctsm_socnn.regrid.grids import read_grid

__all__ = ["Look", "preview"]

_LARGEST_TABLE: Final = 50_000_000
"""Bytes up to which a profile table is read; a larger one would take more than seconds."""

_SECONDS_AT_LEAST: Final = 20.0
_SECONDS_PER_SITE: Final = 0.1
"""CPU time of the default site-by-site sampler."""
_SECONDS_PER_START: Final = 0.2
_SECONDS_PER_COLUMN_AND_START: Final = 0.008
"""CPU time of one start of the fit of a case that reads no maps."""
_SECONDS_PER_TARGET: Final = 0.006
"""CPU time of one network of the two-step method for one site."""
_SECONDS_PER_ROW: Final = 2.5e-5
"""CPU time of one network of the end-to-end method for one site, real or imagined, and epoch."""
_SECONDS_PER_IMAGINED: Final = 6e-4
"""CPU time of the teachers of one training for one imagined site."""
_SECONDS_PER_REFINED: Final = 1e-3
"""CPU time to refine the parameters of one cell, once for the maps and once for their carbon."""

_BYTES_AT_LEAST: Final = 4e8
_BYTES_PER_LAND_CELL: Final = 5.5e4
_BYTES_PER_SITE: Final = 7e4
_BYTES_PER_CELL: Final = 2e3
_BYTES_OF_TEACHERS: Final = 7e8
_BYTES_PER_IMAGINED: Final = 5e3
"""Largest memory of a process, as it grew from small runs to large ones."""


@dataclass(frozen=True)
class Look:
    """What was found out about one part of a configuration.

    Attributes
    ----------
    name : str
        `history`, `profiles`, `covariates`, `model_grid`, `errors`, `case` or `cost`.
    values : dict
        Numbers and names, as they go into JSON.
    text : str
        The same as one line.
    """

    name: str
    values: dict[str, Any]
    text: str


def preview(config: Config, workers: int) -> Iterator[Look]:
    """Look at every input and say what would be done with it.

    History files are opened for their headers, masks and months only; a profile table is read if
    that takes seconds.

    Parameters
    ----------
    config : Config
    workers : int
        Processes that would share sites and folds.

    Raises
    ------
    SocnnError
        Of the room that would have refused the input later.
    """
    looks = [_history(config), _profiles(config), _covariates(config), _model_grid(config)]
    yield from looks
    if config.assimilation.errors is not None:
        yield _errors(config.assimilation.errors)
    yield from map(_case, config.case)
    if not config.case:
        yield Look("case", {}, "cases: none, so no usermods will be written")
    counts = {key: value for look in looks for key, value in look.values.items()}
    yield _cost(config, workers, counts)


def _history(config: Config) -> Look:
    forcing = config.forcing
    record = check_history(
        find_history(forcing.history), forcing.surface, forcing.first_year, forcing.last_year
    )
    find_history(forcing.pools)
    first, last = str(record.samples[0]), str(record.samples[-1])
    values = {
        "months": len(record.samples),
        "first": first,
        "last": last,
        "files": len(record.paths),
        "land_cells": int(record.grid.land.size),
    }
    return Look(
        "history",
        values,
        f"history: {values['months']} months ({first} to {last}) in {values['files']} files, "
        f"{values['land_cells']} land cells",
    )


def _profiles(config: Config) -> Look:
    profiles = config.profiles
    if profiles.sites is not None:
        count = next(iter(read_header(profiles.sites).dimensions.values()))
        values = {"file": profiles.sites.name, "profiles": count}
        return Look("profiles", values, f"sites: {count} in {profiles.sites.name}")
    if profiles.file is None or not profiles.file.exists():
        raise FileError(f"{profiles.file} does not exist; name the profile table")
    named = {"file": profiles.file.name, "format": profiles.format}
    text = f"profiles: {profiles.file.name}, format {profiles.format}"
    if profiles.file.is_dir() or profiles.file.stat().st_size > _LARGEST_TABLE:
        return Look("profiles", named, text)
    read = read_profiles(
        profiles.file, profiles.format, profiles.columns, profiles.bulk_density_from
    )
    counted = {"profiles": read.sizes["profile"], "layers": read.sizes["sample"]}
    return Look(
        "profiles",
        named | counted,
        f"{text}, {counted['layers']} layers of {counted['profiles']} profiles",
    )


def _covariates(config: Config) -> Look:
    covariates = covariate_grid(config)
    sizes = {str(name): int(size) for name, size in covariates.sizes.items()}
    values = {"covariates": len(covariates.data_vars), "covariate_grid": sizes}
    shape = " x ".join(map(str, sizes.values()))
    return Look("covariates", values, f"covariates: {values['covariates']} on {shape} cells")


def _model_grid(config: Config) -> Look:
    grid = read_grid(config.grid.target, config.grid.mask)
    name, used, cells = Path(config.grid.target).name, int(grid.mask.sum()), int(grid.mask.size)
    return Look(
        "model_grid",
        {"grid": name, "filled_cells": used, "cells": cells},
        f"model grid: {name}, {used} of {cells} cells are filled",
    )


def _errors(path: Path) -> Look:
    sources = list(read_source_errors(path))
    text = f"errors: {path.name}, for {', '.join(sources)}"
    return Look("errors", {"file": path.name, "sources": sources}, text)


def _case(case: CaseConfig) -> Look:
    version, scalars = check_case(case)
    maps = "maps are read by SourceMods"
    if case.checkout is None:
        own = ", its scalars are fitted" if case.scalars == "one-batch" else ""
        maps = f"maps are not read{own}"
    return Look(
        "case",
        {
            "name": case.name,
            "version": version.name,
            "scalars": scalars,
            "paramfile": case.paramfile.name,
            "maps_read": case.checkout is not None,
        },
        f"case {case.name}: {version.name} reads {scalars} soil-carbon scalars from "
        f"{case.paramfile.name}; {maps}",
    )


def _cost(config: Config, workers: int, counts: dict[str, Any]) -> Look:
    """Time and memory as measured on runs with the default settings."""
    sites = counts.get("profiles")
    if sites is None:
        text = "cost: a large database is not read here; allow 0.25 s per profile"
        return Look("cost", {"workers": workers}, text)
    seconds = _SECONDS_AT_LEAST + sites * _SECONDS_PER_SITE / workers
    starts = config.assimilation.one_batch_starts * len(fitted_cases(config))
    columns = min(sites, counts["land_cells"])
    seconds += starts * (_SECONDS_PER_START + columns * _SECONDS_PER_COLUMN_AND_START)
    imagined = _imagined(config, sites)
    seconds += _training_seconds(config, sites, imagined, workers)
    to_predict = math.prod(counts["covariate_grid"].values())
    if config.network.method == "end-to-end" and network_settings(config, "end-to-end").refines:
        seconds += to_predict * _SECONDS_PER_REFINED
    cells = counts["cells"] + to_predict
    here = _BYTES_AT_LEAST + max(
        _BYTES_PER_LAND_CELL * counts["land_cells"],
        _BYTES_PER_SITE * sites + _BYTES_PER_CELL * cells,
    )
    training = _BYTES_OF_TEACHERS * bool(imagined) + _BYTES_PER_IMAGINED * imagined
    peak = max(here, min(workers, max(_folds(config))) * (_BYTES_AT_LEAST + training))
    values = {"workers": workers, "seconds": round(seconds), "bytes": round(peak)}
    processes = "1 process" if workers == 1 else f"{workers} processes"
    text = f"cost: about {_duration(seconds)} with {processes}, and {peak / 1e9:.1f} GB of memory"
    return Look("cost", values, text)


def _training_seconds(config: Config, sites: int, imagined: int, workers: int) -> float:
    """Time of all trainings: one for the maps, and one for each fold, which workers share."""
    trainings = 1 + sum(math.ceil(n / workers) * (n - 1) / n for n in _folds(config))
    settings = network_settings(config, config.network.method)
    if config.network.method == "two-step":
        return trainings * settings.members * sites * _SECONDS_PER_TARGET
    member = max(imagined, sites) * settings.epochs * _SECONDS_PER_ROW
    return trainings * (imagined * _SECONDS_PER_IMAGINED + settings.members * member)


def _folds(config: Config) -> list[int]:
    """Numbers of folds: of the scores, and of intervals and importance if they are asked for."""
    judged = config.evaluation.folds
    importance = judged if config.evaluation.importance else None
    return [n for n in (judged, config.network.calibrate, importance) if n]


def _imagined(config: Config, sites: int) -> int:
    if config.network.method == "two-step":
        return 0
    return sites * network_settings(config, "end-to-end").imagined_per_site(sites)


def _duration(seconds: float) -> str:
    """Seconds in the unit that a person would use."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 2.0 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
