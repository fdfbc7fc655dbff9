"""The synthetic region: relief, climate, soils and vegetation as smooth functions of location.

Nothing here describes a real place. Every field is a sum of plane waves with random phases, pushed
through formulas that keep the relations which a land model lives on: colder in the north and in
the hills, drier behind them, more growth where it is warm and wet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["EAST", "NORTH", "SOUTH", "WEST", "Geography", "Place"]

Array = NDArray[np.float64]

WEST, EAST = 254.375, 274.375
SOUTH, NORTH = 136.5 * 180.0 / 191.0 - 90.0, 148.5 * 180.0 / 191.0 - 90.0
"""Edges of the region, degrees: 16 x 12 cells of CESM's f09 grid."""

_N_WAVES: Final = 16
_WAVELENGTHS: Final = (5.0, 22.0)


@dataclass(frozen=True)
class Place:
    """Fields at places; each of shape (n,).

    Attributes
    ----------
    land : ndarray of bool
    elevation : ndarray, m
    temperature : ndarray, degC
        Annual mean of the air.
    temperature_range : ndarray, K
        Half the difference of the warmest and coldest month.
    precipitation : ndarray, mm yr-1
    npp : ndarray, gC m-2 yr-1
    sand, clay : ndarray, percent
    ph : ndarray, 1
    soil_depth : ndarray, m
    land_cover : ndarray of int
        1 grass, 2 broad-leaved forest, 3 needle-leaved forest, 4 shrubs.
    """

    land: NDArray[np.bool_]
    elevation: Array
    temperature: Array
    temperature_range: Array
    precipitation: Array
    npp: Array
    sand: Array
    clay: Array
    ph: Array
    soil_depth: Array
    land_cover: NDArray[np.int64]


class Geography:
    """The region of one seed.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed: int) -> None:
        streams = np.random.SeedSequence(seed).spawn(5)
        self._relief, self._rain, self._texture, self._acidity, self._bedrock = (
            _Waves(np.random.default_rng(stream)) for stream in streams
        )

    def at(self, lon: Array, lat: Array) -> Place:
        """Fields at places.

        Parameters
        ----------
        lon, lat : ndarray, shape (n,), degrees east and north
        """
        eastward = (lon - WEST) / (EAST - WEST)
        northward = (lat - SOUTH) / (NORTH - SOUTH)
        ridge = np.exp(-(((eastward - 0.2) / 0.16) ** 2))
        elevation = 2100.0 * ridge * _squash(self._relief(lon, lat), 0.6, 1.3) + 250.0
        temperature = 17.5 - 11.0 * northward - 5.2e-3 * elevation
        precipitation = (380.0 + 700.0 * eastward) * np.exp(0.3 * self._rain(lon, lat))
        precipitation *= 1.0 + 0.35 * ridge
        sand = 46.0 + 22.0 * np.tanh(self._texture(lon, lat))
        soil_depth = _squash(self._bedrock(lon, lat) - 0.8 * ridge, 1.2, 9.0)
        return Place(
            land=eastward < 0.9 + 0.05 * np.sin(9.0 * northward + 1.0),
            elevation=elevation,
            temperature=temperature,
            temperature_range=9.0 + 6.0 * northward + 2.0 * (1.0 - eastward),
            precipitation=precipitation,
            npp=_npp(temperature, precipitation),
            sand=sand,
            clay=(100.0 - sand) * 0.45,
            ph=7.4 - 1.3e-3 * precipitation + 0.45 * self._acidity(lon, lat),
            soil_depth=soil_depth,
            land_cover=_land_cover(temperature, precipitation),
        )


class _Waves:
    """A smooth random field of mean 0 and variance 1."""

    def __init__(self, rng: np.random.Generator) -> None:
        shortest, longest = np.log(_WAVELENGTHS)
        wavelength = np.exp(rng.uniform(shortest, longest, size=_N_WAVES))
        direction = rng.uniform(0.0, np.pi, size=_N_WAVES)
        self._east = 2.0 * np.pi * np.cos(direction) / wavelength
        self._north = 2.0 * np.pi * np.sin(direction) / wavelength
        self._phase = rng.uniform(0.0, 2.0 * np.pi, size=_N_WAVES)

    def __call__(self, lon: Array, lat: Array) -> Array:
        angle = np.multiply.outer(lon, self._east) + np.multiply.outer(lat, self._north)
        waves = np.cos(angle + self._phase)
        return np.asarray(waves.sum(axis=-1) * np.sqrt(2.0 / _N_WAVES))


def _squash(field: Array, lower: float, upper: float) -> Array:
    return np.asarray(lower + (upper - lower) / (1.0 + np.exp(-1.5 * field)))


def _npp(temperature: Array, precipitation: Array) -> Array:
    """Carbon for growth, limited by warmth and by water (the form of the Miami model)."""
    by_warmth = 1300.0 / (1.0 + np.exp(1.3 - 0.12 * temperature))
    by_water = 1300.0 * (1.0 - np.exp(-6.6e-4 * precipitation))
    return np.asarray(np.minimum(by_warmth, by_water) * 0.6)


def _land_cover(temperature: Array, precipitation: Array) -> NDArray[np.int64]:
    forest = np.where(temperature > 7.0, 2, 3)
    open_land = np.where(precipitation < 520.0, 4, 1)
    return np.where(precipitation > 720.0, forest, open_land).astype(np.int64)
