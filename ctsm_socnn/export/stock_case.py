"""A CTSM case without SourceMods, offline at sites: its soil carbon as a function of the 21 parameters.

The equations are those of the version itself, and what it cannot take of the parameters stays at
CTSM's own value. So does q10, because CTSM has one variable for it and for the respiration of plants,
which would then give other litter than the forcing has. So a fit of this model finds the best that
the case can hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.export.readback import (
    case_climatology,
    default_namelist,
    effective_scalars,
    parameters_of_scalars,
    rooting_beta,
    scheme_of_scalars,
    unnormalised,
)
from ctsm_socnn.export.translation import WaterLimits, translate
from ctsm_socnn.model import (
    SOIL_POOLS,
    CtsmColumns,
    CtsmForcing,
    CtsmParameters,
    CtsmScheme,
    mean_steady_state,
)
from ctsm_socnn.model.ctsm_sensitivity import steady_state_gradient
from ctsm_socnn.parameters import (
    PARAMETER_NAMES,
    TYPICAL_SAND,
    TurnoverConvention,
    lower_bounds,
    upper_bounds,
)
from ctsm_socnn.parameters.ctsm_routes import ROUTES, closed_in
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, resolve_version
from ctsm_socnn.schemas import FORCING_DIMENSIONS, distinct_forcing

__all__ = ["StockCase"]

Array = NDArray[np.float64]

_MARGIN: Final = 5e-4
_SHALLOWEST: Final = 0.05
"""m. With a shorter e-folding depth nothing decomposes at depth, and there is no steady state."""
_LEAST: Final = np.where(lower_bounds() == 0.0, _MARGIN * upper_bounds(), 0.0)
_LEAST[PARAMETER_NAMES.index("efolding")] = _SHALLOWEST
_MOST: Final = np.array([1.0 - _MARGIN if name[0] == "f" else np.inf for name in PARAMETER_NAMES])
"""CTSM would divide by zeros, and fractions end at 1."""
_COLUMNS_WORTH_THREADS: Final = 200
"""Below, starting threads takes longer than what they save."""
_STEP: Final = 1e-6
"""Share of the published range over which the translation, which has kinks, is differentiated."""


@dataclass(frozen=True)
class StockCase:
    """Steady soil carbon of an unmodified case at sites, as a function of its scalars.

    Parameters are in the registry's order and units, turnover times unnormalised.

    Attributes
    ----------
    version : CtsmVersion
    paramfile : Path
        That the case uses now.
    scalars : mapping of item key to value
        What CTSM takes from it, from the namelist and from its own code.
    beta : float
        Of the rooting profile.
    columns, forcing : CtsmColumns, CtsmForcing
        Of the columns that differ: sites in one cell share theirs.
    column : ndarray of int, shape (site,)
        Which of them each site has.
    """

    version: CtsmVersion
    paramfile: Path
    scalars: Mapping[str, float]
    beta: float
    columns: CtsmColumns
    forcing: CtsmForcing
    column: NDArray[np.int64]

    @classmethod
    def at_sites(
        cls, sites: xr.Dataset, paramfile: str | Path, version: CtsmVersion | str
    ) -> StockCase:
        """Make the case at sites that have all their forcing.

        Parameters
        ----------
        sites : xarray.Dataset
            The sites schema. Where sand is not known it is `TYPICAL_SAND`.
        paramfile : str or Path
            That the case uses now; the water scalar of the forcing belongs to it.
        version : CtsmVersion or str

        Raises
        ------
        FileError, ExportError
            If the paramfile cannot be read or does not belong to the version.
        KernelError
            If the forcing is impossible.
        VersionError
            If the version is unknown.
        """
        paramfile = Path(paramfile)
        version = resolve_version(version)
        scalars = effective_scalars(paramfile, version, default_namelist(version))
        sites = sites.assign(CELLSAND=sites["CELLSAND"].fillna(TYPICAL_SAND))
        first, column = distinct_forcing(sites, FORCING_DIMENSIONS)
        columns, forcing = case_climatology(
            sites.isel(site=first), paramfile, WaterLimits.of_scalars(scalars)
        )
        beta = rooting_beta(paramfile)
        return cls(version, paramfile, scalars, beta, columns, forcing, column)

    @property
    def name(self) -> str:
        """What the case is, for the results of a fit."""
        return f"CTSM {self.version.name} as released, with {self.paramfile.name}"

    @property
    def held(self) -> tuple[str, ...]:
        """Parameters that stay at the case's own value: q10, and what the version does not read."""
        closed = closed_in(self.version)
        return tuple(name for name in PARAMETER_NAMES if name in closed or name == "q10")

    def taken(self, parameters: ArrayLike) -> Array:
        """Say what the case makes of parameters: those held, cut or converted as CTSM has them.

        Where CTSM's value follows from sand, it is that of `TYPICAL_SAND`.

        Parameters
        ----------
        parameters : array_like, shape (..., parameter)
        """
        asked = np.asarray(parameters, dtype=np.float64)
        rows = [self._parameters(row) for row in asked.reshape(-1, asked.shape[-1])]
        return np.array(rows).reshape(asked.shape)

    def soil_carbon_as_it_is(self) -> Array:
        """Soil carbon by layer, gC m-3, shape (site, 20), with the paramfile that the case uses now."""
        scheme = scheme_of_scalars(self.version, [self.scalars])
        return mean_steady_state(scheme, self.columns, self.forcing).soc[self.column]

    def soil_carbon(self, parameters: Array) -> Array:
        """Soil carbon by layer, gC m-3, shape (site, 20), of parameters (site or 1, parameter)."""
        vectors, vector = np.unique(parameters, axis=0, return_inverse=True)
        alike, run = np.unique(self.column * len(vectors) + vector, return_inverse=True)
        column, vector = np.divmod(alike, len(vectors))
        columns, forcing = self._world(column, vector)
        scheme, threads = self._scheme(vectors), _threads(columns)
        return mean_steady_state(scheme, columns, forcing, threads=threads).soc[run]

    def vjp(self, parameters: Array, soc_bar: Array) -> Array:
        """Gradient of sum(soc_bar * SOC) by the parameters of each site, shape (site, parameter)."""
        vectors, vector = np.unique(parameters, axis=0, return_inverse=True)
        gradient = self._gradient(vectors, self.column, vector, soc_bar)
        slopes = np.stack([self._slopes(each) for each in vectors])
        return np.asarray(np.einsum("si,sip->sp", gradient, slopes[vector]))

    def vjp_of_all(self, vector: Array, soc_bar: Array) -> Array:
        """Gradient of sum(soc_bar * SOC) by one vector at all sites, shape (parameter,)."""
        n = len(self.columns)
        bar = np.zeros((n, soc_bar.shape[1]))
        np.add.at(bar, self.column, soc_bar)
        gradient = self._gradient(
            vector[np.newaxis], np.arange(n), np.zeros(n, dtype=np.int64), bar
        )
        return np.asarray(gradient.sum(axis=0) @ self._slopes(vector))

    def _gradient(
        self,
        vectors: Array,
        column: NDArray[np.int64],
        vector: NDArray[np.int64],
        soc_bar: Array,
    ) -> Array:
        """Gradient by CTSM's own parameters, shape (row, 31)."""
        bar = np.zeros((len(column), *self.forcing.inputs.shape[2:]))
        bar[:, SOIL_POOLS] = soc_bar[:, np.newaxis]
        columns, forcing = self._world(column, vector)
        scheme, threads = self._scheme(vectors), _threads(columns)
        return steady_state_gradient(scheme, columns, forcing, bar, threads=threads).parameters

    def _world(
        self, column: NDArray[np.int64], vector: NDArray[np.int64]
    ) -> tuple[CtsmColumns, CtsmForcing]:
        columns = replace(self.columns.take(column), parameter_set=vector.astype(np.int32))
        return columns, self.forcing.take(column)

    def _scheme(self, vectors: Array) -> CtsmScheme:
        return scheme_of_scalars(self.version, [self._scalars(vector) for vector in vectors])

    @property
    def _water(self) -> WaterLimits:
        return WaterLimits.of_scalars(self.scalars)

    def _scalars(self, vector: Array) -> dict[str, float]:
        """CTSM's scalars with the parameters on the paramfile."""
        values = np.clip(vector, _LEAST, _MOST)
        values[PARAMETER_NAMES.index("q10")] = self.scalars["q10"]
        convention = TurnoverConvention.UNNORMALISED
        translated = translate(values, convention, self.version, self._water)
        return {**self.scalars, **translated.scalars}

    def _parameters(self, vector: Array) -> Array:
        scalars = self._scalars(vector)
        values = parameters_of_scalars(
            scalars,
            beta=self.beta,
            sand_percent=[TYPICAL_SAND],
            water=self._water,
            where=str(self.paramfile),
        )
        return np.asarray(unnormalised(values, TurnoverConvention.CENTURY_NORMALISED)[0])

    def _slopes(self, vector: Array) -> Array:
        """Differentiate CTSM's parameters (31) by the registry's (21), by central differences.

        What carries a parameter carries no other one but w_scaling: two differences say it all.
        """
        steps = _STEP * (upper_bounds() - lower_bounds())
        names = CtsmParameters.names()
        slopes = np.zeros((len(names), len(steps)))
        free = ~np.isin(PARAMETER_NAMES, self.held)
        of_water = np.array(PARAMETER_NAMES) == "w_scaling"
        for moved in (free & of_water, free & ~of_water):
            above, below = (
                self._scalars(vector + steps * moved),
                self._scalars(vector - steps * moved),
            )
            for place in np.flatnonzero(moved):
                for item in ROUTES[place].items:
                    change = above[item] - below[item]
                    slopes[names.index(item), place] = change / (2.0 * steps[place])
        return slopes


def _threads(columns: CtsmColumns) -> int | None:
    return 1 if len(columns) < _COLUMNS_WORTH_THREADS else None
