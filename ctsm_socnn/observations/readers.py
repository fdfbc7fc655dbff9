"""Profile readers, by name."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from ctsm_socnn.errors import ConfigError
from ctsm_socnn.observations.column_map import Column, ColumnMap, parse_column
from ctsm_socnn.observations.computed_columns import add_computed_columns
from ctsm_socnn.observations.databases import DATABASES, INDIRECT, Database
from ctsm_socnn.observations.profiles import (
    profiles_from_sites,
    profiles_from_table,
    validate_profiles,
)
from ctsm_socnn.observations.tables import read_database, read_table
from ctsm_socnn.schemas import open_file, open_sites

__all__ = ["FORMATS", "read_profiles"]

FORMATS: Final[Mapping[str, str]] = {
    "generic": "table (CSV, TSV, Excel or flat netCDF) whose columns are described, or whose headers "
    "read 'quantity [unit]'",
    "sites": "netCDF sites file, of which only the observations are taken",
    "tidy": "netCDF profiles as `ctsm-socnn profiles convert` writes them",
    **{name: database.meaning for name, database in DATABASES.items()},
}
"""Name of a format -> what it is."""

_NO_CHOICE: Final = (Column("", None), False)
_NOTED: Final = ("oc", "bulk_density")
"""Quantities for which it is noted where an indirect value is used."""


def read_profiles(
    path: str | Path,
    profile_format: str = "generic",
    columns: Mapping[str, str] | None = None,
    bulk_density_from: str | None = None,
) -> xr.Dataset:
    """Read soil profiles into the tidy form, flagged.

    Parameters
    ----------
    path : str or Path
    profile_format : str
        One of `FORMATS`.
    columns : mapping of str to str, optional
        Quantity -> "column [unit]", for the generic format.
    bulk_density_from : str, optional
        Pedotransfer function for missing bulk density, by name.

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
        return validate_profiles(open_file(path), str(path))
    if profile_format in DATABASES:
        database = DATABASES[profile_format]
        table = _select(read_database(path, database), database, str(path))
    else:
        table = _read_generic(path, columns or {})
    return profiles_from_table(table, str(path), bulk_density_from)


def _read_generic(path: Path, described: Mapping[str, str]) -> pd.DataFrame:
    table = read_table(path)
    header = [name for name in table.columns if parse_column(name).name not in described]
    columns = ColumnMap.from_header(header).updated(ColumnMap.from_text(described))
    return columns.apply(table, str(path))


def _select(joined: pd.DataFrame, database: Database, where: str) -> pd.DataFrame:
    """Take the best column that has a value, quantity by quantity and layer by layer."""
    choices = [[_described(text) for text in texts] for texts in database.columns.values()]
    names = [column.name for choice in choices for column, _ in choice]
    joined = add_computed_columns(joined, names, where)
    selected = _identity(joined, database)
    for rank in zip_longest(*choices, fillvalue=_NO_CHOICE):
        for quantity, (column, indirect) in zip(database.columns, rank, strict=True):
            if column.name in joined:
                selected = _filled(selected, joined, quantity, column, indirect, where)
    return selected


def _identity(joined: pd.DataFrame, database: Database) -> pd.DataFrame:
    """Name of each profile, where only several columns together are one."""
    held = [name for name in database.identity if name in joined]
    if not held:
        return pd.DataFrame(index=joined.index)
    return pd.DataFrame({"profile_id": joined[held].fillna("").agg("/".join, axis=1)})


def _described(text: str) -> tuple[Column, bool]:
    """Column, and whether its values are indirect."""
    return parse_column(text.lstrip(INDIRECT)), text.startswith(INDIRECT)


def _filled(
    selected: pd.DataFrame,
    joined: pd.DataFrame,
    quantity: str,
    column: Column,
    indirect: bool,
    where: str,
) -> pd.DataFrame:
    """Fill the gaps of a quantity from one more column, and note where that is indirect."""
    values = ColumnMap({quantity: column}).apply(joined, where)[quantity]
    held = selected.get(quantity, pd.Series(np.nan, index=joined.index, dtype=values.dtype))
    gap = held.isna() & values.notna()
    selected = selected.assign(**{quantity: held.where(~gap, values)})
    if quantity in _NOTED:
        note = f"{quantity}_indirect"
        before = selected.get(note, pd.Series(False, index=joined.index))
        selected = selected.assign(**{note: before | (gap & indirect)})
    return selected
