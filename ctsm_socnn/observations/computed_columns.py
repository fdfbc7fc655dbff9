"""Columns that a database lacks, as sums of products of others.

Organic carbon is total carbon less that of carbonates; fragments come in two size classes. Such a
column is described as `a - 0.12 * b`, with blanks around the signs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import pandas as pd

from ctsm_socnn.observations.column_map import numbers

__all__ = ["add_computed_columns", "columns_in"]

_SIGN: Final = re.compile(r"\s([+-])\s")
_PRODUCT: Final = " * "
_NUMBER: Final = re.compile(r"\d+(\.\d*)?")


def add_computed_columns(table: pd.DataFrame, names: Iterable[str], where: str) -> pd.DataFrame:
    """Add the columns whose name is a sum or a product of others.

    Parameters
    ----------
    table : pandas.DataFrame
        As read, all columns text.
    names : iterable of str
        Names of columns, plain or computed.
    where : str
        File, for messages.

    Returns
    -------
    pandas.DataFrame
        With a column for each computed name whose first term is there. Contents that later terms
        lack, or that the laboratory reports below zero, count as zero.

    Raises
    ------
    ProfileError
        If a value is no number.
    """
    computed = {
        name: _sum(table, name, where)
        for name in names
        if (_SIGN.search(name) or _PRODUCT in name) and _columns(_terms(name)[0][1]) <= set(table)
    }
    return table.assign(**computed)


def columns_in(name: str) -> set[str]:
    """Names of the columns that a plain or computed name refers to."""
    return set().union(*(_columns(product) for _, product in _terms(name)))


def _terms(text: str) -> list[tuple[float, str]]:
    """Signs and products of a sum."""
    parts = _SIGN.split(text)
    signs = [1.0, *(1.0 if sign == "+" else -1.0 for sign in parts[1::2])]
    return list(zip(signs, parts[0::2], strict=True))


def _columns(product: str) -> set[str]:
    return {factor for factor in product.split(_PRODUCT) if not _NUMBER.fullmatch(factor)}


def _sum(table: pd.DataFrame, text: str, where: str) -> pd.Series[float]:
    (_, first), *others = _terms(text)
    total = _product(table, first, where)
    for sign, product in others:
        if _columns(product) <= set(table):
            total = total + sign * _product(table, product, where).fillna(0.0).clip(lower=0.0)
    return total


def _product(table: pd.DataFrame, text: str, where: str) -> pd.Series[float]:
    result = pd.Series(1.0, index=table.index)
    for factor in text.split(_PRODUCT):
        result = result * (
            float(factor) if _NUMBER.fullmatch(factor) else numbers(table[factor], factor, where)
        )
    return result
