"""Outline of all land, from Natural Earth (public domain), made by tools/make_coastline.py.

It is drawn on maps, and it tells which coordinates lie in the sea. It was thinned to 0.05 degrees
from a map at 1:50,000,000, which holds no atolls.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.observations.nearest import nearest_cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SEA_DISTANCE", "coastline", "draw_coastline", "in_sea"]

SEA_DISTANCE: Final = 20.0
"""km: nearer to a coast the outline cannot tell sea from land, nor can coordinates to a tenth of a
degree."""

_FILE: Final = "coastline.txt"
_HUNDREDTHS: Final = 100.0
_STEP: Final = 0.05
"""Degrees between the points of the coast to which distances are taken."""


@lru_cache(maxsize=1)
def coastline() -> tuple[NDArray[np.float64], ...]:
    """Lines, each of shape (point, 2), degrees east (-180 to 180) and north."""
    source = resources.files("ctsm_socnn.observations").joinpath(_FILE)
    lines = []
    for line in source.read_text(encoding="ascii").splitlines():
        numbers = np.array(line.replace(",", " ").split(), dtype=np.float64)
        lines.append(numbers.reshape(-1, 2) / _HUNDREDTHS)
    return tuple(lines)


def in_sea(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether points lie in the sea, farther than `SEA_DISTANCE` from any land.

    Parameters
    ----------
    lon, lat : ndarray, shape (n,), degrees
        Either longitude convention; NaN lies nowhere, and so not in the sea.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    held = np.isfinite(lon) & np.isfinite(lat)
    places, which = np.unique(np.stack([lon[held], lat[held]], axis=1), axis=0, return_inverse=True)
    wet = ~_inside(places[:, 0], places[:, 1])
    if wet.any():
        _, distance = nearest_cell(*places[wet].T, *_coast_points().T)
        wet[wet] = distance > SEA_DISTANCE
    result = np.zeros(held.size, dtype=np.bool_)
    result[held] = wet[which.ravel()]
    return result


def draw_coastline(axis: Axes) -> None:
    """Draw the outline within the limits that a map of longitude and latitude has.

    Longitudes may be counted from -180 or from 0 degrees.
    """
    from matplotlib.collections import LineCollection  # slow to load, and flags need none

    x_limits, y_limits = axis.get_xlim(), axis.get_ylim()
    turns = [turn for turn in (-360.0, 0.0, 360.0) if _shows(turn, x_limits)]
    lines = [line + np.array([turn, 0.0]) for turn in turns for line in coastline()]
    axis.add_collection(LineCollection(lines, colors="0.25", linewidths=0.5, zorder=3))
    axis.set_xlim(x_limits)
    axis.set_ylim(y_limits)


def _shows(turn: float, limits: tuple[float, float]) -> bool:
    return turn - 180.0 < max(limits) and turn + 180.0 > min(limits)


def _inside(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the meridian from each point to the north crosses the coast an odd number of times."""
    order = np.argsort((lon + 180.0) % 360.0)
    east, north = ((lon + 180.0) % 360.0 - 180.0)[order], lat[order]
    odd = np.zeros(east.size, dtype=np.bool_)
    start, end = _segments()
    first, last = np.searchsorted(east, start[:, 0]), np.searchsorted(east, end[:, 0])
    for segment in np.flatnonzero(last > first):
        below = slice(first[segment], last[segment])
        (x0, y0), (x1, y1) = start[segment], end[segment]
        odd[below] ^= north[below] < y0 + (y1 - y0) * (east[below] - x0) / (x1 - x0)
    inside = np.empty_like(odd)
    inside[order] = odd
    return inside


def _segments() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Western and eastern end of each piece of the coast, shape (segment, 2)."""
    pairs = np.concatenate([np.stack([line[:-1], line[1:]]) for line in coastline()], axis=1)
    swapped = pairs[0, :, 0] > pairs[1, :, 0]
    return (
        np.where(swapped[:, np.newaxis], pairs[1], pairs[0]),
        np.where(swapped[:, np.newaxis], pairs[0], pairs[1]),
    )


def _coast_points() -> NDArray[np.float64]:
    """Points along the coast, `_STEP` apart or less, shape (point, 2)."""
    start, end = _segments()
    counts = np.ceil(np.abs(end - start).max(axis=1) / _STEP).astype(np.int64) + 1
    segment = np.repeat(np.arange(counts.size), counts)
    within = np.arange(segment.size) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (within / counts[segment])[:, np.newaxis]
    return np.asarray(start[segment] + share * (end - start)[segment])
