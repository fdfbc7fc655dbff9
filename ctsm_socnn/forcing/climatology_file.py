"""Reads a climatology from a file."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from ctsm_socnn.errors import ForcingError
from ctsm_socnn.schemas import FORCING_DIMENSIONS, open_file

__all__ = ["open_climatology"]


def open_climatology(path: str | Path) -> xr.Dataset:
    """Open a climatology written by `ctsm-socnn forcing`.

    Raises
    ------
    FileError
        If the file cannot be read.
    ForcingError
        If it is something else.
    """
    climatology = open_file(path)
    lacking = [name for name in (*FORCING_DIMENSIONS, "landmask") if name not in climatology]
    for name, dims in FORCING_DIMENSIONS.items():
        leading = tuple(dim for dim in dims if dim != "site")
        if name in climatology and climatology[name].dims[: len(leading)] != leading:
            lacking.append(f"{name} on {leading} (found {climatology[name].dims})")
    if lacking or "period" not in climatology.attrs:
        raise ForcingError(
            f"{path} is not a climatology of `ctsm-socnn forcing`: it lacks "
            f"{', '.join(lacking) or 'the attribute period'}; give history files with --history"
        )
    return climatology
