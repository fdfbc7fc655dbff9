"""Models of soil carbon that can be fitted to all profiles together."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.model import Columns, soil_carbon, steady_state_vjp
from ctsm_socnn.schemas import MODEL_FORCING, distinct_forcing

__all__ = ["PublishedModel", "SoilModel"]

Array = NDArray[np.float64]

_ROWS_WORTH_THREADS: Final = 1000
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
        first, self._column = distinct_forcing(sites, MODEL_FORCING)
        self._columns = Columns.from_sites(sites.isel(site=first))

    def taken(self, parameters: Array) -> Array:
        """Take all of them as they are."""
        return parameters

    def soil_carbon(self, parameters: Array) -> Array:
        """Soil carbon by layer; see `ctsm_socnn.model.soil_carbon`."""
        if len(parameters) > 1:
            threads = _threads(len(parameters))
            return soil_carbon(self._columns, parameters, self._column, threads=threads)
        n = len(self._columns)
        rows = np.broadcast_to(parameters, (n, parameters.shape[1]))
        return soil_carbon(self._columns, rows, threads=_threads(n))[self._column]

    def vjp(self, parameters: Array, soc_bar: Array) -> Array:
        """Gradient by site; see `ctsm_socnn.model.steady_state_vjp`."""
        threads = _threads(len(parameters))
        _, gradient = steady_state_vjp(
            self._columns, parameters, soc_bar, self._column, threads=threads
        )
        return gradient

    def vjp_of_all(self, vector: Array, soc_bar: Array) -> Array:
        """Gradient by one vector at all sites."""
        n = len(self._columns)
        bar = np.zeros((n, soc_bar.shape[1]))
        np.add.at(bar, self._column, soc_bar)
        rows = np.broadcast_to(vector, (n, vector.size))
        _, gradient = steady_state_vjp(self._columns, rows, bar, threads=_threads(n))
        return np.asarray(gradient.sum(axis=0))


def _threads(rows: int) -> int | None:
    return 1 if rows < _ROWS_WORTH_THREADS else None
