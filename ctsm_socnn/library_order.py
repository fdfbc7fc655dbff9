"""The order in which ESMPy and netCDF4 are loaded; the wrong one crashes Python.

ESMPy opens ESMF's library to all of the process, with the netCDF and HDF5 that ESMF was built
with. A netCDF4 from PyPI brings its own; loaded after ESMPy, it takes ESMF's functions for its own
and crashes (seen with ESMF 8.9.0 and netCDF4 1.7). The other order works.
"""

from __future__ import annotations

import importlib
import os
import sys

__all__ = ["load_netcdf4_apart"]


def load_netcdf4_apart() -> None:
    """Load netCDF4 so that it uses its own libraries, if ESMPy is there already and it is not."""
    if "esmpy" not in sys.modules or "netCDF4" in sys.modules:
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | getattr(os, "RTLD_DEEPBIND", 0))
    try:
        importlib.import_module("netCDF4")
    finally:
        sys.setdlopenflags(flags)
