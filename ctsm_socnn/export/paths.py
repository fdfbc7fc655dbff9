"""Names of the files in a usermods directory, and paths that CTSM and CIME accept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from ctsm_socnn.errors import ExportError

__all__ = ["GRIDDED_NAME", "LONGEST_PATH", "PARAMFILE_NAME", "require_case_path"]

PARAMFILE_NAME: Final = "paramfile.nc"
GRIDDED_NAME: Final = "gridded_parameters.nc"

LONGEST_PATH: Final = 255
"""CTSM's `locfn` and, up to 5.2, its `paramfile` are character(256)."""

_SAFE: Final = re.compile(r"[A-Za-z0-9._/+=,@:~-]+")


def require_case_path(path: Path) -> str:
    """Return an absolute path as CTSM will read it.

    CIME expands `$` in `user_nl_clm`, its namelist reader ends a value at a quote, and its shell
    commands are not quoted: only plain characters are safe.

    Raises
    ------
    ExportError
        If the path is too long, or has spaces, quotes or other special characters.
    """
    text = str(Path(path).absolute())
    if len(text) > LONGEST_PATH:
        raise ExportError(
            f"path of {len(text)} characters: {text}; CTSM holds at most {LONGEST_PATH}. "
            "Choose a shorter directory"
        )
    if not _SAFE.fullmatch(text):
        odd = sorted(set(re.sub(_SAFE, "", text)))
        raise ExportError(
            f"path {text!r} has {', '.join(repr(c) for c in odd)}, which CIME's namelists do not "
            "carry safely. Choose a directory of letters, digits and . _ - + only"
        )
    return text
