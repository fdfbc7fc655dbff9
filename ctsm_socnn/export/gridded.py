"""Parameter maps on the model grid, with CTSM's names and units.

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
    shortest_turnover_time,
)
from ctsm_socnn.netcdf import is_missing, write_ctsm_input
from ctsm_socnn.parameters import PARAMETER_NAMES, SPLITS, TurnoverConvention, parameter
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
    filled_cells : int
        Of the land, without data of their own: they hold what their neighbours or CLM5 have.
    extrapolated_cells : int
        Of the land, unlike all sites from which the parameters were learnt.
    raised_cells : dict of str to int
        Land cells by turnover time that was too short for CTSM's time step and was raised.
    """

    version: str
    parameters: tuple[str, ...]
    variables: tuple[str, ...]
    cells: int
    land_cells: int
    filled_cells: int
    extrapolated_cells: int
    raised_cells: dict[str, int]

    def table(self) -> str:
        """One paragraph for the terminal."""
        land = f"{self.land_cells} of them land" if self.land_cells < self.cells else "all land"
        lines = [
            f"Maps for CTSM {self.version}: {len(self.parameters)} parameters as "
            f"{len(self.variables)} variables on {self.cells} cells, {land}"
        ]
        if self.filled_cells:
            lines.append(f"  {self.filled_cells} land cells lie outside the data and were filled")
        if self.extrapolated_cells:
            lines.append(f"  {self.extrapolated_cells} land cells are unlike all training sites")
        lines += [
            f"  {name} was raised in {count} land cells: CTSM's half-hour step takes out no more "
            "than the pool holds"
            for name, count in self.raised_cells.items()
        ]
        return "\n".join(lines)


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
    target = resolve_version(version)
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
    _require_rates_together(chosen, convention)
    taus, raised = _turnover_times(named, convention, grid)
    variables = _ctsm_variables(named, taus, version)
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
        version.name,
        chosen,
        tuple(variables),
        cells=int(grid.land.size),
        land_cells=int(grid.land.sum()),
        filled_cells=_marked(maps, "filled", grid),
        extrapolated_cells=_marked(maps, "extrapolated", grid),
        raised_cells=raised,
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
    for pair in SPLITS:
        if len(wanted & set(pair)) == 1:
            raise ExportError(
                f"parameter maps: {pair[0]} and {pair[1]} share out one pool, "
                "so that both or neither must be mapped"
            )
    if not wanted:
        raise ExportError("parameter maps: no parameter of the registry is there to deliver")
    return tuple(name for name in PARAMETER_NAMES if name in wanted)


def _require_rates_together(chosen: tuple[str, ...], convention: TurnoverConvention) -> None:
    """Refuse a q10 without its turnover times, or the reverse.

    CTSM multiplies its Q10 function by N(q10). Turnover times that were estimated without that are
    multiplied by the N of their own cell, which no scalar can be.
    """
    together = ("q10", *TURNOVER_ITEMS)
    missing = [name for name in together if name not in chosen]
    some = 0 < len(missing) < len(together)
    if some and convention is not TurnoverConvention.CENTURY_NORMALISED:
        raise ExportError(
            f"parameter maps: q10 and the turnover times, in the convention {convention}, mean "
            f"something only together; map {', '.join(missing)}, too, or none of them"
        )


def _marked(maps: xr.Dataset, flag: str, grid: MapGrid) -> int:
    """Land cells in which a flag of the maps is above 0."""
    if flag not in maps:
        return 0
    return int((np.asarray(maps[flag].values).reshape(grid.land.shape) > 0)[grid.land].sum())


def _turnover_times(
    named: Values, convention: TurnoverConvention, grid: MapGrid
) -> tuple[Values, dict[str, int]]:
    """Turnover times by CTSM item that its time step can carry, and where they were raised."""
    taus = century_turnover_times(named, convention)
    shortest = shortest_turnover_time(named.get("q10", parameter("q10").default))
    raised = {
        name: int((taus[item] < shortest)[grid.land].sum())
        for name, item in TURNOVER_ITEMS.items()
        if item in taus
    }
    allowed = {item: np.maximum(values, shortest) for item, values in taus.items()}
    return allowed, {name: count for name, count in raised.items() if count}


def _complete(maps: xr.Dataset, name: str, grid: MapGrid) -> NDArray[np.float64]:
    """Values over every cell: land as given, the rest from the nearest land cell."""
    values = np.asarray(maps[name].values, dtype=np.float64).reshape(grid.land.shape)
    missing = is_missing(values)
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
    named: Values, taus: Values, version: CtsmVersion
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
    items += [(item, name, taus[item]) for name, item in TURNOVER_ITEMS.items() if item in taus]
    if "fcwdl2" in named:
        items.append(("cwd_fcel", "fcwdl2", named["fcwdl2"]))
    variables = {
        version.item(key).variable: (values, _attributes(name, version.item(key).units))
        for key, name, values in items
    }
    rests = {**{item: name for name, item in RESPIRED_ITEMS.items()}, "cwd_flig": "fcwdl2"}
    for key, name in rests.items():
        if name in named:
            item = version.item(key)
            attributes = _attributes(f"1 - {name}", item.units, name)
            variables[item.variable] = (1.0 - named[name], attributes)
    own = {
        name: (named[name], _attributes(name, parameter(name).units))
        for name in _OWN_NAMES
        if name in named
    }
    return variables | own


def _attributes(formula: str, units: str, name: str | None = None) -> dict[str, Any]:
    """Attributes of a variable that holds a parameter, or a formula of the parameter `name`."""
    if name is None:
        return {"long_name": f"{formula}: {parameter(formula).meaning}", "units": units}
    return {"long_name": f"{formula}; {name}: {parameter(name).meaning}", "units": units}
