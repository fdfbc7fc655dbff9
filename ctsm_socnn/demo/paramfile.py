"""CLM parameter files of the synthetic case, in the two forms that real ones have.

The soil-carbon scalars hold CLM5's values; the variables of plants are there so that a program
that writes a paramfile can be seen to leave them alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import netCDF4
import numpy as np

from ctsm_socnn.netcdf import atomic_output
from ctsm_socnn.parameters import century_normalisation, parameter
from ctsm_socnn.parameters.ctsm_routes import SECONDS_PER_YEAR

__all__ = ["write_paramfile_clm50", "write_paramfile_ctsm54"]

_PLANTS: Final = ("not_vegetated", "needleleaf_tree", "broadleaf_tree", "shrub", "grass", "crop")
_NAME_LENGTH: Final = 40
_N_POOLS: Final = 8


def _clm_turnover(name: str) -> float:
    """CLM5's turnover time (yr) in the convention of its paramfile."""
    normalisation = float(century_normalisation(parameter("q10").default))
    return parameter(name).default * normalisation


def _shared_scalars() -> dict[str, tuple[float, str]]:
    """Scalars whose names never changed: value and unit."""
    return {
        "som_diffus": (parameter("diffus").default / SECONDS_PER_YEAR, "m^2/sec"),
        "cryoturb_diffusion_k": (parameter("cryo").default / SECONDS_PER_YEAR, "m^2/sec"),
        "max_altdepth_cryoturbation": (2.0, "m"),
        "max_altmultiplier_cryoturb": (3.0, "unitless"),
        "q10_mr": (1.5, "unitless"),
        "q10_hr": (1.5, "unitless"),
        "froz_q10": (1.5, "unitless"),
        "minpsi_hr": (-2.0, "MPa"),
        "maxpsi_hr": (-0.002, "MPa"),
        "mino2lim": (0.2, "unitless"),
        "decomp_depth_efolding": (10.0, "m"),
        "cwd_flig": (0.24, "unitless"),
        "tau_cwd": (_clm_turnover("tau_cwd"), "year"),
    }


def _pool_scalars() -> dict[str, tuple[float, str]]:
    """Scalars of the CENTURY pools, by the name without prefix or suffix."""
    return {
        "tau_l1": (_clm_turnover("tau_l1"), "year"),
        "tau_l2_l3": (_clm_turnover("tau_l2"), "year"),
        "tau_s1": (_clm_turnover("tau_s1"), "year"),
        "tau_s2": (_clm_turnover("tau_s2"), "year"),
        "tau_s3": (_clm_turnover("tau_s3"), "year"),
        "rf_l1s1": (0.55, "unitless"),
        "rf_l2s1": (0.5, "unitless"),
        "rf_l3s2": (0.5, "unitless"),
        "rf_s2s1": (0.55, "unitless"),
        "rf_s2s3": (0.55, "unitless"),
        "rf_s3s1": (0.55, "unitless"),
        "rf_cwdl3": (0.0, "unitless"),
        "cn_s1": (8.0, "gC/gN"),
        "cn_s2": (11.0, "gC/gN"),
        "cn_s3": (11.0, "gC/gN"),
        "cwd_fcel": (0.76, "unitless"),
    }


def write_paramfile_clm50(path: Path) -> None:
    """Write the form of release-clm5.0: soil scalars have a dimension `allpfts` of length 1."""
    unchanged = ("tau_l1", "tau_l2_l3", "tau_s1", "tau_s2", "tau_s3", "cwd_fcel")
    pools = {
        name if name in unchanged else f"{name}_bgc": value
        for name, value in _pool_scalars().items()
    }
    scalars = _shared_scalars() | pools | {"rf_cwdl2_bgc": (0.0, "unitless")}
    with atomic_output(path) as temporary:
        _write(temporary, scalars, scalar_dimensions=("allpfts",))


def write_paramfile_ctsm54(path: Path) -> None:
    """Write the form of ctsm5.4: true scalars, the CENTURY pools with the prefix `bgc_`."""
    pools = {f"bgc_{name}": value for name, value in _pool_scalars().items()}
    scalars = _shared_scalars() | pools | {"rf_cwdl2": (0.0, "unitless")}
    with atomic_output(path) as temporary:
        _write(temporary, scalars, scalar_dimensions=())
        with netCDF4.Dataset(temporary, "a") as file:
            file.createDimension("ndecomp_pools_max", _N_POOLS)
            stocks = file.createVariable("bgc_initial_Cstocks", "f8", ("ndecomp_pools_max",))
            stocks[:] = np.array([0.0] * (_N_POOLS - 4) + [200.0] * 3 + [0.0])
            depth = file.createVariable("bgc_initial_Cstocks_depth", "f8", ())
            depth[...] = 1.5


def _write(
    path: Path, scalars: Mapping[str, tuple[float, str]], scalar_dimensions: tuple[str, ...]
) -> None:
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.title = "made-up CLM parameter file of the twin world"
        file.history = "written by ctsm-socnn demo"
        for name in scalar_dimensions:
            file.createDimension(name, 1)
        for name, (value, units) in scalars.items():
            dimensions = () if name == "mino2lim" else scalar_dimensions
            variable = file.createVariable(name, "f8", dimensions)
            variable.setncatts({"long_name": name.replace("_", " "), "units": units})
            variable[...] = value
        _write_plants(file)


def _write_plants(file: netCDF4.Dataset) -> None:
    file.createDimension("pft", len(_PLANTS))
    file.createDimension("string_length", _NAME_LENGTH)
    file.createDimension("variants", 2)
    names = file.createVariable("pftname", "S1", ("pft", "string_length"))
    padded = np.array([name.ljust(_NAME_LENGTH) for name in _PLANTS], dtype=f"S{_NAME_LENGTH}")
    names[:] = netCDF4.stringtochar(padded)
    roots = file.createVariable("rootprof_beta", "f8", ("variants", "pft"))
    roots.setncatts({"long_name": "Rooting beta parameter", "units": "unitless"})
    roots[:] = np.array([[0.976] * len(_PLANTS), [0.943] * len(_PLANTS)])
    for name, meaning, ratio in (
        ("froot_leaf", "New fine root C per new leaf C", 1.5),
        ("croot_stem", "New coarse root C per new stem C", 0.3),
    ):
        allocation = file.createVariable(name, "f8", ("pft",))
        allocation.setncatts({"long_name": meaning, "units": "gC/gC"})
        allocation[:] = np.array([0.0] + [ratio] * (len(_PLANTS) - 1))
    leaf = file.createVariable("leafcn", "f8", ("pft",), fill_value=-999.0)
    leaf.setncatts({"long_name": "Leaf C:N", "units": "gC/gN"})
    leaf[:] = np.ma.masked_equal([-999.0, 58.0, 24.0, 36.0, 27.0, 25.0], -999.0)
