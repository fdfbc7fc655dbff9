"""The command line that creates a case with a usermods directory."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ctsm_socnn.export.paths import GRIDDED_NAME
from ctsm_socnn.netcdf_reading import open_netcdf
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion

__all__ = ["RESOLUTION_TO_NAME", "create_newcase_line"]

RESOLUTION_TO_NAME: Final = "RESOLUTION_OF_THE_MAPS"
"""Stands in the command where only the user knows the name of the grid."""

_GRIDS: Final[Mapping[tuple[int, ...], str]] = {
    (96, 144): "f19_g17",
    (46, 72): "f45_f45_mg37",
}
"""Rows and columns of grids that have one name in all versions."""


def create_newcase_line(
    directory: Path, version: CtsmVersion, template: str, *, files: Path | None = None
) -> str:
    """Command line that makes a case, to be run in a CTSM checkout.

    Parameters
    ----------
    directory : Path
        Usermods directory, absolute. Where it has maps, the case must be on their grid.
    version : CtsmVersion
    template : str
        Name of the paramfile from which that of the directory was made; it tells CLM5's physics
        from CTSM6's.
    files : Path, optional
        Where its files lie now; by default in it.

    Raises
    ------
    FileError
        If the maps cannot be read.
    """
    physics = "60" if template.startswith("ctsm60") else "50"
    words = ["./cime/scripts/create_newcase", "--case", "my_case"]
    resolution = _resolution((files or directory) / GRIDDED_NAME, version)
    words += ["--compset", f"I1850Clm{physics}BgcCrop", "--res", resolution]
    words += ["--run-unsupported", "--user-mods-dir", str(directory)]
    return shlex.join(words)


def _resolution(maps: Path, version: CtsmVersion) -> str:
    nominal_one_degree = "f09_t232" if version.nested_usermods else "f09_g17"
    if not maps.is_file():
        return nominal_one_degree
    with open_netcdf(maps) as dataset:
        dims = dataset["LATIXY"].dimensions
        shape = tuple(len(dataset.dimensions[name]) for name in dims)
    if shape == (192, 288):
        return nominal_one_degree
    return _GRIDS.get(shape, RESOLUTION_TO_NAME)
