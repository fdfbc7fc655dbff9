"""A CLM run over the synthetic region: monthly states and fluxes.

The soil is in balance: every litter pool loses each month what it is given, so that the carbon
budget from which the forcing stage derives the litter inputs closes to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.demo.geography import Place
from ctsm_socnn.model import SOIL_GRID, Columns, steady_state
from ctsm_socnn.model.simulation import DAYS_OF_MONTHS, SECONDS_PER_DAY
from ctsm_socnn.parameters import clm5_defaults
from ctsm_socnn.parameters.ctsm_routes import SECONDS_PER_YEAR
from ctsm_socnn.schemas import INPUT_VARIABLES, N_LAYERS, N_MONTHS

__all__ = ["ModelRun", "default_pools", "forcing_dataset", "simulate"]

Array = NDArray[np.float64]


_DAMPING_DEPTH: Final = 2.2
_FREEZING: Final = 273.15
_UNFROZEN: Final = 42.0
_DRIEST: Final = 0.05
_SHALLOWEST_BEDROCK: Final = 6
# Shares of litter that enter as coarse woody debris, metabolic, cellulose and lignin litter.
_SHARES: Final = np.array([0.18, 0.26, 0.36, 0.20])


@dataclass(frozen=True)
class ModelRun:
    """Monthly means; axes (month, layer, cell) or (month, cell), `nbedrock` and `sand` without month.

    Attributes
    ----------
    tsoi : ndarray, K
    w_scalar, o_scalar, fpi : ndarray, 1
    altmax : ndarray, m
    litter : ndarray, shape (month, 4, cell), gC m-2 s-1
        Input to coarse woody debris, metabolic, cellulose and lignin litter.
    nbedrock : ndarray of int, shape (cell,)
        Number, from 1, of the deepest layer above bedrock.
    sand : ndarray, shape (cell,), percent
    """

    tsoi: Array
    w_scalar: Array
    o_scalar: Array
    fpi: Array
    altmax: Array
    litter: Array
    nbedrock: NDArray[np.int64]
    sand: Array


def simulate(place: Place) -> ModelRun:
    """Seasons of soil temperature, water, oxygen, nitrogen and litter at places."""
    month = np.arange(N_MONTHS)[:, np.newaxis, np.newaxis]
    depth = SOIL_GRID.node_depth[np.newaxis, :, np.newaxis]
    tsoi = _soil_temperature(place, month, depth)
    nbedrock = _bedrock_layer(place.soil_depth)
    soil = np.arange(N_LAYERS)[:, np.newaxis] < nbedrock
    wetness = np.clip(place.precipitation / (350.0 + 28.0 * (place.temperature + 10.0)), 0.15, 1.4)
    summer = -np.cos(2.0 * np.pi * (month - 0.5) / N_MONTHS)
    water = 0.52 + 0.38 * np.tanh(1.4 * (wetness - 0.6)) - 0.12 * summer * np.exp(-depth / 0.8)
    frozen = 1.0 / (1.0 + np.exp(-(tsoi - _FREEZING + 0.5) / 0.8))
    oxygen = 1.0 - 0.3 * np.clip(wetness - 0.7, 0.0, 0.7) * (1.0 - np.exp(-depth))
    return ModelRun(
        tsoi=tsoi,
        w_scalar=np.clip(water * frozen, _DRIEST, 1.0) * soil,
        o_scalar=np.broadcast_to(oxygen, tsoi.shape).copy(),
        fpi=np.clip(0.9 - 0.08 * summer - 0.05 * depth / 8.0, 0.3, 1.0) + np.zeros_like(tsoi),
        altmax=np.broadcast_to(_active_layer(tsoi), (N_MONTHS, place.npp.size)).copy(),
        litter=_litter(place),
        nbedrock=nbedrock,
        sand=place.sand,
    )


def forcing_dataset(run: ModelRun) -> xr.Dataset:
    """Give the run as forcing of the kernel, one site per cell, without observations."""
    by_layer = ("site", "month", "layer")
    seconds = SECONDS_PER_DAY * np.reshape(DAYS_OF_MONTHS, (-1, 1, 1))
    inputs = np.moveaxis(run.litter * seconds, -1, 0)
    altmax = ("site", "month"), run.altmax.T
    return xr.Dataset(
        {
            "TSOI": (by_layer, np.moveaxis(run.tsoi, -1, 0)),
            "W_SCALAR": (by_layer, np.moveaxis(run.w_scalar, -1, 0)),
            "O_SCALAR": (by_layer, np.moveaxis(run.o_scalar, -1, 0)),
            "FPI_vr": (by_layer, np.moveaxis(run.fpi, -1, 0)),
            "ALTMAX": altmax,
            "ALTMAX_LASTYEAR": altmax,
            "nbedrock": ("site", run.nbedrock),
            "CELLSAND": (("site", "layer"), np.repeat(run.sand[:, np.newaxis], N_LAYERS, axis=1)),
            **{
                name: (("site", "month"), inputs[:, :, index])
                for index, name in enumerate(INPUT_VARIABLES)
            },
        }
    )


def default_pools(run: ModelRun) -> Array:
    """Carbon that CLM5's own parameters would hold in balance, shape (cell, pool, layer), gC m-3."""
    columns = Columns.from_sites(forcing_dataset(run))
    return steady_state(columns, clm5_defaults(run.sand)).pools


def _bedrock_layer(soil_depth: Array) -> NDArray[np.int64]:
    """Layer that holds the bottom of the soil, no shallower than CLM allows (0.4 m)."""
    layer = np.searchsorted(SOIL_GRID.interface_depth[1:], soil_depth, side="left") + 1
    return np.clip(layer, _SHALLOWEST_BEDROCK, N_LAYERS).astype(np.int64)


def _soil_temperature(place: Place, month: NDArray[np.int64], depth: Array) -> Array:
    """Damped annual wave; snow keeps cold ground a little warmer than the air."""
    lag = depth / _DAMPING_DEPTH
    wave = np.cos(2.0 * np.pi * (month - 6.0) / N_MONTHS - lag) * np.exp(-lag)
    mean = place.temperature + 1.5 + 0.1 * np.maximum(5.0 - place.temperature, 0.0)
    return np.asarray(_FREEZING + mean + 0.85 * place.temperature_range * wave)


def _active_layer(tsoi: Array) -> Array:
    """Depth (m) of the shallowest layer that never thaws; CLM's grid bottom where none."""
    never_thaws = tsoi.max(axis=0) < _FREEZING
    shallowest = np.argmax(never_thaws, axis=0)
    depth = SOIL_GRID.interface_depth[shallowest]
    return np.where(never_thaws.any(axis=0), np.maximum(depth, SOIL_GRID.node_depth[0]), _UNFROZEN)


def _litter(place: Place) -> Array:
    """Litter falls in autumn, more sharply where the range of temperature is large."""
    month = np.arange(N_MONTHS)[:, np.newaxis]
    autumn = 1.0 + 0.05 * place.temperature_range * np.cos(2.0 * np.pi * (month - 9.0) / N_MONTHS)
    per_second = place.npp * autumn / SECONDS_PER_YEAR
    return np.asarray(_SHARES[np.newaxis, :, np.newaxis] * per_second[:, np.newaxis, :])
