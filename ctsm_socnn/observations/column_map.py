"""From the columns of a user's table to quantities with known units.

A column is described as `quantity = "column [unit]"`, in the configuration or on the command line;
without a description the header itself may read `quantity [unit]`. Units are never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from ctsm_socnn.errors import ProfileError

__all__ = ["QUANTITIES", "UNITS", "Column", "ColumnMap", "numbers", "parse_column"]

_LENGTH: Final = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254}
_CONTENT: Final = {"g/kg": 1.0, "%": 10.0, "percent": 10.0, "g/100g": 10.0, "kg/kg": 1000.0}
_DENSITY: Final = {"g/cm3": 1.0, "kg/dm3": 1.0, "Mg/m3": 1.0, "t/m3": 1.0, "kg/m3": 0.001}
_SHARE: Final = {"%": 1.0, "percent": 1.0, "fraction": 100.0}
_SHARE_OF_WEIGHT: Final = {**_SHARE, "g/kg": 0.1}
_CARBON: Final = {"gC/m3": 1.0, "g/m3": 1.0, "kgC/m3": 1000.0, "kg/m3": 1000.0}
_ANGLE: Final = {"degrees": 1.0, "deg": 1.0}

UNITS: Final[Mapping[str, Mapping[str, float]]] = {
    "lon": _ANGLE,
    "lat": _ANGLE,
    "top": _LENGTH,
    "bottom": _LENGTH,
    "depth": _LENGTH,
    "oc": _CONTENT,
    "bulk_density": _DENSITY,
    "coarse_fragments": _SHARE,
    "coarse_fragments_weight": _SHARE_OF_WEIGHT,
    "sand": _SHARE_OF_WEIGHT,
    "clay": _SHARE_OF_WEIGHT,
    "soc": _CARBON,
    "soc_sd": _CARBON,
}
"""Numeric quantity -> accepted unit -> factor to m, g kg-1, g cm-3, percent, gC m-3, degrees."""

_TEXT: Final = (
    "profile_id",
    "source",
    "date",
    "position_accuracy",
    "oc_basis",
    "bd_basis",
    "flag",
    "litter",
    "wetland",
)

QUANTITIES: Final = (*UNITS, *_TEXT)
"""All quantities that a table may give."""

_OPTIONAL: Final = ("coarse_fragments_weight", "sand", "clay")
"""Common column names that are not taken unless their unit is given."""

_COLUMN: Final = re.compile(r"\s*(?P<name>.*?)\s*(?:\[(?P<unit>[^\]]*)\])?\s*", re.DOTALL)


@dataclass(frozen=True)
class Column:
    """A column of a table and the unit of its values; None where the quantity has none."""

    name: str
    unit: str | None


@dataclass(frozen=True)
class ColumnMap:
    """Which column holds which quantity.

    Attributes
    ----------
    columns : mapping of str to Column
        Quantity -> column.
    """

    columns: Mapping[str, Column]

    @classmethod
    def from_text(cls, described: Mapping[str, str]) -> ColumnMap:
        """Read descriptions of the form `"column [unit]"`.

        Raises
        ------
        ProfileError
            If a quantity is unknown.
        """
        unknown = sorted(set(described) - set(QUANTITIES))
        if unknown:
            raise ProfileError(
                f"unknown quantity {', '.join(unknown)} in the column map; known are "
                f"{', '.join(QUANTITIES)}"
            )
        return cls({quantity: parse_column(text) for quantity, text in described.items()})

    @classmethod
    def from_header(cls, header: Iterable[str]) -> ColumnMap:
        """Take the columns whose header is a quantity, with its unit in brackets.

        Raises
        ------
        ProfileError
            If two columns are the same quantity.
        """
        columns: dict[str, Column] = {}
        for text in header:
            column = parse_column(text)
            stray = column.unit is None and column.name in _OPTIONAL
            if column.name not in QUANTITIES or stray:
                continue
            if column.name in columns:
                raise ProfileError(
                    f"the columns {columns[column.name].name!r} and {text!r} are both {column.name}; "
                    f"say which one holds it, {column.name}='COLUMN [UNIT]'"
                )
            columns[column.name] = Column(text, column.unit)
        return cls(columns)

    def updated(self, other: ColumnMap) -> ColumnMap:
        """Return a map with the columns of another in place of its own."""
        return ColumnMap({**self.columns, **other.columns})

    def apply(self, table: pd.DataFrame, where: str) -> pd.DataFrame:
        """Select, convert and rename columns.

        Parameters
        ----------
        table : pandas.DataFrame
            As read, all columns text.
        where : str
            File, for messages.

        Returns
        -------
        pandas.DataFrame
            One column a quantity: floats in the package's units, or text.

        Raises
        ------
        ProfileError
            If a column is absent, its unit is unknown, or a value is no number.
        """
        absent = sorted(
            f"{column.name} (for {quantity})"
            for quantity, column in self.columns.items()
            if column.name not in table
        )
        if absent:
            raise ProfileError(
                f"{where} lacks the columns {', '.join(absent)}; it has {', '.join(table.columns)}"
            )
        return pd.DataFrame(
            {
                quantity: _converted(table[column.name], quantity, column, where)
                for quantity, column in self.columns.items()
            }
        )


def parse_column(text: str) -> Column:
    """Split `"column [unit]"`."""
    match = _COLUMN.fullmatch(text)
    assert match is not None
    return Column(match["name"], match["unit"])


def numbers(values: pd.Series[str], name: str, where: str) -> pd.Series[float]:
    """Read a column as numbers, NaN where it is empty.

    Raises
    ------
    ProfileError
        If a value is no number.
    """
    read = pd.to_numeric(values, errors="coerce")
    wrong = read.isna() & values.notna() & (values.astype("string").str.strip() != "")
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ProfileError(
            f"{where}: column {name} holds {values.iloc[row]!r} in data row {row + 1}, "
            "which is not a number; correct it or leave the field empty"
        )
    return read.astype(np.float64)


def _converted(
    values: pd.Series[str], quantity: str, column: Column, where: str
) -> pd.Series[float] | pd.Series[str]:
    if quantity in _TEXT:
        words = values.astype("string").str.strip()
        return words.mask(words == "")
    accepted = UNITS[quantity]
    unit = "degrees" if column.unit is None and accepted is _ANGLE else column.unit
    if unit is None or unit not in accepted:
        said = "has no unit" if unit is None else f"is in '{unit}'"
        raise ProfileError(
            f"{where}: column {column.name} ({quantity}) {said}; write "
            f"'{column.name} [UNIT]' with UNIT one of {', '.join(accepted)}{_hint(quantity, unit)}"
        )
    return numbers(values, column.name, where) * accepted[unit]


def _hint(quantity: str, unit: str | None) -> str:
    if quantity in ("soc", "soc_sd") and unit is not None and "m2" in unit:
        return ". A stock must be divided by the thickness of its layer first"
    return ""
