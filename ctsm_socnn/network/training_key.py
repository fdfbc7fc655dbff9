"""A key of everything that determines a training's weights, so that checkpoints match."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.network.inputs import Inputs
from ctsm_socnn.network.settings import NetworkSettings
from ctsm_socnn.provenance import package_version

__all__ = ["training_key"]

_LENGTH: Final = 16


def training_key(
    how: str,
    sites: xr.Dataset,
    inputs: Inputs,
    settings: NetworkSettings,
    seed: int,
    start: NDArray[np.float64],
) -> str:
    """Return a short text that differs whenever anything differs that determines the weights.

    Parameters
    ----------
    how : str
        Method and device.
    sites : xarray.Dataset
        The sites used, with everything learnt from them, including targets and weights.
    inputs : Inputs
        Of the same sites.
    settings : NetworkSettings
    seed : int
    start : ndarray, shape (21,)
    """
    said = f"{package_version()} {how} {settings.model_dump_json()} {seed}"
    digest = hashlib.sha256(said.encode())
    for values in (inputs.numeric, inputs.classes, start):
        digest.update(_as_bytes(values))
    for name in sorted(sites.variables, key=str):
        variable = sites.variables[name]
        digest.update(f"{name} {variable.dims} {variable.shape} {variable.dtype}".encode())
        digest.update(_as_bytes(variable.values))
    return digest.hexdigest()[:_LENGTH]


def _as_bytes(values: NDArray[np.generic]) -> bytes:
    # The bytes of object arrays, such as text, are addresses.
    return repr(values.tolist()).encode() if values.dtype.hasobject else values.tobytes()
