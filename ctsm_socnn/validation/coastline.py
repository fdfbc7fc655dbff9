"""Outline of the continents, from Natural Earth (public domain), made by tools/make_coastline.py."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

__all__ = ["coastline", "draw_coastline"]

_FILE: Final = "coastline.txt"
_HUNDREDTHS: Final = 100.0


@lru_cache(maxsize=1)
def coastline() -> tuple[NDArray[np.float64], ...]:
    """Lines, each of shape (point, 2), degrees east (-180 to 180) and north."""
    source = resources.files("ctsm_socnn.validation").joinpath(_FILE)
    lines = []
    for line in source.read_text(encoding="ascii").splitlines():
        numbers = np.array(line.replace(",", " ").split(), dtype=np.float64)
        lines.append(numbers.reshape(-1, 2) / _HUNDREDTHS)
    return tuple(lines)


def draw_coastline(axis: Axes) -> None:
    """Draw the outline within the limits that a map of longitude and latitude has.

    Longitudes may be counted from -180 or from 0 degrees.
    """
    x_limits, y_limits = axis.get_xlim(), axis.get_ylim()
    turns = [turn for turn in (-360.0, 0.0, 360.0) if _shows(turn, x_limits)]
    lines = [line + np.array([turn, 0.0]) for turn in turns for line in coastline()]
    axis.add_collection(LineCollection(lines, colors="0.25", linewidths=0.5, zorder=3))
    axis.set_xlim(x_limits)
    axis.set_ylim(y_limits)


def _shows(turn: float, limits: tuple[float, float]) -> bool:
    return turn - 180.0 < max(limits) and turn + 180.0 > min(limits)
