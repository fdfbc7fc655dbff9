"""The 21 parameters that a CTSM case really uses, read from its paramfile.

What CTSM fixes in its code appears here with CTSM's value: fs1s2 and fs1s3 by sand, and the decay
of the input with depth by the rooting profile of the paramfile. The turnover times are CTSM's, in
the convention `century_normalised`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.errors import ExportError
from ctsm_socnn.export.paramfile import read_scalars
from ctsm_socnn.export.translation import RESPIRED_ITEMS, WaterLimits
from ctsm_socnn.model import (
    CtsmColumns,
    CtsmForcing,
    CtsmParameters,
    CtsmScheme,
    CtsmSwitches,
    site_climatology,
)
from ctsm_socnn.netcdf_reading import open_netcdf
from ctsm_socnn.parameters import (
    PARAMETER_NAMES,
    PARAMETERS,
    TurnoverConvention,
    clm5_defaults,
    convert_turnover_times,
    parameter,
)
from ctsm_socnn.parameters.ctsm_routes import (
    S2_TO_S1_SHARE,
    S2_TO_S3_SHARE,
    SECONDS_PER_YEAR,
    TURNOVER_ITEMS,
)
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, Place

__all__ = [
    "case_climatology",
    "default_namelist",
    "effective_parameters",
    "effective_scalars",
    "effective_scheme",
    "parameters_of_scalars",
    "root_shares",
    "rooting_beta",
    "scheme_of_scalars",
    "unnormalised",
]

_CARBON_VARIANT: Final = 1
"""Second variant of `rootprof_beta`: the rooting profile of carbon (namelist default)."""

_NATURAL_PLANTS: Final = slice(1, 15)

_LITERALS_5_0: Final[dict[str, float]] = {
    "som_diffus": 1e-4 / SECONDS_PER_YEAR,
    "cryoturb_diffusion_k": 5e-4 / SECONDS_PER_YEAR,
    "tau_cwd": float(np.float32(1.0) / np.float32(0.3)),
    "tau_l1": float(np.float32(1.0) / np.float32(18.5)),
    "tau_l2_l3": float(np.float32(1.0) / np.float32(4.9)),
    "tau_s1": float(np.float32(1.0) / np.float32(7.3)),
    "tau_s2": float(np.float32(1.0) / np.float32(0.2)),
    "tau_s3": float(np.float32(1.0) / np.float32(0.0045)),
}
"""What release-clm5.0 uses instead of its paramfile; the quotients are in single precision."""


def default_namelist(version: CtsmVersion) -> dict[str, float]:
    """Items that a version takes from its namelist, with the values that CTSM gives them itself."""
    efolding = "decomp_depth_efolding"
    from_namelist = {item.key for item in version.in_place(Place.NAMELIST)}
    return {efolding: parameter("efolding").default} if efolding in from_namelist else {}


def effective_scalars(
    paramfile: Path, version: CtsmVersion, namelist: dict[str, float]
) -> dict[str, float]:
    """CTSM's scalars, by item key, as a case uses them: paramfile, namelist and literals.

    Raises
    ------
    FileError, ExportError
        If the paramfile cannot be read or does not belong to the version.
    """
    literals = {
        key: value
        for key, value in _LITERALS_5_0.items()
        if version.item(key).place is Place.LITERAL
    }
    return read_scalars(paramfile, version) | namelist | literals


def effective_scheme(
    paramfile: Path, version: CtsmVersion, namelist: dict[str, float]
) -> CtsmScheme:
    """Scheme of the kernel with the scalars that a case of this version takes.

    Raises
    ------
    FileError, ExportError
        If the paramfile cannot be read or does not belong to the version.
    """
    return scheme_of_scalars(version, [effective_scalars(paramfile, version, namelist)])


def scheme_of_scalars(version: CtsmVersion, scalars: Iterable[Mapping[str, float]]) -> CtsmScheme:
    """Scheme of the kernel with sets of scalars by item key; it takes oxygen scalars as given."""
    generation = "clm5.0" if version.item("tau_s1").place is Place.LITERAL else "ctsm5.4"
    sets = [CtsmParameters(**{**values, "mino2lim": 0.0}) for values in scalars]
    return CtsmScheme.of(generation, sets, CtsmSwitches(use_lch4=True, anoxia=True))


def effective_parameters(
    paramfile: Path,
    version: CtsmVersion,
    *,
    sand_percent: ArrayLike,
    water: WaterLimits,
    namelist: dict[str, float],
) -> NDArray[np.float64]:
    """Parameters of the published model that mean what a case with this paramfile does.

    Parameters
    ----------
    paramfile : Path
    version : CtsmVersion
    sand_percent : array_like, shape (site,), percent
    water : WaterLimits
        To which the water scalar of the forcing belongs: those of the run that wrote it.
    namelist : dict
        Items of that version that are not on the paramfile (`Delivery.namelist`).

    Returns
    -------
    ndarray, shape (site, parameter), registry order and units; turnover times century-normalised

    Raises
    ------
    FileError, ExportError
        If the paramfile cannot be read or does not belong to the version.
    """
    return parameters_of_scalars(
        effective_scalars(paramfile, version, namelist),
        beta=rooting_beta(paramfile),
        sand_percent=sand_percent,
        water=water,
        where=str(paramfile),
    )


def parameters_of_scalars(
    scalars: Mapping[str, float],
    *,
    beta: float,
    sand_percent: ArrayLike,
    water: WaterLimits,
    where: str,
) -> NDArray[np.float64]:
    """Parameters of the published model that mean what CTSM does with these scalars.

    Parameters
    ----------
    scalars : mapping of item key to value
    beta : float
        Of CTSM's rooting profile (`rooting_beta`).
    sand_percent, water
        As `effective_parameters`.
    where : str
        For messages: the file that the scalars come from.

    Returns
    -------
    ndarray, shape (site, parameter), registry order and units; turnover times century-normalised

    Raises
    ------
    ExportError
        If the water scalar of the forcing belongs to another minpsi_hr.
    """
    by_site = clm5_defaults(sand_percent)
    numbers = {
        "diffus": scalars["som_diffus"] * SECONDS_PER_YEAR,
        "cryo": scalars["cryoturb_diffusion_k"] * SECONDS_PER_YEAR,
        "q10": scalars["q10"],
        "efolding": scalars["decomp_depth_efolding"],
        "fs2s1": (1.0 - scalars["rf_s2s1"]) * S2_TO_S1_SHARE,
        "fs2s3": (1.0 - scalars["rf_s2s3"]) * S2_TO_S3_SHARE,
        "fcwdl2": scalars["cwd_fcel"],
        "w_scaling": _water_scaling(scalars, water, where),
        "beta": beta,
        **{name: scalars[item] for name, item in TURNOVER_ITEMS.items()},
        **{name: 1.0 - scalars[item] for name, item in RESPIRED_ITEMS.items()},
    }
    for name, value in numbers.items():
        by_site[:, PARAMETER_NAMES.index(name)] = value
    return by_site


def _water_scaling(scalars: Mapping[str, float], water: WaterLimits, where: str) -> float:
    if scalars["minpsi_hr"] != water.minpsi:
        raise ExportError(
            f"{where}: minpsi_hr = {scalars['minpsi_hr']:g}, but the water scalar was made with "
            f"{water.minpsi:g} MPa; no factor turns one into the other"
        )
    return float(np.log(water.minpsi / water.maxpsi) / np.log(water.minpsi / scalars["maxpsi_hr"]))


def rooting_beta(paramfile: Path) -> float:
    """Median over natural plants of the profile by which CTSM puts root litter into the soil.

    Raises
    ------
    FileError, ExportError
        If the paramfile cannot be read or holds no such profile.
    """
    return _median_of_plants(paramfile, "rootprof_beta", (_CARBON_VARIANT,), below=1.0)


def root_shares(paramfile: Path) -> NDArray[np.float64]:
    """Shares of roots in a case's CWD and metabolic, cellulose and lignin litter, 1, shape (4,).

    They follow from the allocation to roots (`froot_leaf`, `croot_stem`), medians of natural
    plants; grass has no stems.

    Raises
    ------
    FileError, ExportError
        If the paramfile cannot be read or lacks one of the two variables.
    """
    fine, coarse = (_median_of_plants(paramfile, name) for name in ("froot_leaf", "croot_stem"))
    return np.array([coarse / (1.0 + coarse), *3 * [fine / (1.0 + fine)]])


def _median_of_plants(
    paramfile: Path, name: str, variant: tuple[int, ...] = (), *, below: float = np.inf
) -> float:
    """Median over the natural plants whose value lies between 0 and `below`."""
    with open_netcdf(paramfile) as dataset:
        if name not in dataset.variables:
            raise ExportError(f"{paramfile}: variable {name} is missing")
        values = np.ma.masked_invalid(dataset[name][(*variant, _NATURAL_PLANTS)]).compressed()
    used = values[(values > 0.0) & (values < below)]
    if used.size == 0:
        raise ExportError(f"{paramfile}: {name} holds no value of a plant type")
    return float(np.median(used.astype(np.float64)))


def case_climatology(
    sites: xr.Dataset, paramfile: Path, water: WaterLimits
) -> tuple[CtsmColumns, CtsmForcing]:
    """Columns and monthly forcing of sites, with litter spread as a case with this paramfile does.

    Parameters
    ----------
    sites : xarray.Dataset
        The sites schema, without gaps in the forcing.
    paramfile : Path
    water : WaterLimits
        Of the run that wrote the forcing's water scalar.

    Raises
    ------
    FileError, ExportError
        If the paramfile cannot be read or lacks a variable of plants.
    KernelError
        If the forcing is impossible.
    """
    return site_climatology(
        sites,
        beta=rooting_beta(paramfile),
        of_roots=root_shares(paramfile),
        made_with=CtsmParameters(minpsi_hr=water.minpsi, maxpsi_hr=water.maxpsi),
    )


def unnormalised(
    values: NDArray[np.float64], convention: TurnoverConvention
) -> NDArray[np.float64]:
    """Parameters with turnover times as the published model has them, shape (any, parameter)."""
    converted = values.copy()
    q10 = values[:, PARAMETER_NAMES.index("q10")]
    for i, known in enumerate(PARAMETERS):
        if known.is_turnover_time:
            converted[:, i] = convert_turnover_times(
                values[:, i], q10, source=convention, target=TurnoverConvention.UNNORMALISED
            )
    return converted
