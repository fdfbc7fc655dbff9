"""Soil carbon on a grid, from a run's history or a map: stocks by depth, and land area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.forcing.fields import DENSITY_UNIT
from ctsm_socnn.forcing.land_grid import LandGrid
from ctsm_socnn.forcing.months import MonthSample, open_history
from ctsm_socnn.model import SOIL_GRID
from ctsm_socnn.netcdf import is_missing
from ctsm_socnn.network.land_area import LandArea
from ctsm_socnn.schemas import N_LAYERS, open_file
from ctsm_socnn.validation.history_fields import HistoryFields
from ctsm_socnn.validation.scores import stock

__all__ = [
    "STOCKS",
    "LandCells",
    "StockSeries",
    "history_cells",
    "soil_carbon_of",
    "stocks_of_map",
    "stocks_of_run",
]

Array = NDArray[np.float64]

STOCKS: Final[Mapping[str, float]] = {
    "0-0.3 m": 0.3,
    "0-1 m": 1.0,
    "0-2 m": 2.0,
    "column": float(SOIL_GRID.interface_depth[-1]),
}
"""Name -> depth (m) to which carbon is added up."""

_AREA_FIELDS: Final = ("area", "landfrac", "landmask")


@dataclass(frozen=True)
class LandCells:
    """Size of the cells of a grid, each of the grid's shape.

    Attributes
    ----------
    area : ndarray, m2
        Of whole cells.
    land : ndarray, m2
        Of the land in them.
    """

    area: Array
    land: Array


@dataclass(frozen=True)
class StockSeries:
    """Stocks of soil organic carbon in time.

    Attributes
    ----------
    grid : LandGrid
    cells : LandCells
    samples : list of MonthSample
    stocks : ndarray, shape (month, stock, cell), gC m-2
        In the order of `STOCKS`, at the land cells of the grid.
    """

    grid: LandGrid
    cells: LandCells
    samples: list[MonthSample]
    stocks: Array


def stocks_of_run(name: str, paths: Sequence[Path], last_months: int | None = None) -> StockSeries:
    """Stocks of a run, month by month; one file is held at a time.

    Parameters
    ----------
    name : str
        For messages.
    paths : sequence of Path
        Monthly history files.
    last_months : int, optional
        How many months count, from the end; all by default.

    Raises
    ------
    ValidationError
        If the soil pools are missing, or the size of the cells is not known.
    ForcingError, FileError
        If they are no monthly history on a grid.
    """
    whole = HistoryFields(paths, last_months)
    parts = []
    for path, samples in groupby(whole.samples, key=attrgetter("path")):
        held = HistoryFields([path], None)
        positions = [held.samples.index(sample) for sample in samples]
        soc = soil_carbon_of(held, name)[positions]
        parts.append(_stocks(np.moveaxis(soc, 1, -1)))
    first = whole.samples[0].path
    return StockSeries(
        whole.grid, history_cells(first, whole.grid), whole.samples, np.concatenate(parts)
    )


def soil_carbon_of(fields: HistoryFields, name: str) -> Array:
    """Soil organic carbon of a run's months, shape (month, 20, cell), gC m-3.

    Raises
    ------
    ValidationError
        If a soil pool is missing.
    ForcingError
        If one is not in gC m-3.
    """
    names = [f"{pool}{fields.generation.carbon}_vr" for pool in fields.generation.soil]
    pools = fields.get(*names, unit=DENSITY_UNIT)
    if pools is None:
        raise ValidationError(
            f"run {name}: {fields.samples[0].path} lacks one of {', '.join(names)}, so its soil "
            "carbon by layer is unknown; CTSM writes them by default, or add them to hist_fincl1"
        )
    return np.asarray(np.sum(pools, axis=0, dtype=np.float64))


def stocks_of_map(path: Path) -> tuple[Array, Array]:
    """Stocks (stock, cell), gC m-2, and land (cell,), m2, of a map of soil carbon by layer.

    Parameters
    ----------
    path : Path
        With `soc` (layer, lat, lon) in gC m-3, as `ctsm-socnn predict --soil-carbon` writes it.

    Raises
    ------
    ValidationError
        If it holds no soil carbon by layer, or the size of the cells is not known.
    FileError
        If it cannot be read.
    """
    dataset = open_file(path)
    if "soc" not in dataset or dataset["soc"].sizes.get("layer") != N_LAYERS:
        raise ValidationError(
            f"{path} has no variable soc on {N_LAYERS} layers; give a map of soil carbon as "
            "`ctsm-socnn predict --soil-carbon` writes it"
        )
    dims = tuple(str(dim) for dim in dataset["soc"].dims if dim != "layer")
    soc = dataset["soc"].transpose("layer", *dims).values.reshape(N_LAYERS, -1)
    land = _land_area(dataset, dims, path).land.ravel()
    known = np.isfinite(soc).all(axis=0)
    return _stocks(soc[:, known].T.astype(np.float64)), land[known]


def _stocks(soc: Array) -> Array:
    """Stocks from carbon (..., cell, 20) as (..., stock, cell)."""
    parts = [stock(soc, SOIL_GRID.interface_depth, depth) for depth in STOCKS.values()]
    return np.stack(parts, axis=-2)


def history_cells(path: Path, grid: LandGrid) -> LandCells:
    """Size of the cells of a history file.

    Raises
    ------
    ValidationError
        If it is not known.
    """
    with open_history(path) as dataset:
        fields = {
            name: (grid.dims, _filled(dataset, name), {"units": _unit(dataset, name)})
            for name in _AREA_FIELDS
            if name in dataset.variables and dataset[name].dimensions == grid.dims
        }
    places = {name: variable for name, variable in grid.coordinates().items() if name != "landmask"}
    return _land_area(xr.Dataset({**fields, **places}), grid.dims, path)


def _land_area(dataset: xr.Dataset, dims: tuple[str, ...], path: Path) -> LandCells:
    land = LandArea.from_grid(dataset, dims)
    if land is None:
        raise ValidationError(
            f"{path} does not say how large its cells are: it needs a variable area, or evenly "
            "spaced lat and lon"
        )
    shape = tuple(dataset.sizes[dim] for dim in dims)
    whole = LandArea(land.dimensions, land.area, land.boxes, None)
    return LandCells(whole.of_cells().reshape(shape), land.of_cells().reshape(shape))


def _filled(dataset: netCDF4.Dataset, name: str) -> Array:
    values = np.asarray(dataset[name][:], dtype=np.float64)
    return np.where(is_missing(values), np.nan, values)


def _unit(dataset: netCDF4.Dataset, name: str) -> str:
    return str(getattr(dataset[name], "units", "1"))
