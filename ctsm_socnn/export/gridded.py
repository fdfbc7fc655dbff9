"""Parameter maps on the model grid, in CTSM's names and units.

Each variable that is a scalar on the paramfile keeps that name. Parameters that CTSM does not know
(`fs1s2`, `fs1s3`, `fs2s1`, `fs2s3`, `w_scaling`, `beta`) keep the registry's. CTSM's reader takes
any array of the right length, so a flipped map would go to the wrong cells: coordinates and land
cells are compared with the case's own surface dataset or mesh before anything is written.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.errors import ExportError
from ctsm_socnn.export.model_grid import MapGrid, fill_outside_land, map_grid, require_same_cells
from ctsm_socnn.export.translation import (
    RESPIRED_ITEMS,
    Values,
    century_turnover_times,
    diffusivity_per_second,
    require_splits,
    require_usable,
)
from ctsm_socnn.netcdf import write_ctsm_input
from ctsm_socnn.parameters import PARAMETER_NAMES, TurnoverConvention, parameter
from ctsm_socnn.parameters.ctsm_routes import TURNOVER_ITEMS
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, resolve_version
from ctsm_socnn.provenance import provenance_attributes
from ctsm_socnn.regrid.grid_files import read_grid_file

__all__ = [
    "GriddedDelivery",
    "convention_of",
    "gridded_dataset",
    "uniform_maps",
    "write_gridded_parameters",
]

_OWN_NAMES: Final = ("fs1s2", "fs1s3", "fs2s1", "fs2s3", "w_scaling", "beta")
_PAIRS: Final = (("fs1s2", "fs1s3"), ("fs2s1", "fs2s3"))


@dataclass(frozen=True)
class GriddedDelivery:
    """What a gridded file carries.

    Attributes
    ----------
    version : str
    parameters : tuple of str
        Registry names that it delivers.
    variables : tuple of str
        Names in the file.
    cells : int
        Number of grid cells.
    land_cells : int
        Of which land.
    """

    version: str
    parameters: tuple[str, ...]
    variables: tuple[str, ...]
    cells: int
    land_cells: int

    def table(self) -> str:
        """One paragraph for the terminal."""
        return (
            f"Maps for CTSM {self.version}: {len(self.parameters)} parameters as "
            f"{len(self.variables)} variables on {self.cells} cells, {self.land_cells} of them land"
        )


def write_gridded_parameters(
    maps: xr.Dataset,
    output: str | Path,
    version: CtsmVersion | str,
    *,
    model_grid: str | Path | None = None,
    parameters: Collection[str] | None = None,
    overwrite: bool = False,
) -> GriddedDelivery:
    """Write the maps that our Fortran module reads in a case.

    Parameters
    ----------
    maps : xarray.Dataset
        Parameter maps on the model grid (`ctsm_socnn.schemas.validate_maps`), with coordinates.
    output : str or Path
        64-bit-offset netCDF without missing values.
    version : CtsmVersion or str
    model_grid : str or Path, optional
        The case's surface dataset or mesh. Coordinates are compared with it and its land decides
        where values must be; without it, every cell must have one.
    parameters : collection of str, optional
        Registry names to deliver; the others keep CTSM's own values. By default all in the maps.
    overwrite : bool

    Returns
    -------
    GriddedDelivery

    Raises
    ------
    ExportError
        If a map has a gap over land, holds values that CTSM cannot use or is not on the model
        grid.
    FileError
        If the output exists or cannot be written.
    """
    target = resolve_version(version) if isinstance(version, str) else version
    grid_file = None if model_grid is None else Path(model_grid)
    dataset, delivery = gridded_dataset(maps, target, model_grid=grid_file, parameters=parameters)
    write_ctsm_input(dataset, output, overwrite=overwrite)
    return delivery


def gridded_dataset(
    maps: xr.Dataset,
    version: CtsmVersion,
    *,
    model_grid: Path | None = None,
    parameters: Collection[str] | None = None,
) -> tuple[xr.Dataset, GriddedDelivery]:
    """Build what `write_gridded_parameters` writes."""
    chosen = _chosen(maps, parameters)
    grid = map_grid(maps, chosen[0])
    if model_grid is not None:
        grid = require_same_cells(grid, model_grid)
    named = {name: _complete(maps, name, grid) for name in chosen}
    require_splits(named, "parameter maps")
    convention = convention_of(maps)
    _require_q10(chosen, convention)
    variables = _ctsm_variables(named, convention, version)
    dataset = xr.Dataset(
        {name: (grid.ctsm_dims, values, attrs) for name, (values, attrs) in variables.items()}
    )
    dataset["LATIXY"] = (grid.ctsm_dims, grid.lat, {"units": "degrees_north"})
    dataset["LONGXY"] = (grid.ctsm_dims, grid.lon, {"units": "degrees_east"})
    dataset.attrs = provenance_attributes(
        seed=None,
        inputs={} if model_grid is None else {"model_grid": model_grid},
        previous_history=str(maps.attrs.get("history", "")),
    ) | {
        "title": "Soil-carbon parameters of CTSM on the model grid",
        "ctsm_version": version.name,
        "turnover_time_convention": TurnoverConvention.CENTURY_NORMALISED.value,
    }
    delivery = GriddedDelivery(
        version.name, chosen, tuple(variables), int(grid.land.size), int(grid.land.sum())
    )
    return dataset, delivery


def uniform_maps(values: ArrayLike, convention: TurnoverConvention, model_grid: Path) -> xr.Dataset:
    """Make maps that hold one set of parameters in every cell of a grid.

    They bring a single estimate whole to a version that reads only a part of it as scalars.

    Parameters
    ----------
    values : array_like, shape (parameter,), registry order and units
    convention : TurnoverConvention
    model_grid : Path
        Surface dataset or mesh.
    """
    grid = read_grid_file(model_grid)
    dims = ("lat", "lon") if len(grid.shape) == 2 else ("cell",)
    lon, lat = (np.asarray(axis).reshape(grid.shape) for axis in grid.centres())
    maps = xr.Dataset(coords={"lat": (dims, lat), "lon": (dims, lon)})
    if len(grid.shape) == 2:
        maps = xr.Dataset(coords={"lat": ("lat", lat[:, 0]), "lon": ("lon", lon[0])})
    for name, value in zip(PARAMETER_NAMES, np.asarray(values, dtype=np.float64), strict=True):
        maps[name] = (dims, np.full(grid.shape, value))
    return maps.assign_attrs(turnover_time_convention=convention.value)


def convention_of(dataset: xr.Dataset) -> TurnoverConvention:
    """Turnover-time convention that a dataset says it follows.

    Raises
    ------
    ExportError
        If it says none, or an unknown one.
    """
    name = str(dataset.attrs.get("turnover_time_convention", "missing"))
    try:
        return TurnoverConvention(name)
    except ValueError as error:
        raise ExportError(
            f"the global attribute turnover_time_convention is {name}; "
            f"it must be one of {', '.join(TurnoverConvention)}"
        ) from error


def _chosen(maps: xr.Dataset, parameters: Collection[str] | None) -> tuple[str, ...]:
    wanted = {name for name in PARAMETER_NAMES if name in maps} if parameters is None else set()
    for name in parameters or ():
        wanted.add(parameter(name).name)
        if name not in maps:
            raise ExportError(f"parameter maps: there is no map of {name}")
    for pair in _PAIRS:
        if len(wanted & set(pair)) == 1:
            raise ExportError(
                f"parameter maps: {pair[0]} and {pair[1]} share out one pool, "
                "so that both or neither must be mapped"
            )
    if not wanted:
        raise ExportError("parameter maps: no parameter of the registry is there to deliver")
    return tuple(name for name in PARAMETER_NAMES if name in wanted)


def _require_q10(chosen: tuple[str, ...], convention: TurnoverConvention) -> None:
    depends = convention is not TurnoverConvention.CENTURY_NORMALISED
    if depends and set(chosen) & set(TURNOVER_ITEMS) and "q10" not in chosen:
        raise ExportError(
            f"parameter maps: turnover times in the convention {convention} mean nothing without "
            "their q10; map it too"
        )


def _complete(maps: xr.Dataset, name: str, grid: MapGrid) -> NDArray[np.float64]:
    """Values over every cell: land as given, the rest from the nearest land cell."""
    values = np.asarray(maps[name].values, dtype=np.float64).reshape(grid.land.shape)
    missing = ~np.isfinite(values) | (np.abs(values) >= 1e30)
    gaps = missing & grid.land
    if gaps.any():
        first = tuple(int(i) for i in np.argwhere(gaps)[0])
        raise ExportError(
            f"parameter maps: {name} has no value in {int(gaps.sum())} of {int(grid.land.sum())} "
            f"land cells, the first at lat {grid.lat[first]:g}, lon {grid.lon[first]:g}; fill the "
            "maps, or give the surface dataset that says which cells are land"
        )
    where = "parameter maps"
    require_usable(name, values[grid.land], where)
    _require_bounds(maps[name], values[grid.land], where)
    return fill_outside_land(values, missing, grid)


def _require_bounds(variable: xr.DataArray, values: NDArray[np.float64], where: str) -> None:
    lower = float(variable.attrs.get("valid_min", -np.inf))
    upper = float(variable.attrs.get("valid_max", np.inf))
    bad = (values < lower) | (values > upper)
    if bad.any():
        raise ExportError(
            f"{where}: {variable.name} = {values[bad][0]:g} in {int(bad.sum())} land cells lies "
            f"outside its valid range {lower:g} to {upper:g}"
        )


def _ctsm_variables(
    named: Values, convention: TurnoverConvention, version: CtsmVersion
) -> dict[str, tuple[NDArray[np.float64], dict[str, Any]]]:
    items: list[tuple[str, str, NDArray[np.float64]]] = []
    if "diffus" in named:
        items.append(("som_diffus", "diffus", diffusivity_per_second(named["diffus"])))
    if "cryo" in named:
        items.append(("cryoturb_diffusion_k", "cryo", diffusivity_per_second(named["cryo"])))
    if "q10" in named:
        items += [("q10", "q10", named["q10"]), ("froz_q10", "q10", named["q10"])]
    if "efolding" in named:
        items.append(("decomp_depth_efolding", "efolding", named["efolding"]))
    taus = century_turnover_times(named, convention)
    by_item = {item: name for name, item in TURNOVER_ITEMS.items()}
    items += [(item, by_item[item], values) for item, values in taus.items()]
    items += [
        (item, name, 1.0 - named[name]) for name, item in RESPIRED_ITEMS.items() if name in named
    ]
    if "fcwdl2" in named:
        items.append(("cwd_fcel", "fcwdl2", named["fcwdl2"]))
        items.append(("cwd_flig", "fcwdl2", 1.0 - named["fcwdl2"]))
    variables = {
        version.item(key).variable: (values, _attributes(name, version.item(key).units))
        for key, name, values in items
    }
    own = {
        name: (named[name], _attributes(name, parameter(name).units))
        for name in _OWN_NAMES
        if name in named
    }
    return variables | own


def _attributes(name: str, units: str) -> dict[str, Any]:
    return {"long_name": f"from {name}: {parameter(name).meaning}", "units": units}
