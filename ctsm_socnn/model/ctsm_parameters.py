"""Parameters of CTSM's own soil decomposition, with CTSM's names, and its switches.

Two generations are known: release-clm5.0 and ctsm5.4. A parameter file of either is read by the
names that generation uses; what it takes from the namelist is an argument here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Final, NoReturn

import netCDF4
import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import FileError, KernelError
from ctsm_socnn.netcdf_reading import open_netcdf

__all__ = ["CtsmParameters", "CtsmSwitches", "CtsmVersion"]


class CtsmVersion(StrEnum):
    """Generation of the model whose behaviour a scheme follows."""

    CLM50 = "clm5.0"
    """release-clm5.0: turnover times and diffusivities are literals in the source."""
    CTSM54 = "ctsm5.4"
    """ctsm5.4 (the same from ctsm5.1.dev074 on): all of them come from the parameter file."""

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        raise KernelError(f"unknown CTSM version {value!r}; choose from {', '.join(cls)}")


_VERSION_CODES: Final[Mapping[CtsmVersion, int]] = {CtsmVersion.CLM50: 50, CtsmVersion.CTSM54: 54}

_COMMON_NAMES: Final[Mapping[str, str]] = {
    "q10": "q10_mr",
    "froz_q10": "froz_q10",
    "minpsi_hr": "minpsi_hr",
    "maxpsi_hr": "maxpsi_hr",
    "mino2lim": "mino2lim",
    "cwd_flig": "cwd_flig",
    "tau_cwd": "tau_cwd",
    "som_diffus": "som_diffus",
    "cryoturb_diffusion_k": "cryoturb_diffusion_k",
    "max_altdepth_cryoturbation": "max_altdepth_cryoturbation",
}

_FRACTIONS: Final = ("l1s1", "l2s1", "l3s2", "s2s1", "s2s3", "s3s1")

_FILE_NAMES: Final[Mapping[CtsmVersion, Mapping[str, str]]] = {
    CtsmVersion.CLM50: {
        **_COMMON_NAMES,
        **{f"tau_{pool}": f"tau_{pool}" for pool in ("l1", "l2_l3", "s1", "s2", "s3")},
        **{f"rf_{step}": f"rf_{step}_bgc" for step in (*_FRACTIONS, "cwdl2", "cwdl3")},
        **{f"cn_{pool}": f"cn_{pool}_bgc" for pool in ("s1", "s2", "s3")},
        "cwd_fcel": "cwd_fcel",
    },
    CtsmVersion.CTSM54: {
        **_COMMON_NAMES,
        **{f"tau_{pool}": f"bgc_tau_{pool}" for pool in ("l1", "l2_l3", "s1", "s2", "s3")},
        **{f"rf_{step}": f"bgc_rf_{step}" for step in (*_FRACTIONS, "cwdl3")},
        **{f"cn_{pool}": f"bgc_cn_{pool}" for pool in ("s1", "s2", "s3")},
        "rf_cwdl2": "rf_cwdl2",
        "cwd_fcel": "bgc_cwd_fcel",
        "decomp_depth_efolding": "decomp_depth_efolding",
    },
}
"""Field -> variable of the parameter file, where that generation reads it from there."""


@dataclass(frozen=True)
class CtsmParameters:
    """One set of CTSM soil-decomposition parameters; the defaults are those of CLM5.

    The turnover times belong to CTSM's normalised temperature function (see
    `TurnoverConvention.CENTURY_NORMALISED`). Field order is that of the kernel's
    `ctsm_parameter_set`.

    Attributes
    ----------
    tau_l1, tau_l2_l3, tau_s1, tau_s2, tau_s3, tau_cwd : float, yr
        Turnover times. clm5.0 uses its own literals for the rates and these only for the spin-up
        factors of CWD, S2 and S3.
    rf_l1s1, rf_l2s1, rf_l3s2, rf_s2s1, rf_s2s3, rf_s3s1, rf_cwdl2, rf_cwdl3 : float, 1
        Respired fractions.
    cwd_fcel, cwd_flig : float, 1
        Cellulose and lignin fractions of woody debris; what is missing to 1 is not decomposed.
    q10, froz_q10 : float, 1
    minpsi_hr, maxpsi_hr : float, MPa
    mino2lim : float, 1
    decomp_depth_efolding : float, m
    som_diffus, cryoturb_diffusion_k : float, m2 s-1
        clm5.0 uses its own literals.
    max_altdepth_cryoturbation, max_depth_cryoturb : float, m
    som_adv_flux : float, m s-1
    cn_s1, cn_s2, cn_s3 : float, gC gN-1
    days_per_year : float, day
        clm5.0: 365 or 366 of the current year; ctsm5.4: the calendar's average.
    """

    tau_l1: float = 0.0540540553629398346
    tau_l2_l3: float = 0.204081624746322632
    tau_s1: float = 0.136986300349235535
    tau_s2: float = 5.0
    tau_s3: float = 222.222229003906250
    tau_cwd: float = 3.33333325386047363
    rf_l1s1: float = 0.55
    rf_l2s1: float = 0.5
    rf_l3s2: float = 0.5
    rf_s2s1: float = 0.55
    rf_s2s3: float = 0.55
    rf_s3s1: float = 0.55
    rf_cwdl2: float = 0.0
    rf_cwdl3: float = 0.0
    cwd_fcel: float = 0.76
    cwd_flig: float = 0.24
    q10: float = 1.5
    froz_q10: float = 1.5
    minpsi_hr: float = -2.0
    maxpsi_hr: float = -0.002
    mino2lim: float = 0.2
    decomp_depth_efolding: float = 10.0
    som_diffus: float = 1.0e-4 / (86400.0 * 365.0)
    cryoturb_diffusion_k: float = 5.0e-4 / (86400.0 * 365.0)
    max_altdepth_cryoturbation: float = 2.0
    max_depth_cryoturb: float = 3.0
    som_adv_flux: float = 0.0
    cn_s1: float = 8.0
    cn_s2: float = 11.0
    cn_s3: float = 11.0
    days_per_year: float = 365.0

    def __post_init__(self) -> None:
        """Refuse values outside the model's domain."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not np.isfinite(value):
                raise KernelError(f"parameter {field.name} is {value}; it must be finite")
        self._require_positive()
        self._require_fractions()
        if not self.minpsi_hr < self.maxpsi_hr < 0.0:
            raise KernelError(
                f"minpsi_hr = {self.minpsi_hr} and maxpsi_hr = {self.maxpsi_hr} MPa; "
                "they must satisfy minpsi_hr < maxpsi_hr < 0"
            )

    def _require_positive(self) -> None:
        names = (
            "tau_l1 tau_l2_l3 tau_s1 tau_s2 tau_s3 tau_cwd q10 froz_q10 decomp_depth_efolding "
            "max_depth_cryoturb cn_s1 cn_s2 cn_s3 days_per_year"
        )
        for name in names.split():
            if getattr(self, name) <= 0.0:
                raise KernelError(f"parameter {name} is {getattr(self, name)}; it must be positive")
        for name in ("som_diffus", "cryoturb_diffusion_k", "max_altdepth_cryoturbation"):
            if getattr(self, name) < 0.0:
                raise KernelError(
                    f"parameter {name} is {getattr(self, name)}; it must not be negative"
                )

    def _require_fractions(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            is_fraction = field.name.startswith(("rf_", "cwd_f")) or field.name == "mino2lim"
            if is_fraction and not 0.0 <= value <= 1.0:
                raise KernelError(f"parameter {field.name} is {value}; it must be from 0 to 1")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the parameters in the kernel's order."""
        return tuple(field.name for field in fields(cls))

    def vector(self) -> NDArray[np.float64]:
        """Values in the kernel's order, shape (31,)."""
        return np.array(astuple(self), dtype=np.float64)

    @classmethod
    def from_paramfile(
        cls, path: Path, version: CtsmVersion | str, **namelist: float
    ) -> CtsmParameters:
        """Parameters as a model of that generation would take them from a parameter file.

        Parameters
        ----------
        path : Path
            A CTSM parameter file (netCDF).
        version : CtsmVersion or str
            Which generation's names to read: `tau_s2` for clm5.0, `bgc_tau_s2` for ctsm5.4.
        **namelist : float
            What does not come from the file, by field name: max_depth_cryoturb, som_adv_flux,
            days_per_year, and for clm5.0 decomp_depth_efolding. Defaults are CLM5's.

        Raises
        ------
        FileError
            If the file cannot be read or lacks a parameter of that generation.
        KernelError
            If the version is unknown or a value is outside the model's domain.
        """
        names = _FILE_NAMES[CtsmVersion(version)]
        with open_netcdf(path) as dataset:
            values = {field: _scalar(dataset, name, path) for field, name in names.items()}
        return cls(**{**values, **namelist})


def _scalar(dataset: netCDF4.Dataset, name: str, path: Path) -> float:
    if name not in dataset.variables:
        raise FileError(
            f"{path} has no variable {name}; choose the CTSM version that the file was made for"
        )
    values = np.ma.filled(np.ma.asarray(dataset.variables[name][...], dtype=np.float64), np.nan)
    if values.size != 1:
        raise FileError(f"{path}: {name} has {values.size} values, must have one")
    return float(values.reshape(-1)[0])


@dataclass(frozen=True)
class CtsmSwitches:
    """Flags of the model; the defaults are those of a CLM5 BGC case without methane.

    Attributes
    ----------
    spinup : bool
        Accelerated decomposition (spinup_state 1 or 2, which act the same on soil carbon).
    use_lch4, anoxia : bool
        The oxygen scalar is computed only where both are true.
    anoxia_wtsat : bool
        Inundated part of the water and oxygen scalars; exists in clm5.0 only.
    normalize_q10_to_century_tfunc, use_century_tfunc : bool
        Not both: CTSM stops then.
    conservative : bool
        Close the lower boundary. The model itself (False) loses the carbon that diffuses into the
        level below bedrock during a step: from 1e-9 of the stock in five years (default
        parameters) to a quarter of it (spin-up over thin soil).
    """

    spinup: bool = False
    use_lch4: bool = False
    anoxia: bool = False
    anoxia_wtsat: bool = False
    normalize_q10_to_century_tfunc: bool = True
    use_century_tfunc: bool = False
    conservative: bool = False

    def __post_init__(self) -> None:
        """Refuse what CTSM refuses."""
        if self.use_century_tfunc and self.normalize_q10_to_century_tfunc:
            raise KernelError(
                "use_century_tfunc and normalize_q10_to_century_tfunc are both true; CTSM stops then, "
                "set one of them to False"
            )

    def codes(self, version: CtsmVersion) -> NDArray[np.int32]:
        """Integers for the kernel, shape (8,).

        Raises
        ------
        KernelError
            If the version does not have a switch that is set.
        """
        if self.anoxia_wtsat and version is not CtsmVersion.CLM50:
            raise KernelError(f"anoxia_wtsat is true, but {version} does not have it")
        return np.array([_VERSION_CODES[version], *astuple(self)], dtype=np.int32)
