"""CLM history files of the synthetic region, as of ctsm5.4: names, axes, units, fill values.

The run is spun up and its weather repeats, so that every year is the same and pools do not change.
What each litter pool gets it loses in the same month, by respiration and to soil: the forcing stage
must find the litter inputs from that budget, as it does with a user's files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import netCDF4
import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.demo.model_run import ModelRun, default_pools
from ctsm_socnn.model import SOIL_GRID
from ctsm_socnn.model.simulation import DAYS_OF_MONTHS
from ctsm_socnn.netcdf import FILL_VALUE, atomic_output
from ctsm_socnn.parameters import century_normalisation, parameter
from ctsm_socnn.parameters.ctsm_routes import SECONDS_PER_YEAR
from ctsm_socnn.schemas import N_LAYERS

__all__ = ["write_history"]

Array = NDArray[np.float64]

_N_GROUND_LEVELS: Final = 25
_INTEGER_FILL: Final = -9999
_Q10: Final = parameter("q10").default
_EFOLDING: Final = parameter("efolding").default
_CELLULOSE_OF_CWD: Final = parameter("fcwdl2").default

_POOLS: Final = ("CWD", "LIT_MET", "LIT_CEL", "LIT_LIG", "SOM_ACT", "SOM_SLO", "SOM_PAS")
_TURNOVER: Final = ("tau_cwd", "tau_l1", "tau_l2", "tau_l2", "tau_s1", "tau_s2", "tau_s3")
_FIRST_SOIL_POOL: Final = _POOLS.index("SOM_ACT")
_CARBON_FLUX: Final = "gC/m^3/s"


class _Field(NamedTuple):
    """One monthly field: values (month, layer, cell) or (month, cell), and how it is labelled."""

    name: str
    levels: str | None
    units: str
    long_name: str
    values: Array


def write_history(
    directory: Path, run: ModelRun, mask: NDArray[np.bool_], lat: Array, lon: Array, years: range
) -> list[Path]:
    """Write one history file a year.

    Parameters
    ----------
    directory : Path
    run : ModelRun
        States of the land cells.
    mask : ndarray of bool, shape (lat, lon)
        Which cells are land; their order is that of the run.
    lat, lon : ndarray, degrees
        Centres of rows and columns.
    years : range
        Model years.

    Returns
    -------
    list of Path
        The files, oldest first, named as CTSM names them.
    """
    fields = list(_fields(run))
    paths = []
    for year in years:
        path = directory / f"twin.clm2.h0a.{year:04d}-02-01-00000.nc"
        with (
            atomic_output(path) as temporary,
            netCDF4.Dataset(temporary, "w", format="NETCDF3_64BIT_OFFSET") as file,
        ):
            _define_grid(file, run, mask, lat, lon)
            _write_time(file, year, years[0])
            for field in fields:
                _write_field(file, field, mask)
            if year == years[0]:
                _write_sand(file, run, mask)
        paths.append(path)
    return paths


def _fields(run: ModelRun) -> Iterator[_Field]:
    yield _Field("TSOI", "levgrnd", "K", "soil temperature", run.tsoi)
    yield _Field("W_SCALAR", "levsoi", "unitless", "Moisture inhibition", run.w_scalar)
    yield _Field("O_SCALAR", "levsoi", "unitless", "oxygen inhibition", run.o_scalar)
    t_scalar = century_normalisation(_Q10) * _Q10 ** ((run.tsoi - 298.15) / 10.0)
    yield _Field("T_SCALAR", "levsoi", "unitless", "temperature inhibition", t_scalar)
    yield _Field("FPI_vr", "levdcmp", "proportion", "fraction of potential immobilization", run.fpi)
    for name, meaning in (("ALTMAX", "maximum annual"), ("ALTMAX_LASTYEAR", "maximum prior year")):
        yield _Field(name, None, "m", f"{meaning} active layer thickness", run.altmax)
    yield _Field("LITFALL", None, "gC/m^2/s", "litterfall", run.litter.sum(axis=1))
    yield from _rates(run, t_scalar)
    yield from _pools(run)
    yield from _budget(run)


def _rates(run: ModelRun, t_scalar: Array) -> Iterator[_Field]:
    depth_scalar = np.exp(-SOIL_GRID.node_depth / _EFOLDING)[:, np.newaxis]
    scalar = t_scalar * run.w_scalar * run.o_scalar * depth_scalar
    for pool, tau in zip(_POOLS, _TURNOVER, strict=True):
        turnover = parameter(tau).default * century_normalisation(_Q10) * SECONDS_PER_YEAR
        yield _Field(f"K_{pool}", "levdcmp", "1/s", "potential loss coefficient", scalar / turnover)


def _pools(run: ModelRun) -> Iterator[_Field]:
    pools = np.moveaxis(default_pools(run), 0, -1)
    for pool, carbon in zip(_POOLS, pools, strict=True):
        values = np.broadcast_to(carbon, run.tsoi.shape)
        yield _Field(f"{pool}_C_vr", "levsoi", "gC/m^3", f"{pool} C (vertically resolved)", values)
    organic = np.einsum("pzc,z->c", pools[_FIRST_SOIL_POOL:], SOIL_GRID.thickness)
    total = np.broadcast_to(organic, run.altmax.shape)
    yield _Field("TOTSOMC", None, "gC/m^2", "total soil organic matter carbon", total)


def _budget(run: ModelRun) -> Iterator[_Field]:
    """Fluxes of the litter pools, under the names that CTSM cuts at 24 characters."""
    share = _input_profile(run)
    cwd, metabolic, cellulose, lignin = (
        run.litter[:, pool, np.newaxis, :] * share for pool in range(4)
    )
    to_cellulose, to_lignin = cwd * _CELLULOSE_OF_CWD, cwd * (1.0 - _CELLULOSE_OF_CWD)
    none = np.zeros_like(cwd)
    fluxes = {
        "CWD_C_TO_LIT_CEL_C_vr": to_cellulose,
        "CWD_C_TO_LIT_LIG_C_vr": to_lignin,
        "CWD_HR_L2_vr": none,
        "CWD_HR_L3_vr": none,
        "M_CWD_C_TO_FIRE_vr": none,
    }
    for pool, target, fraction, loss in (
        ("LIT_MET", "SOM_ACT", "fl1s1", metabolic),
        ("LIT_CEL", "SOM_ACT", "fl2s1", cellulose + to_cellulose),
        ("LIT_LIG", "SOM_SLO", "fl3s2", lignin + to_lignin),
    ):
        kept = parameter(fraction).default
        fluxes[f"{pool}_HR_vr"] = (1.0 - kept) * loss
        fluxes[f"{pool}_C_TO_{target}_C_vr"[:24]] = kept * loss
        fluxes[f"M_{pool}_C_TO_FIRE_vr"] = none
        fluxes[f"{pool}_C_TNDNCY_VERT_TRANSPORT"[:24]] = none
    for name, values in fluxes.items():
        yield _Field(name, "levdcmp", _CARBON_FLUX, name.replace("_", " "), values)


def _input_profile(run: ModelRun) -> Array:
    """Share of litter by layer, 1/m, shape (layer, cell): roots thin out with depth, to bedrock."""
    edges = parameter("beta").default ** (100.0 * SOIL_GRID.interface_depth)
    soil = np.arange(N_LAYERS)[:, np.newaxis] < run.nbedrock
    share = (edges[:-1] - edges[1:])[:, np.newaxis] * soil
    return np.asarray(share / share.sum(axis=0) / SOIL_GRID.thickness[:, np.newaxis])


def _ground_nodes() -> Array:
    """Node depths of the 25 ground levels: 20 of soil, and five of bedrock that grow thicker."""
    below = np.arange(1, _N_GROUND_LEVELS - N_LAYERS + 1)
    thickness = SOIL_GRID.thickness[-1] + (25.0 * below) ** 1.5 / 100.0
    bottom = SOIL_GRID.interface_depth[-1] + np.cumsum(thickness)
    return np.concatenate([SOIL_GRID.node_depth, bottom - 0.5 * thickness])


def _define_grid(
    file: netCDF4.Dataset, run: ModelRun, mask: NDArray[np.bool_], lat: Array, lon: Array
) -> None:
    file.setncatts(
        {
            "title": "CLM History file information",
            "comment": "NOTE: None of the variables are weighted by land fraction!",
            "Conventions": "CF-1.0",
            "source": "twin world of ctsm-socnn, in the form of the Community Terrestrial Systems Model",
            "case_id": "twin",
            "time_period_freq": "month_1",
        }
    )
    sizes = {"lon": lon.size, "lat": lat.size, "levgrnd": 25, "levsoi": 20, "levdcmp": 25}
    for name, size in {**sizes, "nbnd": 2, "time": None}.items():
        file.createDimension(name, size)
    nodes = _ground_nodes()
    for name in ("levgrnd", "levsoi", "levdcmp"):
        _constant(file, name, (name,), nodes[: sizes[name]], {"units": "m"})
    _constant(file, "lon", ("lon",), lon, {"units": "degrees_east"})
    _constant(file, "lat", ("lat",), lat, {"units": "degrees_north"})
    plane = ("lat", "lon")
    _constant(file, "area", plane, _cell_areas(lat, lon), {"units": "km^2"})
    _constant(file, "landfrac", plane, mask.astype(float), {"long_name": "land fraction"})
    _integers(file, "landmask", mask.astype(int), "land/ocean mask (0.=ocean and 1.=land)")
    nbedrock = np.full(mask.shape, _INTEGER_FILL)
    nbedrock[mask] = run.nbedrock
    _integers(file, "nbedrock", nbedrock, "index of shallowest bedrock layer")


def _cell_areas(lat: Array, lon: Array) -> Array:
    half = np.radians(0.5 * abs(lat[1] - lat[0]))
    band = np.sin(np.radians(lat) + half) - np.sin(np.radians(lat) - half)
    width = np.radians(abs(lon[1] - lon[0]))
    return np.outer(6371.0**2 * band * width, np.ones(lon.size))


def _write_time(file: netCDF4.Dataset, year: int, first_year: int) -> None:
    edges = 365.0 * (year - first_year) + np.concatenate([[0], np.cumsum(DAYS_OF_MONTHS)])
    units = f"days since {first_year:04d}-01-01 00:00:00"
    time = file.createVariable("time", "f4", ("time",))
    time.setncatts(
        {
            "long_name": "time at exact middle of time_bounds",
            "units": units,
            "calendar": "noleap",
            "bounds": "time_bounds",
        }
    )
    time[:] = 0.5 * (edges[:-1] + edges[1:])
    bounds = file.createVariable("time_bounds", "f8", ("time", "nbnd"))
    bounds.setncatts({"units": units, "calendar": "noleap", "long_name": "time interval endpoints"})
    bounds[:] = np.stack([edges[:-1], edges[1:]], axis=1)


def _write_field(file: netCDF4.Dataset, field: _Field, mask: NDArray[np.bool_]) -> None:
    levels = () if field.levels is None else (field.levels,)
    variable = file.createVariable(
        field.name, "f4", ("time", *levels, "lat", "lon"), fill_value=np.float32(FILL_VALUE)
    )
    variable.setncatts(
        {
            "long_name": field.long_name,
            "units": field.units,
            "cell_methods": "time: mean",
            "missing_value": np.float32(FILL_VALUE),
        }
    )
    size = len(file.dimensions[field.levels]) if field.levels else 0
    values = _below_soil(field, size) if size > N_LAYERS else field.values
    grid = np.full((*values.shape[:-1], *mask.shape), FILL_VALUE, dtype=np.float32)
    grid[..., mask] = values
    variable[:] = grid


def _below_soil(field: _Field, size: int) -> Array:
    """Fill the levels under the soil: temperature goes on, carbon and its rates are zero."""
    mode = "edge" if field.name == "TSOI" else "constant"
    deeper = ((0, 0), (0, size - N_LAYERS), (0, 0))
    return np.pad(field.values, deeper, mode=mode)  # type: ignore[call-overload, no-any-return]


def _write_sand(file: netCDF4.Dataset, run: ModelRun, mask: NDArray[np.bool_]) -> None:
    """CTSM writes soil texture into the first file of a run only."""
    grid = np.full((N_LAYERS, *mask.shape), FILL_VALUE)
    grid[:, mask] = run.sand
    _constant(
        file,
        "PCT_SAND",
        ("levsoi", "lat", "lon"),
        grid,
        {"units": "percent", "long_name": "percent sand"},
    )


def _constant(
    file: netCDF4.Dataset,
    name: str,
    dimensions: tuple[str, ...],
    values: Array,
    attributes: dict[str, str],
) -> None:
    variable = file.createVariable(name, "f4", dimensions, fill_value=np.float32(FILL_VALUE))
    variable.setncatts(attributes)
    variable[:] = values


def _integers(file: netCDF4.Dataset, name: str, values: NDArray[np.int64], long_name: str) -> None:
    variable = file.createVariable(name, "i4", ("lat", "lon"), fill_value=np.int32(_INTEGER_FILL))
    variable.long_name = long_name
    variable[:] = values
