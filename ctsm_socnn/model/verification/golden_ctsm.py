"""Reference numbers of the real CTSM code, release-clm5.0 and ctsm5.4: reading the files.

The file form: fourteen experiments, each one set of parameters and switches, and sixteen columns;
three columns of each run for years. Pools stand in the model's own order, which differs between
the generations; here they are brought into the kernel's order by their names.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.model.ctsm_forcing import CTSM_POOLS, CtsmColumns, CtsmForcing
from ctsm_socnn.model.ctsm_parameters import CtsmParameters, CtsmSwitches, CtsmVersion
from ctsm_socnn.model.ctsm_scheme import CtsmScheme

__all__ = ["GoldenCtsm"]

Array = NDArray[np.float64]

_PARAMETER_NAMES: Final = {
    "q10": "Q10",
    "minpsi_hr": "minpsi",
    "maxpsi_hr": "maxpsi",
    "decomp_depth_efolding": "efold",
    "cryoturb_diffusion_k": "cryok",
    "max_altdepth_cryoturbation": "max_altdepth",
}
"""Field of CtsmParameters -> name after `param_` where the two differ."""

YEARS: Final = 5
FIRST_DAY_OF_HALF_HOURS: Final = 150
DAYS_OF_HALF_HOURS: Final = 30


class GoldenCtsm:
    """One reference file.

    Parameters
    ----------
    dataset : xarray.Dataset
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._values = {
            str(name): np.asarray(variable.values, dtype=np.float64)
            for name, variable in dataset.variables.items()
        }
        self._tag = str(dataset.attrs["ctsm_tag"])
        names = re.findall(r"\d+=(\w+)", str(dataset.attrs["pool_names"]))
        self._pool_order = [names.index(pool) for pool in CTSM_POOLS]

    def __contains__(self, name: str) -> bool:
        return name in self._values

    @cached_property
    def version(self) -> CtsmVersion:
        """Generation of the model that made the file."""
        return CtsmVersion.CLM50 if "clm5.0" in self._tag else CtsmVersion.CTSM54

    @property
    def experiments(self) -> range:
        """Indices of the experiments."""
        return range(len(self._values["t_scalar"]))

    def grid(self, name: str) -> Array:
        """Return `zsoi`, `dzsoi` or `zisoi` of all levels, those in rock included (m)."""
        return self._values[name]

    def value(self, name: str, experiment: int) -> Array:
        """Return one experiment's part of a variable."""
        values: Array = self._values[name][experiment]
        return values

    def pools(self, name: str, experiment: int, axis: int = -2) -> Array:
        """Return the same with the pools in the kernel's order."""
        return np.take(self.value(name, experiment), self._pool_order, axis=axis)

    def mobile_pools(self, name: str, experiment: int) -> Array:
        """Return a variable that leaves out woody debris, with the pools L1 to S3."""
        woody, *others = self._pool_order
        order = [index - (index > woody) for index in others]
        return self.value(name, experiment)[:, order]

    def steps(self, name: str) -> NDArray[np.int_]:
        """Return step numbers of the saves of a long run, `daily` or `hhour`."""
        return self._values[f"save_step_{name}"].astype(np.int_)

    def scheme(self, experiment: int) -> CtsmScheme:
        """Return parameters and switches of an experiment."""

        def flag(name: str) -> bool:
            variable = f"flag_{name}"
            return variable in self and bool(self.value(variable, experiment)[0])

        parameters = CtsmParameters(
            **{
                name: float(self.value(f"param_{_PARAMETER_NAMES.get(name, name)}", experiment)[0])
                for name in CtsmParameters.names()
            }
        )
        switches = CtsmSwitches(
            spinup=flag("spinup_state"),
            use_lch4=flag("use_lch4"),
            anoxia=flag("anoxia"),
            anoxia_wtsat=flag("anoxia_wtsat"),
            normalize_q10_to_century_tfunc=flag("normalize_q10_to_century"),
            use_century_tfunc=flag("use_century_tfunc"),
        )
        return CtsmScheme.of(self.version, parameters, switches)

    def columns(
        self, experiment: int, *, with_nitrogen: bool = False, prefix: str = ""
    ) -> CtsmColumns:
        """Return columns of an experiment; `prefix` is `lr_` for those of the long runs."""
        name = f"{prefix}cn_pool"
        return CtsmColumns.from_arrays(
            self.value(f"{prefix}nbedrock", experiment),
            self.value(f"{prefix}cellsand", experiment),
            latitude=self.value(f"{prefix}latdeg", experiment),
            donor_cn=self.pools(name, experiment, axis=-1) if with_nitrogen else 0.0,
        )

    def forcing(self, experiment: int) -> CtsmForcing:
        """Return the one moment of forcing; inputs are those of the one-step test, 0 in the rest."""
        profile = self.pools("step1_input", experiment)
        inputs = np.zeros((self.value("nbedrock", experiment).size, *profile.shape[1:]))
        inputs[: len(profile)] = profile
        return CtsmForcing.from_arrays(
            self.value("t_soisno", experiment),
            self.value("soilpsi", experiment),
            fpi=self.value("fpi_vr", experiment),
            inputs=inputs,
            altmax=self.value("altmax", experiment),
            altmax_lastyear=self.value("altmax_lastyear", experiment),
            oxygen_unsaturated=self.value("o2stress_unsat", experiment),
            oxygen_saturated=self._clm50_only("o2stress_sat", experiment, 1.0),
            inundated_fraction=self._clm50_only("finundated", experiment, 0.0),
        )

    def daily_forcing(self, experiment: int) -> CtsmForcing:
        """Return five years of daily records: one year repeated, with each year's own active layer."""
        thaw = self.value("lr_altmax", experiment).T
        return self._long_forcing(
            experiment,
            slice(None),
            YEARS,
            altmax=np.repeat(thaw[1:], 365, axis=0),
            altmax_lastyear=np.repeat(thaw[:-1], 365, axis=0),
        )

    def half_hourly_forcing(self, experiment: int) -> CtsmForcing:
        """Return thirty daily records of the first year, each for 48 half-hour steps."""
        thaw = self.value("lr_altmax", experiment).T
        first = FIRST_DAY_OF_HALF_HOURS - 1
        return self._long_forcing(
            experiment,
            slice(first, first + DAYS_OF_HALF_HOURS),
            1,
            altmax=thaw[1],
            altmax_lastyear=thaw[0],
        )

    def _long_forcing(
        self, experiment: int, days: slice, years: int, *, altmax: Array, altmax_lastyear: Array
    ) -> CtsmForcing:
        def daily(name: str) -> Array:
            one_year = np.swapaxes(self.value(name, experiment), 0, 1)[days]
            return np.concatenate([one_year] * years)

        season = daily("lr_input_season")
        return CtsmForcing.from_arrays(
            daily("lr_t_soisno"),
            daily("lr_soilpsi"),
            fpi=self.value("lr_fpi_vr", experiment),
            inputs=self.pools("lr_input_profile", experiment) * season[:, :, None, None],
            altmax=altmax,
            altmax_lastyear=altmax_lastyear,
            oxygen_unsaturated=self.value("lr_o2stress_unsat", experiment),
            oxygen_saturated=self._clm50_only("lr_o2stress_sat", experiment, 1.0),
            inundated_fraction=self._clm50_only("lr_finundated", experiment, 0.0),
        )

    def _clm50_only(self, name: str, experiment: int, otherwise: float) -> Array | float:
        return self.value(name, experiment) if name in self else otherwise
