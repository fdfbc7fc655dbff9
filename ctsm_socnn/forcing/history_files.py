"""History files from patterns."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from ctsm_socnn.errors import FileError

__all__ = ["find_history"]


def find_history(patterns: str | Path | Iterable[str | Path]) -> list[Path]:
    """Expand file names that may contain `*`, `?` and `[...]`.

    Parameters
    ----------
    patterns : str or Path, or several
        `~` stands for the home directory.

    Returns
    -------
    list of Path
        Sorted, each once.

    Raises
    ------
    FileError
        If a pattern matches no file.
    """
    found: set[Path] = set()
    for pattern in [patterns] if isinstance(patterns, str | Path) else patterns:
        matches = glob.glob(str(Path(pattern).expanduser()))
        if not matches:
            raise FileError(f"no file matches {pattern}; quote the pattern and check the directory")
        found.update(map(Path, matches))
    return sorted(found)
