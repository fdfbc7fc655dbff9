"""Profile readers, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pandas as pd
import xarray as xr

from ctsm_socnn.errors import ConfigError, FileError, ProfileError
from ctsm_socnn.observations.column_map import ColumnMap
from ctsm_socnn.observations.profiles import profiles_from_sites, profiles_from_table
from ctsm_socnn.schemas import open_file, open_sites

__all__ = ["FORMATS", "read_profiles", "read_table"]

FORMATS: Final[Mapping[str, str]] = {
    "generic": "table (CSV or TSV, may be gzipped) whose columns are described, or whose headers "
    "read 'quantity [unit]'",
    "sites": "netCDF sites file, of which only the observations are taken",
    "tidy": "netCDF profiles as `ctsm-socnn profiles convert` writes them",
}
"""Name of a format -> what it is."""

_SEPARATORS: Final = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}


def read_profiles(
    path: Path, profile_format: str = "generic", columns: Mapping[str, str] | None = None
) -> xr.Dataset:
    """Read soil profiles into the tidy form, flagged.

    Parameters
    ----------
    path : Path
    profile_format : str
        One of `FORMATS`.
    columns : mapping of str to str, optional
        Quantity -> "column [unit]", for the generic format.

    Returns
    -------
    xarray.Dataset
        As `profiles.profiles_from_table` describes.

    Raises
    ------
    ConfigError, FileError, ProfileError
    """
    path = Path(path)
    if profile_format not in FORMATS:
        raise ConfigError(
            f"unknown profile format {profile_format!r}; known are {', '.join(FORMATS)}"
        )
    if columns and profile_format != "generic":
        raise ConfigError(f"format {profile_format} has its own columns; leave the column map out")
    if profile_format == "sites":
        return profiles_from_sites(open_sites(path))
    if profile_format == "tidy":
        return _require_tidy(open_file(path), path)
    return _read_generic(path, columns or {})


def read_table(path: Path) -> pd.DataFrame:
    """Read a text table, all columns as text.

    Raises
    ------
    FileError
        If it is missing, damaged or of an unknown kind.
    """
    suffixes = [suffix for suffix in path.suffixes if suffix in _SEPARATORS]
    if not suffixes:
        raise FileError(
            f"{path}: a profile table ends in {', '.join(_SEPARATORS)} (with or without .gz)"
        )
    try:
        return pd.read_csv(path, sep=_SEPARATORS[suffixes[-1]], dtype="string")
    except FileNotFoundError as error:
        raise FileError(f"{path} does not exist") from error
    except (OSError, ValueError, EOFError, pd.errors.ParserError) as error:
        raise FileError(f"{path} cannot be read as a table: {error}") from error


def _read_generic(path: Path, described: Mapping[str, str]) -> xr.Dataset:
    table = read_table(path)
    columns = ColumnMap.from_header(table.columns).updated(ColumnMap.from_text(described))
    return profiles_from_table(columns.apply(table, str(path)), str(path))


def _require_tidy(profiles: xr.Dataset, path: Path) -> xr.Dataset:
    missing = {"profile_id", "lon", "lat", "soc", "flag", "row_size"} - set(profiles.variables)
    if missing:
        raise ProfileError(
            f"{path} is not a file of tidy profiles: it lacks {', '.join(sorted(missing))}"
        )
    return profiles
