from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ctsm_socnn.errors import ProfileError
from ctsm_socnn.observations.column_map import UNITS, Column, ColumnMap, parse_column


def text_table(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns, dtype="string")


def test_column_and_unit_are_split():
    assert parse_column("oc_g_per_kg [g/kg]") == Column("oc_g_per_kg", "g/kg")
    assert parse_column("profile") == Column("profile", None)


@pytest.mark.parametrize(
    ("quantity", "unit", "value", "expected"),
    [
        ("top", "cm", "30", 0.3),
        ("oc", "%", "2.5", 25.0),
        ("oc", "g/kg", "25", 25.0),
        ("bulk_density", "kg/m3", "1300", 1.3),
        ("coarse_fragments", "fraction", "0.2", 20.0),
        ("soc", "kgC/m3", "12", 12000.0),
    ],
)
def test_values_are_converted(quantity, unit, value, expected):
    columns = ColumnMap.from_text({quantity: f"x [{unit}]"})
    converted = columns.apply(text_table(x=[value]), "file.csv")
    assert converted[quantity].iloc[0] == pytest.approx(expected, rel=1e-14)


IN_EACH_UNIT = {
    # The same amount in every unit: 1 m, 50 g kg-1, 1.3 g cm-3, 20 %, 12 kgC m-3.
    "top": {"m": "1", "cm": "100", "mm": "1000", "in": "39.37007874015748"},
    "oc": {"g/kg": "50", "%": "5", "percent": "5", "g/100g": "5", "kg/kg": "0.05"},
    "bulk_density": {
        "g/cm3": "1.3",
        "kg/dm3": "1.3",
        "Mg/m3": "1.3",
        "t/m3": "1.3",
        "kg/m3": "1300",
    },
    "coarse_fragments": {"%": "20", "percent": "20", "fraction": "0.2"},
    "clay": {"%": "20", "percent": "20", "fraction": "0.2", "g/kg": "200"},
    "soc": {"gC/m3": "12000", "g/m3": "12000", "kgC/m3": "12", "kg/m3": "12"},
}


@pytest.mark.parametrize("quantity", IN_EACH_UNIT)
def test_every_unit_of_a_quantity_says_the_same(quantity):
    texts = IN_EACH_UNIT[quantity]
    assert set(texts) == set(UNITS[quantity])
    table = text_table(x=list(texts.values()))
    found = [
        ColumnMap.from_text({quantity: f"x [{unit}]"}).apply(table, "t")[quantity].iloc[row]
        for row, unit in enumerate(texts)
    ]
    expected = {"top": 1.0, "oc": 50.0, "bulk_density": 1.3, "soc": 12000.0}.get(quantity, 20.0)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_header_may_describe_itself():
    columns = ColumnMap.from_header(["profile_id", "oc [g/kg]", "sand", "remark"])
    assert set(columns.columns) == {"profile_id", "oc"}


def test_empty_fields_are_nan():
    columns = ColumnMap.from_text({"oc": "x [g/kg]"})
    converted = columns.apply(text_table(x=["1", "", None]), "file.csv")
    np.testing.assert_array_equal(converted["oc"], [1.0, np.nan, np.nan])


def test_unit_is_never_guessed():
    columns = ColumnMap.from_text({"oc": "carbon"})
    with pytest.raises(ProfileError, match=r"carbon \(oc\) has no unit; write 'carbon \[UNIT\]'"):
        columns.apply(text_table(carbon=["1"]), "file.csv")


def test_stock_in_place_of_density_is_refused_with_the_remedy():
    columns = ColumnMap.from_text({"soc": "stock [g/m2]"})
    with pytest.raises(ProfileError, match=r"is in 'g/m2'.*divided by the thickness"):
        columns.apply(text_table(stock=["1"]), "file.csv")


def test_absent_column_is_named_with_those_there():
    columns = ColumnMap.from_text({"oc": "carbon [g/kg]"})
    with pytest.raises(ProfileError, match=r"lacks the columns carbon \(for oc\); it has orgc"):
        columns.apply(text_table(orgc=["1"]), "file.csv")


def test_text_in_place_of_a_number_is_named_with_its_row():
    columns = ColumnMap.from_text({"oc": "carbon [g/kg]"})
    with pytest.raises(ProfileError, match="'trace' in data row 2"):
        columns.apply(text_table(carbon=["1", "trace"]), "file.csv")


def test_unknown_quantity_is_refused():
    with pytest.raises(ProfileError, match="unknown quantity carbon"):
        ColumnMap.from_text({"carbon": "x [g/kg]"})


def test_two_columns_of_one_quantity_are_refused():
    with pytest.raises(ProfileError, match=r"'top \[cm\]' and 'top \[m\]' are both top"):
        ColumnMap.from_header(["top [cm]", "oc [%]", "top [m]"])
