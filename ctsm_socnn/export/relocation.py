"""New paths for a usermods directory that has moved."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from ctsm_socnn.directories import atomic_directory, damaged_files, write_checksums
from ctsm_socnn.errors import FileError
from ctsm_socnn.export.paramfile import GRIDDED_FILE_ATTRIBUTE
from ctsm_socnn.export.paths import GRIDDED_NAME, PARAMFILE_NAME
from ctsm_socnn.export.usermods import require_usermods_directory
from ctsm_socnn.netcdf_reading import open_netcdf

__all__ = ["named_paramfile", "relocate"]

_PARAMFILE_LINE = re.compile(r"^paramfile = '(?P<path>[^']+)'$", re.MULTILINE)


def named_paramfile(directory: Path) -> Path:
    """Path of the paramfile that `user_nl_clm` of a directory names.

    Raises
    ------
    FileError
        If there is no `user_nl_clm`, or it names none.
    """
    user_nl = Path(directory) / "user_nl_clm"
    if not user_nl.is_file():
        raise FileError(f"{directory} has no user_nl_clm; it is not a usermods directory")
    found = _PARAMFILE_LINE.search(user_nl.read_text(encoding="utf-8"))
    if found is None:
        raise FileError(f"{user_nl} names no paramfile; make the directory again")
    return Path(found["path"])


def relocate(directory: Path, destination: Path | None = None) -> Path:
    """Rewrite the paths in a usermods directory.

    Parameters
    ----------
    directory : Path
        Where it lies now.
    destination : Path, optional
        Where it will lie; by default where it lies now.

    Returns
    -------
    Path
        The directory that its files name now.

    Raises
    ------
    FileError
        If the directory is not one of ours, or a file in it is missing or damaged.
    ExportError
        If CTSM cannot carry the new path.
    """
    directory = Path(directory).absolute()
    target = directory if destination is None else Path(destination).absolute()
    require_usermods_directory(target)
    damaged = damaged_files(directory)
    if damaged:
        raise FileError(f"{directory}: {'; '.join(damaged)}. Copy the directory again")
    old = named_paramfile(directory).parent
    with atomic_directory(directory, overwrite=True) as temporary:
        shutil.copytree(directory, temporary, dirs_exist_ok=True)
        for name in ("user_nl_clm", "README"):
            text = (temporary / name).read_text(encoding="utf-8")
            moved = re.sub(rf"{re.escape(str(old))}(?![\w.-])", lambda _: str(target), text)
            (temporary / name).write_text(moved, encoding="utf-8")
        _name_gridded_file(temporary / PARAMFILE_NAME, target / GRIDDED_NAME)
        write_checksums(temporary)
    return target


def _name_gridded_file(paramfile: Path, gridded: Path) -> None:
    with open_netcdf(paramfile, "r+") as dataset:
        if GRIDDED_FILE_ATTRIBUTE in dataset.ncattrs():
            dataset.setncattr(GRIDDED_FILE_ATTRIBUTE, str(gridded))
