"""Soil carbon of a run in the form that ILAMB reads: CMIP names and units, CF metadata.

ILAMB (Collier et al. 2018, J. Adv. Model. Earth Syst. 10, 2731-2754) takes the files of a model from
one directory, a variable by its CMIP name, and cell areas and land fractions from `areacella` and
`sftlf`. Its configuration names the benchmarks by their place in ILAMB's own collection of data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.netcdf import atomic_output, require_absent, write_dataset
from ctsm_socnn.regrid.geometry import edges_between
from ctsm_socnn.validation.gridded_carbon import STOCKS, StockSeries

__all__ = ["CONFIGURATION", "ilamb_paths", "write_configuration", "write_ilamb_files"]

Array = NDArray[np.float64]

CONFIGURATION: Final = "ilamb.cfg"
_GRAMS_PER_KG: Final = 1000.0
_ORIGIN: Final = "days since 0001-01-01"
_LAND_MEAN: Final = "area: mean where land time: mean"


@dataclass(frozen=True)
class _Variable:
    """A CMIP variable and the stock that it is."""

    name: str
    stock: str
    long_name: str


_VARIABLES: Final = (
    _Variable("cSoil", "column", "Carbon Mass in Soil Pool"),
    _Variable("cSoilAbove1m", "0-1 m", "Carbon Mass in Soil Pool Above 1m Depth"),
)

_CONFIGURATION_TEXT: Final = """\
# Soil carbon against the two benchmarks of ILAMB's data collection.
#   export ILAMB_ROOT=...            # the directory that holds DATA/
#   ilamb-run --config ilamb.cfg --model_root {models} --regions global

[h1: Ecosystem and Carbon Cycle]
bgcolor = "#ECFFE6"

[h2: Soil Carbon]
variable       = "cSoilAbove1m"
alternate_vars = "cSoil"
weight         = 5
mass_weighting = True

[HWSD]
source     = "DATA/cSoil/HWSD/soilc_0.5x0.5.nc"
weight     = 15
table_unit = "Pg"
plot_unit  = "kg m-2"
space_mean = False
skip_rmse  = True

[NCSCDV22]
source     = "DATA/cSoil/NCSCDV22/soilc_0.5x0.5.nc"
weight     = 12
table_unit = "Pg"
plot_unit  = "kg m-2"
space_mean = False
skip_rmse  = True
"""


def ilamb_paths(name: str, series: StockSeries, directory: Path) -> dict[str, Path]:
    """Files of a run by variable, in the order in which they are written.

    Parameters
    ----------
    name : str
        The model's name in ILAMB, and in the names of the files.
    series : StockSeries
    directory : Path
        The model's directory; need not exist.

    Raises
    ------
    ValidationError
        If the run is on a one-dimensional grid.
    """
    if series.grid.dims != ("lat", "lon"):
        raise ValidationError(
            f"run {name} is on a grid of dimension {series.grid.dims[0]}; ILAMB reads latitude and "
            "longitude, so regrid the history first or write it with hist_dov2xy = .true."
        )
    variables = (*(variable.name for variable in _VARIABLES), "areacella", "sftlf")
    return {variable: directory / f"{variable}_{name}.nc" for variable in variables}


def write_ilamb_files(
    name: str,
    series: StockSeries,
    directory: Path,
    attributes: dict[str, Any],
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Write cSoil, cSoilAbove1m, areacella and sftlf of a run.

    Parameters
    ----------
    name : str
        The model's name in ILAMB, and in the names of the files.
    series : StockSeries
        On latitude and longitude.
    directory : Path
        The model's directory; must exist.
    attributes : dict
        Global attributes that every file gets, such as the provenance.
    overwrite : bool

    Returns
    -------
    list of Path

    Raises
    ------
    ValidationError
        If the run is on a one-dimensional grid.
    FileError
        If a file exists, or cannot be written.
    """
    paths = ilamb_paths(name, series, directory)
    datasets = {
        **{variable.name: _carbon(series, variable) for variable in _VARIABLES},
        "areacella": _cell_areas(series),
        "sftlf": _land_fraction(series),
    }
    for path in paths.values():
        require_absent(path, overwrite=overwrite)
    for variable, dataset in datasets.items():
        stamped = dataset.assign_attrs(attributes | {"Conventions": "CF-1.8", "source_id": name})
        write_dataset(stamped, paths[variable], overwrite=overwrite)
    return list(paths.values())


def write_configuration(path: Path, models: str, *, overwrite: bool = False) -> None:
    """Write the configuration of the comparison; `models` is the directory of the models."""
    with atomic_output(path, overwrite=overwrite) as temporary:
        temporary.write_text(_CONFIGURATION_TEXT.format(models=models), encoding="ascii")


def _carbon(series: StockSeries, variable: _Variable) -> xr.Dataset:
    stock = series.stocks[:, list(STOCKS).index(variable.stock)] / _GRAMS_PER_KG
    values = series.grid.spread(stock, ("time",)).astype(np.float32)
    values.attrs = {
        "standard_name": "soil_mass_content_of_carbon",
        "long_name": variable.long_name,
        "units": "kg m-2",
        "cell_methods": _LAND_MEAN,
        "cell_measures": "area: areacella",
    }
    return xr.Dataset({variable.name: values, **_time(series), **_places(series)})


def _cell_areas(series: StockSeries) -> xr.Dataset:
    attributes = {"standard_name": "cell_area", "long_name": "Grid-Cell Area", "units": "m2"}
    area = (("lat", "lon"), series.cells.area, attributes)
    return xr.Dataset({"areacella": area, **_places(series)})


def _land_fraction(series: StockSeries) -> xr.Dataset:
    share = np.divide(
        series.cells.land,
        series.cells.area,
        out=np.zeros(series.cells.area.shape),
        where=series.cells.area > 0.0,
    )
    attributes = {
        "standard_name": "land_area_fraction",
        "long_name": "Percentage of the Grid Cell Occupied by Land",
        "units": "%",
        "cell_measures": "area: areacella",
    }
    return xr.Dataset({"sftlf": (("lat", "lon"), 100.0 * share, attributes), **_places(series)})


def _time(series: StockSeries) -> dict[str, xr.Variable]:
    bounds = np.array([(sample.start, sample.end) for sample in series.samples])
    attributes = {
        "standard_name": "time",
        "units": _ORIGIN,
        "calendar": series.samples[0].calendar,
        "axis": "T",
        "bounds": "time_bnds",
    }
    return {
        "time": xr.Variable("time", bounds.mean(axis=1), attributes),
        "time_bnds": xr.Variable(("time", "bnds"), bounds),
    }


def _places(series: StockSeries) -> dict[str, xr.Variable]:
    lat, lon = series.grid.lat, series.grid.lon
    edges = np.clip(_bounds(lat), -90.0, 90.0)
    return {
        "lat": xr.Variable("lat", lat, _axis("latitude", "degrees_north", "Y", "lat_bnds")),
        "lat_bnds": xr.Variable(("lat", "bnds"), edges),
        "lon": xr.Variable("lon", lon, _axis("longitude", "degrees_east", "X", "lon_bnds")),
        "lon_bnds": xr.Variable(("lon", "bnds"), _bounds(lon)),
    }


def _axis(standard_name: str, units: str, axis: str, bounds: str) -> dict[str, str]:
    return {"standard_name": standard_name, "units": units, "axis": axis, "bounds": bounds}


def _bounds(centres: Array) -> Array:
    """Edges halfway between centres, shape (n, 2); a single cell is taken to be 1 degree wide."""
    edges = edges_between(centres)
    return np.stack([edges[:-1], edges[1:]], axis=1)
