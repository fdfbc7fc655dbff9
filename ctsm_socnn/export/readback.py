"""The 21 parameters that a CTSM case really uses, read back from its paramfile.

What CTSM fixes in its code appears here with CTSM's value: fs1s2 and fs1s3 by sand, and the decay
of the input with depth by the rooting profile of the paramfile. The turnover times are CTSM's, in
the convention `century_normalised`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.errors import ExportError
from ctsm_socnn.export.paramfile import read_scalars
from ctsm_socnn.export.translation import RESPIRED_ITEMS, WaterLimits
from ctsm_socnn.model import CtsmParameters, CtsmScheme, CtsmSwitches
from ctsm_socnn.netcdf_reading import open_netcdf
from ctsm_socnn.parameters import PARAMETER_NAMES, clm5_defaults
from ctsm_socnn.parameters.ctsm_routes import (
    S2_TO_S1_SHARE,
    S2_TO_S3_SHARE,
    SECONDS_PER_YEAR,
    TURNOVER_ITEMS,
)
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, Place

__all__ = ["effective_parameters", "effective_scalars", "effective_scheme"]

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

    It takes the oxygen scalar as it is given.

    Raises
    ------
    FileError, ExportError
        If the paramfile cannot be read or does not belong to the version.
    """
    generation = "clm5.0" if version.item("tau_s1").place is Place.LITERAL else "ctsm5.4"
    scalars = effective_scalars(paramfile, version, namelist) | {"mino2lim": 0.0}
    switches = CtsmSwitches(use_lch4=True, anoxia=True)
    return CtsmScheme.of(generation, CtsmParameters(**scalars), switches)


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
    scalars = effective_scalars(paramfile, version, namelist)
    by_site = clm5_defaults(sand_percent)
    numbers = {
        "diffus": scalars["som_diffus"] * SECONDS_PER_YEAR,
        "cryo": scalars["cryoturb_diffusion_k"] * SECONDS_PER_YEAR,
        "q10": scalars["q10"],
        "efolding": scalars["decomp_depth_efolding"],
        "fs2s1": (1.0 - scalars["rf_s2s1"]) * S2_TO_S1_SHARE,
        "fs2s3": (1.0 - scalars["rf_s2s3"]) * S2_TO_S3_SHARE,
        "fcwdl2": scalars["cwd_fcel"],
        "w_scaling": _water_scaling(scalars, water, str(paramfile)),
        "beta": _rooting_beta(paramfile),
        **{name: scalars[item] for name, item in TURNOVER_ITEMS.items()},
        **{name: 1.0 - scalars[item] for name, item in RESPIRED_ITEMS.items()},
    }
    for name, value in numbers.items():
        by_site[:, PARAMETER_NAMES.index(name)] = value
    return by_site


def _water_scaling(scalars: dict[str, float], water: WaterLimits, where: str) -> float:
    if scalars["minpsi_hr"] != water.minpsi:
        raise ExportError(
            f"{where}: minpsi_hr = {scalars['minpsi_hr']:g}, but the water scalar was made with "
            f"{water.minpsi:g} MPa; no factor turns one into the other"
        )
    return float(np.log(water.minpsi / water.maxpsi) / np.log(water.minpsi / scalars["maxpsi_hr"]))


def _rooting_beta(paramfile: Path) -> float:
    """Median over natural plants of the profile by which CTSM puts root litter into the soil."""
    with open_netcdf(paramfile) as dataset:
        if "rootprof_beta" not in dataset.variables:
            raise ExportError(f"{paramfile}: variable rootprof_beta is missing")
        values = np.ma.masked_invalid(dataset["rootprof_beta"][_CARBON_VARIANT, _NATURAL_PLANTS])
    used = np.asarray(values.compressed())
    used = used[(used > 0.0) & (used < 1.0)]
    if used.size == 0:
        raise ExportError(f"{paramfile}: rootprof_beta holds no profile of a plant type")
    return float(np.median(used))
