"""Text tables, Excel, flat netCDF, SQLite files and GeoPackages, all columns as text."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctsm_socnn.errors import FileError, ProfileError
from ctsm_socnn.observations.column_map import parse_column
from ctsm_socnn.observations.computed_columns import columns_in
from ctsm_socnn.observations.databases import INDIRECT, Database, Source
from ctsm_socnn.schemas import open_file

__all__ = ["read_database", "read_table"]

_SEPARATORS: Final = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
_SQLITE: Final = (".sqlite", ".sqlite3", ".db", ".gpkg")
_EXCEL: Final = ".xlsx"
_VIEW: Final = "_vw"
"""What older copies of the laboratory data mart append to the names of their tables."""


def read_table(path: Path, wanted: Collection[str] | None = None) -> pd.DataFrame:
    """Read a text table, the first sheet of an Excel file, or the variables of a flat netCDF file.

    Parameters
    ----------
    path : Path
    wanted : collection of str, optional
        Columns of a text table to read, those that it has; by default all. The tables of large
        databases have a hundred columns more than are needed.

    Raises
    ------
    FileError
        If it is missing, damaged or of an unknown kind.
    """
    suffix = path.suffix.lower()
    if suffix == ".nc":
        return _read_flat_netcdf(path)
    if suffix == _EXCEL:
        return _read_excel(path)
    compression: Literal["gzip"] | None = "gzip" if suffix == ".gz" else None
    kind = Path(path.stem).suffix.lower() if compression else suffix
    if kind not in _SEPARATORS:
        raise FileError(
            f"{path}: a profile table ends in {', '.join(_SEPARATORS)} (with or without .gz), "
            ".xlsx or .nc"
        )
    try:
        table = pd.read_csv(
            path,
            sep=_SEPARATORS[kind],
            dtype="string",
            compression=compression,
            usecols=None if wanted is None else lambda name: name in wanted,
        )
    except FileNotFoundError as error:
        raise FileError(f"{path} does not exist") from error
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is not in UTF-8 ({error}); save it in that encoding") from error
    except (OSError, ValueError, EOFError, zlib.error, pd.errors.ParserError) as error:
        raise FileError(f"{path} cannot be read as a table: {error}") from error
    if wanted is None and table.shape[1] == 1:
        raise FileError(
            f"{path} holds a single column, {table.columns[0]!r}; the fields of a table that ends in "
            f"{kind} are separated by {_SEPARATORS[kind]!r}"
        )
    # What pandas does with more fields than names: the first columns become names of rows.
    if not isinstance(table.index, pd.RangeIndex):
        raise FileError(
            f"{path}: the first row holds more fields than the header names; every value would stand "
            "under a wrong name. Correct the header, or remove separators at the ends of rows"
        )
    return table


def _read_flat_netcdf(path: Path) -> pd.DataFrame:
    """Read the variables that lie on one dimension, one row a sample."""
    dataset = open_file(path).reset_coords()
    dims = {str(item.dims[0]) for item in dataset.data_vars.values() if item.ndim == 1}
    if len(dims) != 1:
        raise FileError(
            f"{path} is not a flat table: its variables must lie on one dimension, one row a sample; "
            f"found {', '.join(sorted(dims)) or 'none'}. What `ctsm-socnn profiles convert` wrote has "
            "the format tidy"
        )
    names = [str(name) for name, item in dataset.data_vars.items() if item.ndim == 1]
    return _as_text(pd.DataFrame({name: _decoded(dataset[name].values) for name in names}))


def _decoded(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Text of a character array, which has no encoding; other values as they are."""
    if values.dtype.kind != "S":
        return values
    return np.char.decode(values.astype(np.bytes_), "utf-8", "replace")


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Values as text; whole numbers without a point, which a gap beside them would give them."""
    return table.convert_dtypes().astype("string")


def _read_excel(path: Path) -> pd.DataFrame:
    try:
        return pd.read_excel(path, dtype="string")
    except ImportError as error:
        raise FileError(
            f"{path} is an Excel file, which needs openpyxl; `pip install 'ctsm-socnn[excel]'`, or "
            "save it as CSV"
        ) from error
    except FileNotFoundError as error:
        raise FileError(f"{path} does not exist") from error
    except Exception as error:  # of a damaged file openpyxl says whatever its parts say
        raise FileError(f"{path} cannot be read as Excel: {error}") from error


def read_database(path: Path, database: Database) -> pd.DataFrame:
    """Join the tables of a database.

    Parameters
    ----------
    path : Path
        Directory with the tables, an SQLite file or GeoPackage, or the only table.
    database : Database

    Returns
    -------
    pandas.DataFrame
        One row a layer; columns of the tables before win over columns of the same name.

    Raises
    ------
    FileError, ProfileError
        If a table is missing, ambiguous or lacks a key.
    """
    if not path.exists():
        raise FileError(f"{path} does not exist")
    joined: pd.DataFrame | None = None
    wanted = _columns_of(database)
    for source in database.sources:
        table = _read_source(path, source, wanted, single=len(database.sources) == 1)
        if table is not None:
            table = _preferred_first(table.rename(columns=dict(source.rename)), source)
            joined = table if joined is None else _join(joined, table, source, path)
    assert joined is not None
    return joined


def _columns_of(database: Database) -> set[str]:
    """Columns that are needed of any table of a database."""
    described = [text for texts in database.columns.values() for text in texts]
    held = (columns_in(parse_column(text.lstrip(INDIRECT)).name) for text in described)
    names = set(database.identity).union(*held)
    return names.union(*({*s.keys, *s.rename, *s.prefer} for s in database.sources))


def _read_source(
    path: Path, source: Source, wanted: Collection[str], *, single: bool
) -> pd.DataFrame | None:
    if path.suffix.lower() in _SQLITE:
        return _read_sqlite(path, source, wanted)
    if path.is_file():
        if not single:
            raise FileError(f"{path} is one table; give the directory that holds all of them")
        return read_table(path, wanted)
    named = sorted(item for item in path.iterdir() if source.name in item.name.lower())
    found = [item for item in named if set(map(str.lower, item.suffixes)) & set(_SEPARATORS)]
    if source.in_parts:
        found = found or [item for item in named if item.suffix.lower() == _EXCEL]
        if found:
            return pd.concat([read_table(part, wanted) for part in found], ignore_index=True)
    if _is_one(found, source, path):
        return read_table(found[0], wanted)
    return None


def _read_sqlite(path: Path, source: Source, wanted: Collection[str]) -> pd.DataFrame | None:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            names = pd.read_sql_query(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')", connection
            )["name"]
            found = [
                name for name in names if name.lower().removesuffix(_VIEW).endswith(source.name)
            ]
            if not _is_one(found, source, path):
                return None
            header = pd.read_sql_query(f'SELECT * FROM "{found[0]}" LIMIT 0', connection)
            chosen = ", ".join(f'"{name}"' for name in header if name in wanted) or "1"
            table = pd.read_sql_query(f'SELECT {chosen} FROM "{found[0]}"', connection)
    except (sqlite3.Error, UnicodeDecodeError, pd.errors.DatabaseError) as error:
        raise FileError(f"{path} cannot be read as SQLite: {error}") from error
    return _as_text(table)


def _is_one(found: list[Path] | list[str], source: Source, path: Path) -> bool:
    """Whether the table is there, once; a required one must be."""
    if len(found) > 1:
        raise FileError(
            f"{path} holds several tables whose name has '{source.name}' "
            f"({', '.join(str(getattr(item, 'name', item)) for item in found)}); leave one"
        )
    if not found and source.required:
        raise FileError(f"{path} holds no table whose name has '{source.name}'")
    return len(found) == 1


def _preferred_first(table: pd.DataFrame, source: Source) -> pd.DataFrame:
    for name, value in source.prefer.items():
        if name in table:
            others = table[name].astype("string").str.strip().fillna("") != value
            table = table.loc[others.sort_values(kind="stable").index]
    return table.reset_index(drop=True)


def _join(joined: pd.DataFrame, table: pd.DataFrame, source: Source, path: Path) -> pd.DataFrame:
    keys = list(source.keys)
    absent = [key for key in keys if key not in table or key not in joined]
    if absent:
        raise ProfileError(
            f"{path}: table '{source.name}' cannot be joined, {', '.join(absent)} is missing"
        )
    fresh = [name for name in table.columns if name in keys or name not in joined]
    once = table[fresh].drop_duplicates(subset=keys)
    return joined.merge(once, on=keys, how="left")
