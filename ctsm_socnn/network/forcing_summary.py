"""Summaries of a site's forcing, as inputs of an encoder.

The kernel uses the whole forcing; the encoder may use these summaries of it, so that parameters
can respond to the climate in which they are applied.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.schemas import FORCING_DIMENSIONS, INPUT_VARIABLES

__all__ = ["FORCING_SUMMARIES", "forcing_summaries"]

_TOP: Final = slice(0, 6)
"""Layers 1 to 6, the upper 0.4 m."""
_DEEP: Final = slice(6, 14)
"""Layers 7 to 14, about 0.4 to 2.3 m."""
_SMALLEST_INPUT: Final = 1e-3
_LAYERED: Final = ("TSOI", "W_SCALAR", "O_SCALAR", "FPI_vr")

FORCING_SUMMARIES: Final[tuple[str, ...]] = (
    *(f"{name}_{part}" for name in _LAYERED for part in ("top", "deep")),
    "TSOI_range",
    "W_SCALAR_range",
    "sand_top",
    "sand_deep",
    "log_carbon_input",
    *(f"share_{name}" for name in INPUT_VARIABLES),
    "nbedrock",
)
"""Names of the columns that `forcing_summaries` returns."""


def forcing_summaries(sites: xr.Dataset) -> NDArray[np.float64]:
    """Annual summaries of the forcing.

    Parameters
    ----------
    sites : xarray.Dataset
        Forcing in the sites schema.

    Returns
    -------
    ndarray, shape (site, len(FORCING_SUMMARIES))
        Temperatures in K, scalars and shares 1, sand in percent, the logarithm of the annual
        carbon input in gC m-2, and the bedrock layer. NaN where the forcing is.

    Raises
    ------
    NetworkError
        If a forcing variable is missing.
    """
    missing = [name for name in FORCING_DIMENSIONS if name not in sites]
    if missing:
        raise NetworkError(
            f"the network takes forcing summaries, but the dataset lacks {', '.join(missing)}; "
            "add the forcing (predict: --forcing), or train with forcing_summaries = false "
            "(--no-forcing-summaries)"
        )
    layered = {name: _values(sites, name) for name in _LAYERED}
    columns = [
        values[:, :, part].mean(axis=(1, 2))
        for values in layered.values()
        for part in (_TOP, _DEEP)
    ]
    columns += [
        np.ptp(layered[name][:, :, _TOP].mean(axis=2), axis=1) for name in ("TSOI", "W_SCALAR")
    ]
    columns += [_values(sites, "CELLSAND")[:, part].mean(axis=1) for part in (_TOP, _DEEP)]
    columns += _carbon_inputs(sites)
    columns.append(_values(sites, "nbedrock"))
    return np.stack(columns, axis=1)


def _values(sites: xr.Dataset, name: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = sites[name].values.astype(np.float64)
    return values


def _carbon_inputs(sites: xr.Dataset) -> list[NDArray[np.float64]]:
    by_pool = np.stack([_values(sites, name).sum(axis=1) for name in INPUT_VARIABLES], axis=1)
    total = np.maximum(by_pool.sum(axis=1), _SMALLEST_INPUT)
    return [np.log(total), *(by_pool / total[:, None]).T]
