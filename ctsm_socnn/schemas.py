"""The datasets that pass between stages: what each must contain, and how its file is opened.

A stage is a function from Dataset to Dataset. What it may rely on is written here, once; a file
that a user made or that an older version wrote is brought into this form on opening.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Hashable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import FileError, ProfileError
from ctsm_socnn.parameters import PARAMETER_NAMES
from ctsm_socnn.units import canonical_unit

__all__ = [
    "COVARIATE_PREFIX",
    "FORCING_DIMENSIONS",
    "INPUT_VARIABLES",
    "MODEL_FORCING",
    "N_LAYERS",
    "N_MONTHS",
    "covariate_names",
    "distinct_forcing",
    "matches_covariate",
    "open_file",
    "open_sites",
    "require_units",
    "validate_maps",
    "validate_posterior",
    "validate_sites",
    "without_forcing",
]

_LOG: Final = logging.getLogger(__name__)

N_LAYERS: Final = 20
N_MONTHS: Final = 12
COVARIATE_PREFIX: Final = "cov_"

INPUT_VARIABLES: Final = ("CWD_INPUT", "LITR1_INPUT", "LITR2_INPUT", "LITR3_INPUT")
"""Column totals of carbon input by pool, gC m-2 month-1."""

FORCING_DIMENSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "TSOI": ("site", "month", "layer"),
    "W_SCALAR": ("site", "month", "layer"),
    "O_SCALAR": ("site", "month", "layer"),
    "FPI_vr": ("site", "month", "layer"),
    "ALTMAX": ("site", "month"),
    "ALTMAX_LASTYEAR": ("site", "month"),
    "nbedrock": ("site",),
    "CELLSAND": ("site", "layer"),
    **dict.fromkeys(INPUT_VARIABLES, ("site", "month")),
}
"""Forcing of a sites dataset: CLM name -> dimensions. Units: K, 1, 1, 1, m, m, 1, percent, gC m-2 month-1."""

MODEL_FORCING: Final = tuple(name for name in FORCING_DIMENSIONS if name != "CELLSAND")
"""Forcing that the published model reads; sand has no effect in it."""
_CHUNK_CACHE: Final = 4 << 20
"""Bytes a variable; netCDF's own default of 64 MiB would hold most of a file."""

_UNITS: Final[Mapping[str, str]] = {
    "TSOI": "K",
    **dict.fromkeys(("W_SCALAR", "O_SCALAR", "FPI_vr"), "1"),
    **dict.fromkeys(("ALTMAX", "ALTMAX_LASTYEAR", "soc_depth", "soc_top", "soc_bottom"), "m"),
    "CELLSAND": "percent",
    **dict.fromkeys(INPUT_VARIABLES, "gC m-2 month-1"),
    **dict.fromkeys(("soc", "soc_sd"), "gC m-3"),
}
"""Of a sites dataset. A variable without the attribute is taken to be in them."""

_OBSERVATIONS: Final = ("soc", "soc_depth", "soc_top", "soc_bottom", "soc_sd", "soc_flag")


def open_file(path: str | Path, *, load: bool = True) -> xr.Dataset:
    """Open a netCDF file.

    Parameters
    ----------
    path : Path
    load : bool
        Whether to read the whole file now and close it; otherwise values are read on demand, for
        files larger than memory.

    Raises
    ------
    FileError
        If the file is missing or cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise FileError(f"{path} does not exist")
    _LOG.info("reads %s", path)
    try:
        if not load:
            return _open_with_small_caches(path)
        with xr.open_dataset(path, engine="netcdf4", decode_timedelta=False) as dataset:
            return dataset.load()
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        raise FileError(f"{path} cannot be read as netCDF: {error}") from error


def _open_with_small_caches(path: Path) -> xr.Dataset:
    """Open a file without keeping what is read, neither here nor in the netCDF library."""
    usual = netCDF4.get_chunk_cache()
    netCDF4.set_chunk_cache(_CHUNK_CACHE)
    try:
        return xr.open_dataset(path, engine="netcdf4", decode_timedelta=False, cache=False)
    finally:
        netCDF4.set_chunk_cache(*usual)


def open_sites(path: str | Path, *, load: bool = True) -> xr.Dataset:
    """Open a sites file and bring it into the schema.

    Layer and observation dimensions may have any name; `nbedrock` and `CELLSAND` may carry a month.
    `load` is that of `open_file`.

    Raises
    ------
    FileError, ProfileError
        If the file cannot be read or does not hold what a sites file must.
    """
    sites = _with_schema_dimensions(open_file(path, load=load), str(path))
    if "month" in sites.get("nbedrock", xr.DataArray()).dims:
        sites["nbedrock"] = _constant_over_month(sites["nbedrock"], str(path))
    if "month" in sites.get("CELLSAND", xr.DataArray()).dims:
        sites["CELLSAND"] = sites["CELLSAND"].mean("month", keep_attrs=True)
    return validate_sites(sites, str(path))


def validate_sites(sites: xr.Dataset, where: str = "sites") -> xr.Dataset:
    """Return the dataset if it meets the sites schema.

    Raises
    ------
    ProfileError
        Naming what is missing, has the wrong dimensions or says that it is in another unit.
    """
    _require(sites, (*FORCING_DIMENSIONS, "lon", "lat", "soc"), where)
    for name, dimensions in FORCING_DIMENSIONS.items():
        if sites[name].dims != dimensions:
            raise ProfileError(
                f"{where}: {name} has dimensions {sites[name].dims}; it must be {dimensions}"
            )
    for dimension, size in (("month", N_MONTHS), ("layer", N_LAYERS)):
        if sites.sizes[dimension] != size:
            raise ProfileError(
                f"{where}: dimension {dimension} is {sites.sizes[dimension]}; it must be {size}"
            )
    if "soc_depth" not in sites and not {"soc_top", "soc_bottom"} <= set(sites):
        raise ProfileError(
            f"{where}: soc_depth, or soc_top and soc_bottom (m), must say where soc was measured"
        )
    require_units(sites, _UNITS, where)
    return sites


def require_units(dataset: xr.Dataset, units: Mapping[str, str], where: str) -> None:
    """Refuse a variable that says that it is in another unit; one that says nothing is taken to be in it.

    Parameters
    ----------
    dataset : xarray.Dataset
    units : mapping of str to str
        Variable, which may be absent, to canonical unit.
    where : str
        File, for the message.

    Raises
    ------
    ProfileError
    """
    for name, unit in units.items():
        found = dataset[name].attrs.get("units") if name in dataset else None
        if found is not None and canonical_unit(str(found)) != unit:
            raise ProfileError(
                f"{where}: {name} is in '{found}'; it must be in '{unit}'; convert the values and the "
                "attribute `units` together"
            )


def covariate_names(dataset: xr.Dataset) -> list[str]:
    """Names of the covariates of a sites or grid dataset, sorted."""
    return sorted(str(name) for name in dataset.data_vars if str(name).startswith(COVARIATE_PREFIX))


def matches_covariate(name: str, patterns: Sequence[str]) -> bool:
    """Whether a shell pattern matches a covariate's name, with or without its prefix `cov_`."""
    names = (name, name.removeprefix(COVARIATE_PREFIX))
    return any(fnmatchcase(each, pattern) for each in names for pattern in patterns)


def without_forcing(sites: xr.Dataset) -> NDArray[np.bool_]:
    """Sites where some forcing of the published model is missing; shape (site,)."""
    missing = np.zeros(sites.sizes["site"], dtype=bool)
    for name in MODEL_FORCING:
        values = sites[name].transpose("site", ...).values.reshape(len(missing), -1)
        missing |= ~np.isfinite(values).all(axis=1)
    return missing


def distinct_forcing(
    sites: xr.Dataset, variables: Collection[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the sites that differ in their forcing: profiles of one grid cell share it.

    Parameters
    ----------
    sites : xarray.Dataset
        The sites schema, without gaps in these variables.
    variables : collection of str
        Forcing that matters.

    Returns
    -------
    first : ndarray of int, shape (distinct,)
        A site of each kind.
    kind : ndarray of int, shape (site,)
        Which of them each site is like.
    """
    rows = [
        sites[name].transpose("site", ...).values.reshape(sites.sizes["site"], -1)
        for name in variables
    ]
    _, first, kind = np.unique(np.hstack(rows), axis=0, return_index=True, return_inverse=True)
    return first, kind


def validate_posterior(posterior: xr.Dataset, where: str = "posterior") -> xr.Dataset:
    """Return the dataset if it meets the posterior schema.

    Dimensions `site, parameter`; `mean`, `sd`, `best` (site, parameter) in the registry's units;
    `rhat`, `ess_bulk`, `ess_tail` (site, parameter); `converged` (site), 0 or 1; coordinate
    `parameter` holds the registry's names in its order.

    Raises
    ------
    ProfileError
    """
    _require(posterior, ("mean", "sd", "best", "converged", "parameter"), where)
    if tuple(str(name) for name in posterior["parameter"].values) != PARAMETER_NAMES:
        raise ProfileError(
            f"{where}: the coordinate `parameter` is not the registry's list of parameters"
        )
    return posterior


def validate_maps(maps: xr.Dataset, where: str = "parameter maps") -> xr.Dataset:
    """Return the dataset if it meets the schema of parameter maps.

    Dimensions `lat, lon` (or `cell`); one variable per parameter, by the registry's name, with
    `units`, `valid_min`, `valid_max`; optionally `<name>_sd`; `extrapolated` (0 or 1); global
    attribute `turnover_time_convention`.

    Raises
    ------
    ProfileError
    """
    _require(maps, PARAMETER_NAMES, where)
    if "turnover_time_convention" not in maps.attrs:
        raise ProfileError(f"{where}: the global attribute turnover_time_convention is missing")
    return maps


def _require(dataset: xr.Dataset, names: tuple[str, ...], where: str) -> None:
    missing = [name for name in names if name not in dataset.variables]
    if missing:
        raise ProfileError(f"{where}: missing {', '.join(missing)}")


def _with_schema_dimensions(sites: xr.Dataset, where: str) -> xr.Dataset:
    _require(sites, ("TSOI", "soc"), where)
    forcing_dims, observation_dims = sites["TSOI"].dims, sites["soc"].dims
    if (
        len(forcing_dims) != 3
        or len(observation_dims) != 2
        or forcing_dims[0] != observation_dims[0]
    ):
        raise ProfileError(
            f"{where}: TSOI must be (site, month, layer) and soc (site, obs), "
            f"found {forcing_dims} and {observation_dims}"
        )
    wanted: dict[Hashable, str] = {
        forcing_dims[0]: "site",
        observation_dims[1]: "obs",
        forcing_dims[1]: "month",
        forcing_dims[2]: "layer",
    }
    return sites.rename({old: new for old, new in wanted.items() if old != new})


def _constant_over_month(nbedrock: xr.DataArray, where: str) -> xr.DataArray:
    values = nbedrock.values
    if not np.array_equal(values, np.broadcast_to(values[:, :1], values.shape), equal_nan=True):
        raise ProfileError(f"{where}: nbedrock varies over the months; bedrock does not")
    return nbedrock.isel(month=0, drop=True)
