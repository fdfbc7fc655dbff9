"""Files for CTSM that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ctsm_socnn.errors import FileError

__all__ = ["shipped_directory"]

_PLACE_IN_SOURCE: Final = {"sourcemods": "fortran/sourcemods", "usermods": "usermods"}


def shipped_directory(name: str) -> Path:
    """Directory of shipped files: in the installed package, or in the source tree.

    Parameters
    ----------
    name : {"sourcemods", "usermods"}

    Raises
    ------
    FileError
        If the installation lacks it.
    """
    package = Path(__file__).resolve().parent
    for directory in (package / name, package.parent / _PLACE_IN_SOURCE[name]):
        if directory.is_dir():
            return directory
    raise FileError(f"{package} lacks its directory {name}; install ctsm-socnn again")
