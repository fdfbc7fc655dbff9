"""Models of soil carbon that can be fitted to all profiles together."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.model import Columns, soil_carbon, steady_state_vjp

__all__ = ["PublishedModel", "SoilModel"]

Array = NDArray[np.float64]

_COLUMNS_WORTH_THREADS: Final = 1000
"""Below, starting threads takes longer than what they save."""


class SoilModel(Protocol):
    """Steady soil carbon of sites as a function of the 21 parameters, in physical units."""

    @property
    def name(self) -> str:
        """What the model is, for the results."""
        ...

    @property
    def held(self) -> tuple[str, ...]:
        """Parameters that it does not take: they stay at values of its own."""
        ...

    def taken(self, parameters: Array) -> Array:
        """Say what the model makes of parameters, shape (..., parameter)."""
        ...

    def soil_carbon(self, parameters: Array) -> Array:
        """Soil carbon, gC m-3, shape (site, 20), of parameters (site or 1, parameter)."""
        ...

    def vjp(self, parameters: Array, soc_bar: Array) -> Array:
        """Gradient of sum(soc_bar * SOC) by the parameters of each site, shape (site, parameter)."""
        ...

    def vjp_of_all(self, vector: Array, soc_bar: Array) -> Array:
        """Gradient of sum(soc_bar * SOC) by one vector at all sites, shape (parameter,)."""
        ...


class PublishedModel:
    """The published 21-parameter model at sites; see `SoilModel`."""

    name: Final = "the published scheme"
    held: Final[tuple[str, ...]] = ()

    def __init__(self, sites: xr.Dataset) -> None:
        self._columns = Columns.from_sites(sites)
        self._threads = 1 if len(self._columns) < _COLUMNS_WORTH_THREADS else None

    def taken(self, parameters: Array) -> Array:
        """Take all of them as they are."""
        return parameters

    def soil_carbon(self, parameters: Array) -> Array:
        """Soil carbon by layer; see `ctsm_socnn.model.soil_carbon`."""
        by_site = np.broadcast_to(parameters, (len(self._columns), parameters.shape[1]))
        return soil_carbon(self._columns, by_site, threads=self._threads)

    def vjp(self, parameters: Array, soc_bar: Array) -> Array:
        """Gradient by site; see `ctsm_socnn.model.steady_state_vjp`."""
        return steady_state_vjp(self._columns, parameters, soc_bar, threads=self._threads)[1]

    def vjp_of_all(self, vector: Array, soc_bar: Array) -> Array:
        """Gradient by one vector at all sites."""
        everywhere = np.broadcast_to(vector, (len(self._columns), vector.size))
        return np.asarray(self.vjp(everywhere, soc_bar).sum(axis=0))
