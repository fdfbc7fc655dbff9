"""The fraction of its cell that a profile represents, by land cover.

Profiles are dug where people work: of ten in a cell, eight may lie in fields that cover a fifth of it.
Where a raster of classes is finer than the cells, the mean of a cell is therefore that of its classes,
each with its share of the cell (post-stratification; Cochran 1977, Sampling Techniques, ch. 5A).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.observations.aggregate import CellGrid, class_shares, values_at
from ctsm_socnn.observations.rasters import open_raster
from ctsm_socnn.validation.model_runs import RunAtSites

__all__ = ["LandCover", "land_cover_of"]


@dataclass(frozen=True)
class LandCover:
    """Land cover at sites.

    Attributes
    ----------
    label : ndarray, shape (site,)
        Class at each site; NaN where it is not known.
    share : ndarray, shape (site,)
        Share of the site's cell that is of its class; 0 where that is not known.
    """

    label: NDArray[np.float64]
    share: NDArray[np.float64]


def land_cover_of(
    path: Path, variable: str | None, sites: xr.Dataset, run: RunAtSites
) -> LandCover:
    """Read the class at each site, and the classes of its cell, from one raster.

    Parameters
    ----------
    path : Path
        GeoTIFF or netCDF of classes, finer than the cells.
    variable : str or None
        See `ctsm_socnn.observations.rasters.open_raster`.
    sites : xarray.Dataset
        With `lon, lat` (site), degrees.
    run : RunAtSites
        Of these sites.

    Raises
    ------
    ValidationError
        If the run is not on latitude and longitude.
    FileError, GridError
        If the raster cannot be read, holds no classes, or lies elsewhere.
    """
    if run.grid.dims != ("lat", "lon"):
        raise ValidationError(
            f"run {run.prediction.method} is on a grid of dimension {run.grid.dims[0]}; shares of land "
            "cover need latitude and longitude (hist_dov2xy = .true.)"
        )
    with open_raster(path, variable) as raster:
        label = values_at(raster, sites["lat"].values, sites["lon"].values)
        shares = class_shares(raster, CellGrid(run.grid.lat, run.grid.lon))
    share = np.zeros(label.shape)
    for value, by_cell in shares.items():
        of_class = label == value
        share[of_class] = run.grid.take(by_cell)[run.cell[of_class]]
    return LandCover(label, share)
