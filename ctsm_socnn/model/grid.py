"""The vertical grid of the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn import _kernel

__all__ = ["SOIL_GRID", "SoilGrid"]


@dataclass(frozen=True)
class SoilGrid:
    """Layers from the surface down (CTSM `soil_layerstruct_predefined = '20SL_8.5m'`).

    Attributes
    ----------
    node_depth : ndarray, shape (20,), m
    thickness : ndarray, shape (20,), m
    interface_depth : ndarray, shape (21,), m
        Entry 0 is the surface, entry j the bottom of layer j.
    """

    node_depth: NDArray[np.float64]
    thickness: NDArray[np.float64]
    interface_depth: NDArray[np.float64]


def _from_kernel() -> SoilGrid:
    arrays = _kernel.grid()
    for array in arrays:
        array.flags.writeable = False
    return SoilGrid(*arrays)


SOIL_GRID: Final = _from_kernel()
"""The grid that the kernel was compiled with."""
