"""Soil carbon of CTSM runs at the profiles.

A run is compared with the profiles of its grid cells. Several profiles in one cell all count, and
share one modelled profile: the spread among them is what no cell mean can explain. `cell_means` does
the same with one mean per cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.forcing.land_grid import LandGrid
from ctsm_socnn.observations.nearest import nearest_cell
from ctsm_socnn.validation.comparison import Prediction, known_everywhere
from ctsm_socnn.validation.gridded_carbon import history_cells, soil_carbon_of
from ctsm_socnn.validation.history_fields import HistoryFields

__all__ = ["RunAtSites", "at_common_sites", "collocate"]

_FARTHEST_KM: Final = 100.0


@dataclass(frozen=True)
class RunAtSites:
    """A run at the places of sites.

    Attributes
    ----------
    prediction : Prediction
        Mean soil carbon of the last two years in the nearest land cell, with sample "run"; NaN at
        sites too far from any.
    cell : ndarray of int, shape (site,)
        Land cell of each site.
    lon, lat : ndarray, shape (cell,), degrees
    land : ndarray, shape (cell,), m2
    grid : LandGrid
        That of the history files.
    """

    prediction: Prediction
    cell: NDArray[np.int64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    land: NDArray[np.float64]
    grid: LandGrid


def collocate(
    name: str, paths: Sequence[Path], sites: xr.Dataset, max_distance_km: float = _FARTHEST_KM
) -> RunAtSites:
    """Find the land cell of each site, and the run's soil carbon there.

    Parameters
    ----------
    name : str
        Name of the run in tables.
    paths : sequence of Path
        Monthly history files.
    sites : xarray.Dataset
        With `lon, lat` (site), degrees.
    max_distance_km : float
        Sites farther from any land cell have no answer.

    Raises
    ------
    ValidationError
        If the files lack the soil pools, or no site lies near a land cell.
    ForcingError, FileError
        If they are no monthly history on a grid.
    """
    fields = HistoryFields(paths)
    soc = soil_carbon_of(fields, name).mean(axis=0)
    lon, lat = _cell_places(fields)
    cell, distance = nearest_cell(sites["lon"].values, sites["lat"].values, lon, lat)
    near = distance <= max_distance_km
    if not near.any():
        raise ValidationError(
            f"run {name}: no site lies within {max_distance_km:g} km of a land cell; the nearest is "
            f"{distance.min():.0f} km away"
        )
    prediction = Prediction(name, "run", np.where(near[:, np.newaxis], soc[:, cell].T, np.nan))
    land = fields.grid.take(history_cells(fields.samples[0].path, fields.grid).land)
    return RunAtSites(prediction, cell, lon, lat, land, fields.grid)


def at_common_sites(sites: xr.Dataset, runs: Sequence[RunAtSites]) -> list[RunAtSites]:
    """Leave the sites that lie near land of each run: the others have no answer in any.

    Parameters
    ----------
    sites : xarray.Dataset
        In the sites schema.
    runs : sequence of RunAtSites
        At these sites.

    Raises
    ------
    ValidationError
        As `known_everywhere`.
    """
    known = known_everywhere(sites, [run.prediction for run in runs])
    common = []
    for run in runs:
        soc = np.where(known[:, np.newaxis], run.prediction.soc, np.nan)
        common.append(replace(run, prediction=replace(run.prediction, soc=soc)))
    return common


def _cell_places(fields: HistoryFields) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    grid = fields.grid
    if len(grid.dims) == 1:
        return grid.take(grid.lon), grid.take(grid.lat)
    lon, lat = np.meshgrid(grid.lon, grid.lat)
    return grid.take(lon), grid.take(lat)
