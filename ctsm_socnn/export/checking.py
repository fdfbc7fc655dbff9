"""Checks that a usermods directory is complete and fits its case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import netCDF4
import numpy as np

from ctsm_socnn.directories import damaged_files
from ctsm_socnn.errors import FileError, SocnnError
from ctsm_socnn.export.case_conflicts import SOURCE_MODS, case_conflicts
from ctsm_socnn.export.checkout import Checkout
from ctsm_socnn.export.model_grid import MapGrid, require_same_cells
from ctsm_socnn.export.paramfile import GRIDDED_FILE_ATTRIBUTE
from ctsm_socnn.export.paths import GRIDDED_NAME, PARAMFILE_NAME
from ctsm_socnn.export.relocation import named_paramfile
from ctsm_socnn.export.sourcemods import source_mods
from ctsm_socnn.export.usermods import require_usermods_directory
from ctsm_socnn.netcdf import is_missing
from ctsm_socnn.netcdf_reading import open_netcdf

__all__ = ["Finding", "check_usermods"]

_FORMATS: Final = ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA")
"""Of the maps. The paramfile keeps the format of the user's own, which their CTSM reads."""


@dataclass(frozen=True)
class Finding:
    """One check.

    Attributes
    ----------
    name : str
    problems : tuple of str
        Empty if all is well.
    """

    name: str
    problems: tuple[str, ...]

    def line(self) -> str:
        """One line for the terminal."""
        return f"{'FAIL' if self.problems else 'ok  '}  {self.name}" + "".join(
            f"\n      {problem}" for problem in self.problems
        )


def check_usermods(
    directory: Path,
    *,
    model_grid: Path | None = None,
    ctsm_root: Path | None = None,
    case: Path | None = None,
) -> list[Finding]:
    """Check a usermods directory.

    Parameters
    ----------
    directory : Path
    model_grid : Path, optional
        Surface dataset or mesh of the case: the maps must lie on its cells.
    ctsm_root : Path, optional
        Checkout that the case is built from: the SourceMods must be what it gives.
    case : Path, optional
        Case directory: its own SourceMods and its decomposition must not conflict with ours.

    Raises
    ------
    FileError
        If it is not a directory of this package.
    """
    directory = Path(directory).absolute()
    if not directory.is_dir():
        raise FileError(f"{directory} is not a directory")
    checks: list[tuple[str, Callable[[], Iterator[str]]]] = [
        ("all files are there and unchanged", lambda: iter(damaged_files(directory))),
        ("path and names suit CIME", lambda: _names(directory)),
        ("user_nl_clm and paramfile name the files here", lambda: _paths(directory)),
        ("the maps follow CTSM's rules, without gaps", lambda: _netcdf(directory)),
    ]
    if model_grid is not None:
        checks.append(
            (f"maps lie on the cells of {model_grid}", lambda: _grid(directory, model_grid))
        )
    if ctsm_root is not None:
        checks.append((f"SourceMods belong to {ctsm_root}", lambda: _mods(directory, ctsm_root)))
    if case is not None:
        checks.append((f"nothing in {case} conflicts with it", lambda: _case(directory, case)))
    return [Finding(name, _problems(check)) for name, check in checks]


def _problems(check: Callable[[], Iterator[str]]) -> tuple[str, ...]:
    try:
        return tuple(check())
    except SocnnError as error:
        return (str(error),)


def _names(directory: Path) -> Iterator[str]:
    require_usermods_directory(directory)
    for path in directory.rglob("*"):
        if path.is_dir() and "src" in path.name and path.relative_to(directory) != SOURCE_MODS:
            yield f"CIME would copy {path.relative_to(directory)} into the case"


def _paths(directory: Path) -> Iterator[str]:
    named = named_paramfile(directory)
    if named != directory / PARAMFILE_NAME:
        yield f"user_nl_clm names {named}; if the directory has moved, run with --relocate"
    with open_netcdf(directory / PARAMFILE_NAME) as dataset:
        if GRIDDED_FILE_ATTRIBUTE in dataset.ncattrs():
            maps = dataset.getncattr(GRIDDED_FILE_ATTRIBUTE)
            if maps != str(directory / GRIDDED_NAME):
                yield f"the paramfile names {maps}; if the directory has moved, run with --relocate"
            if not (directory / GRIDDED_NAME).is_file():
                yield f"the paramfile names maps, but {GRIDDED_NAME} is not here"


def _netcdf(directory: Path) -> Iterator[str]:
    path = directory / GRIDDED_NAME
    if not path.is_file():
        return
    with open_netcdf(path) as dataset:
        if dataset.data_model not in _FORMATS:
            yield f"{path.name} is {dataset.data_model}, not a classic netCDF format"
        yield from _gaps(path.name, dataset)


def _gaps(file: str, dataset: netCDF4.Dataset) -> Iterator[str]:
    dataset.set_auto_maskandscale(False)
    for name, variable in dataset.variables.items():
        values = np.asarray(variable[...], dtype=np.float64)
        bad = is_missing(values)
        if bad.any():
            yield f"{file}: {name} has {int(bad.sum())} missing or non-finite values"


def _grid(directory: Path, model_grid: Path) -> Iterator[str]:
    path = directory / GRIDDED_NAME
    if not path.is_file():
        return
    with open_netcdf(path) as dataset:
        lat, lon = (
            np.asarray(dataset[name][...], dtype=np.float64) for name in ("LATIXY", "LONGXY")
        )
    require_same_cells(MapGrid(lat, lon, np.ones(lat.shape, dtype=bool)), model_grid)
    yield from ()


def _mods(directory: Path, ctsm_root: Path) -> Iterator[str]:
    present = directory / SOURCE_MODS
    if not present.is_dir():
        return
    wanted = source_mods(Checkout.open(ctsm_root))
    for name, content in wanted.items():
        path = present / name
        if not path.is_file():
            yield f"{SOURCE_MODS / name} is missing"
        elif path.read_bytes() != content:
            yield f"{SOURCE_MODS / name} is not what this checkout gives; make the directory anew"


def _case(directory: Path, case: Path) -> Iterator[str]:
    mods = directory / SOURCE_MODS
    ours = {path.name: path.read_bytes() for path in mods.iterdir()} if mods.is_dir() else {}
    return case_conflicts(case, ours)
