"""Text tables, Excel, flat netCDF, SQLite files and GeoPackages, all columns as text."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import Final, Literal

import pandas as pd

from ctsm_socnn.errors import FileError, ProfileError
from ctsm_socnn.observations.databases import Database, Source
from ctsm_socnn.schemas import open_file

__all__ = ["read_database", "read_table"]

_SEPARATORS: Final = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
_SQLITE: Final = (".sqlite", ".sqlite3", ".db", ".gpkg")
_EXCEL: Final = ".xlsx"
_VIEW: Final = "_vw"
"""What older copies of the laboratory data mart append to the names of their tables."""


def read_table(path: Path) -> pd.DataFrame:
    """Read a text table, the first sheet of an Excel file, or the variables of a flat netCDF file.

    Raises
    ------
    FileError
        If it is missing, damaged or of an unknown kind.
    """
    if path.suffix == ".nc":
        return _read_flat_netcdf(path)
    if path.suffix == _EXCEL:
        return _read_excel(path)
    compression: Literal["gzip"] | None = "gzip" if path.suffix == ".gz" else None
    kind = Path(path.stem).suffix if compression else path.suffix
    if kind not in _SEPARATORS:
        raise FileError(
            f"{path}: a profile table ends in {', '.join(_SEPARATORS)} (with or without .gz), "
            ".xlsx or .nc"
        )
    try:
        return pd.read_csv(path, sep=_SEPARATORS[kind], dtype="string", compression=compression)
    except FileNotFoundError as error:
        raise FileError(f"{path} does not exist") from error
    except (OSError, ValueError, EOFError, zlib.error, pd.errors.ParserError) as error:
        raise FileError(f"{path} cannot be read as a table: {error}") from error


def _read_flat_netcdf(path: Path) -> pd.DataFrame:
    """Read the variables that lie on one dimension, one row a sample."""
    dataset = open_file(path).reset_coords()
    dims = {str(item.dims[0]) for item in dataset.data_vars.values() if item.ndim == 1}
    if len(dims) != 1:
        raise FileError(
            f"{path} is no flat table: its variables must lie on one dimension, one row a sample; "
            f"found {', '.join(sorted(dims)) or 'none'}"
        )
    names = [str(name) for name, item in dataset.data_vars.items() if item.ndim == 1]
    columns = {name: pd.Series(dataset[name].values).astype("string") for name in names}
    return pd.DataFrame(columns)


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
    for source in database.sources:
        table = _read_source(path, source, single=len(database.sources) == 1)
        if table is not None:
            table = _preferred_first(table.rename(columns=dict(source.rename)), source)
            joined = table if joined is None else _join(joined, table, source, path)
    assert joined is not None
    return joined


def _read_source(path: Path, source: Source, *, single: bool) -> pd.DataFrame | None:
    if path.suffix in _SQLITE:
        return _read_sqlite(path, source)
    if path.is_file():
        if not single:
            raise FileError(f"{path} is one table; give the directory that holds all of them")
        return read_table(path)
    named = sorted(item for item in path.iterdir() if source.name in item.name.lower())
    found = [item for item in named if set(item.suffixes) & set(_SEPARATORS)]
    if source.in_parts:
        found = found or [item for item in named if item.suffix == _EXCEL]
        if found:
            return pd.concat(map(read_table, found), ignore_index=True)
    if _is_one(found, source, path):
        return read_table(found[0])
    return None


def _read_sqlite(path: Path, source: Source) -> pd.DataFrame | None:
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
            table = pd.read_sql_query(f'SELECT * FROM "{found[0]}"', connection)
    except (sqlite3.Error, UnicodeDecodeError, pd.errors.DatabaseError) as error:
        raise FileError(f"{path} cannot be read as SQLite: {error}") from error
    numbers_and_text = table.select_dtypes(include=["number", "object", "string"])
    return numbers_and_text.astype("string")


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
