"""Layers of any depths to standard depths, by the mass-preserving spline of Bishop et al. (1999).

Between all curves whose mean over each layer is what was measured, the spline is the smoothest: it
is quadratic within layers and straight between them. Everything is linear in the measured values,
so that errors follow. None of it is used unless asked for: the kernel is compared with layers as they
were measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ConfigError, ProfileError
from ctsm_socnn.observations.profiles import profiles_from_table
from ctsm_socnn.observations.quality import EXCLUDING

__all__ = ["spline_operator", "spline_profiles"]

_Array = NDArray[np.float64]

_CENTIMETRES: Final = 100.0
"""A metre: the published smoothing parameter is for depths in cm."""
_REACH: Final = 1e-6
"""m by which a target layer may leave the measured depth."""


def spline_profiles(
    profiles: xr.Dataset, edges: Sequence[float], smoothing: float = 0.0
) -> xr.Dataset:
    """Bring the carbon densities of all profiles to the same layers.

    Parameters
    ----------
    profiles : xarray.Dataset
        Tidy profiles with layers.
    edges : sequence of float, m
        Of the wanted layers, from top to bottom.
    smoothing : float
        0 keeps the mass of each layer exactly; the published 0.1 gives up a little of it against
        overshooting.

    Returns
    -------
    xarray.Dataset
        Tidy profiles whose layers are noted as `carbon_indirect`. Made from usable layers only, no
        deeper and no shallower than these reach; a profile with no such layer keeps one without a
        value, so that it is counted.

    Raises
    ------
    ConfigError
        If the edges do not rise from 0 or below, or the smoothing is negative.
    ProfileError
        If the profiles hold values at depths.
    """
    wanted = np.asarray(edges, dtype=np.float64)
    if wanted.size < 2 or wanted[0] < 0.0 or (np.diff(wanted) <= 0.0).any() or smoothing < 0.0:
        raise ConfigError(
            f"edges {', '.join(f'{edge:g}' for edge in wanted)} m, smoothing {smoothing:g}: give two "
            "edges or more that rise from 0 or deeper, and no negative smoothing"
        )
    if "top" not in profiles:
        raise ProfileError("the profiles hold values at depths; only layers can be splined")
    usable = (profiles["flag"].values & EXCLUDING) == 0
    sizes = profiles["row_size"].values
    samples = np.split(np.arange(usable.size), np.cumsum(sizes)[:-1])
    rows = [
        _splined(profiles, held[usable[held]], wanted, smoothing).assign(**_identity(profiles, i))
        for i, held in enumerate(samples)
    ]
    return profiles_from_table(pd.concat(rows, ignore_index=True), "splined profiles")


def spline_operator(top: _Array, bottom: _Array, edges: _Array, smoothing: float = 0.0) -> _Array:
    """Weights by which means over target layers follow from means over measured ones.

    Parameters
    ----------
    top, bottom : ndarray, shape (layer,), cm
        Rising, without overlap; gaps are allowed.
    edges : ndarray, shape (target + 1,), cm
    smoothing : float

    Returns
    -------
    ndarray, shape (target, layer), 1
        Rows sum to 1.
    """
    thickness, gap = bottom - top, top[1:] - bottom[:-1]
    mean, slope = _means_and_slopes(thickness, gap, smoothing)
    at_top = mean - thickness[:, np.newaxis] * (2.0 * slope[:-1] + slope[1:]) / 6.0
    at_bottom = mean + thickness[:, np.newaxis] * (slope[:-1] + 2.0 * slope[1:]) / 6.0
    integral = np.zeros((edges.size, top.size))
    for i, start in enumerate(top):
        into = np.clip(edges - start, 0.0, thickness[i])[:, np.newaxis]
        bend = (slope[i + 1] - slope[i]) / (6.0 * thickness[i])
        integral += at_top[i] * into + slope[i] * into**2 / 2.0 + bend * into**3
    for i, length in enumerate(gap):
        into = np.clip(edges - bottom[i], 0.0, length)[:, np.newaxis]
        integral += at_bottom[i] * into + slope[i + 1] * into**2 / 2.0
    weights: _Array = np.diff(integral, axis=0) / np.diff(edges)[:, np.newaxis]
    return weights


def _means_and_slopes(thickness: _Array, gap: _Array, smoothing: float) -> tuple[_Array, _Array]:
    """Layer means, and slopes at the edges of layers, for a unit value in each layer.

    The slope is zero at both ends. Between neighbours, `R slope = differences of means` with the
    tridiagonal R that is also the roughness, so that `(1 + n smoothing D' R^-1 D) means = values`.
    """
    n = thickness.size
    difference = np.diff(np.eye(n), axis=0)
    roughness = np.diag((thickness[:-1] + thickness[1:]) / 3.0 + gap)
    roughness += np.diag(thickness[1:-1] / 6.0, 1) + np.diag(thickness[1:-1] / 6.0, -1)
    to_slope = np.linalg.solve(roughness, difference)
    mean: _Array = np.asarray(np.linalg.inv(np.eye(n) + n * smoothing * difference.T @ to_slope))
    ends = np.zeros((1, n))
    slope: _Array = np.concatenate([ends, to_slope @ mean, ends])
    return mean, slope


def _splined(
    profiles: xr.Dataset, samples: NDArray[np.int64], edges: _Array, smoothing: float
) -> pd.DataFrame:
    """Target layers of one profile that its usable layers reach; one empty layer if none."""
    top, bottom, soc = (profiles[name].values[samples] for name in ("top", "bottom", "soc"))
    held = np.zeros(edges.size - 1, dtype=np.bool_)
    if samples.size:
        held = (edges[:-1] >= top[0] - _REACH) & (edges[1:] <= bottom[-1] + _REACH)
    if not held.any():
        return pd.DataFrame({"top": edges[:1], "bottom": edges[1:2], "soc": [np.nan]})
    within = edges[np.append(held, False) | np.append(False, held)]
    top, bottom, scaled = (_CENTIMETRES * values for values in (top, bottom, within))
    weights = spline_operator(top, bottom, scaled, smoothing)
    layers = pd.DataFrame({"top": within[:-1], "bottom": within[1:], "soc": weights @ soc})
    if "soc_sd" in profiles:
        layers["soc_sd"] = np.sqrt(weights**2 @ profiles["soc_sd"].values[samples] ** 2)
    return layers.assign(oc_indirect=True)


def _identity(profiles: xr.Dataset, profile: int) -> dict[str, Any]:
    names = ("profile_id", "lon", "lat", "source", "date")
    return {name: profiles[name].values[profile] for name in names if name in profiles}
