"""Grids by CESM name or by file."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Final

import numpy as np

from ctsm_socnn.errors import GridError
from ctsm_socnn.regrid.geometry import Grid, GridKind, rectilinear_grid
from ctsm_socnn.regrid.grid_files import grid_of, read_grid_file
from ctsm_socnn.regrid.masks import require_mask_sense, with_land_of

__all__ = ["CESM_GRIDS", "Grid", "GridKind", "cesm_grid", "grid_of", "read_grid"]

CESM_GRIDS: Final[dict[str, tuple[int, int]]] = {
    "f02": (768, 1152),
    "f05": (361, 576),
    "f09": (192, 288),
    "f19": (96, 144),
    "f45": (46, 72),
    "f10": (19, 24),
}
"""CESM name -> (latitudes, longitudes) of the finite-volume grids."""

_MESH_NAMES: Final = re.compile(r"(ne|mpasa|hcru|T|C|r)\d[\w.]*")
"""CESM grids that are known only through their mesh files: spectral elements, MPAS, Gaussian."""


def cesm_grid(name: str) -> Grid:
    """Make a finite-volume grid of CESM from its definition.

    Latitudes run from pole to pole with the poles at cell centres, so that the polar cells are
    half as high; longitudes start at 0 with Greenwich at a cell centre. Every cell counts: the
    land of a case is in its mesh or surface dataset, from which `read_grid` takes it.

    Raises
    ------
    GridError
        If there is no such name.
    """
    if name not in CESM_GRIDS:
        near = difflib.get_close_matches(name, CESM_GRIDS, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        mesh = "; it needs its mesh file" if _MESH_NAMES.fullmatch(name) else ""
        raise GridError(
            f"{name!r} is neither a file nor one of the grids {', '.join(CESM_GRIDS)}{hint}{mesh}"
        )
    n_lat, n_lon = CESM_GRIDS[name]
    return rectilinear_grid(
        name, np.arange(n_lon) * (360.0 / n_lon), np.linspace(-90.0, 90.0, n_lat)
    )


def read_grid(source: str | Path, mask: str | Path | None = None) -> Grid:
    """Read a grid, given by CESM name or file.

    Parameters
    ----------
    source : str or Path
        A name of `CESM_GRIDS`, or an ESMF mesh, SCRIP grid, CESM domain file, CLM surface dataset
        or history file, or any netCDF file with CF longitude and latitude.
    mask : str or Path, optional
        File with the land mask of the same cells, replacing that of `source`.

    Returns
    -------
    Grid
        Its mask is True on land where the file says what is land, and everywhere otherwise.

    Raises
    ------
    FileError
        If the file is damaged.
    GridError
        If the grid is unknown or impossible, its mask has the wrong sense, or the file of the mask
        has other cells.
    """
    path = Path(source)
    grid = read_grid_file(path) if path.is_file() else cesm_grid(str(source))
    if mask is not None:
        grid = with_land_of(grid, read_grid_file(Path(mask)))
    require_mask_sense(grid)
    return grid
