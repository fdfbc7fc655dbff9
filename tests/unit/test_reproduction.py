from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from ctsm_socnn.reproduction import toml_text, write_reproduction

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
PLAIN = st.one_of(
    TEXT, st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False), st.just(1e30)
)
TABLES = st.dictionaries(
    TEXT,
    st.recursive(
        PLAIN,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(TABLES)
def test_what_is_written_as_toml_reads_back(table):
    assert tomllib.loads(toml_text(table)) == table


def test_names_with_blanks_and_quotes_stay_one_word(tmp_path):
    results = tmp_path / 'it\'s "my" $(run)'
    results.mkdir()
    xr.Dataset({"x": ("i", [1.0])}).to_netcdf(results / "maps.nc")
    source = tmp_path / "in put.csv"
    source.write_text("a")
    write_reproduction(results / "reproduce", results, {"seed": 1}, [source])
    command = (results / "reproduce" / "README").read_text().split("\n\n")[1].strip()
    assert shlex.split(command) == [
        *("ctsm-socnn", "build-params"),
        str(results / "reproduce" / "configuration.toml"),
        *("-o", "AGAIN"),
    ]


def test_a_database_of_tables_is_listed_file_by_file(tmp_path):
    database = tmp_path / "database"
    database.mkdir()
    for name in ("layers.csv", "profiles.csv"):
        (database / name).write_text(name)
    (tmp_path / "results").mkdir()
    bundle = tmp_path / "results" / "reproduce"
    write_reproduction(bundle, bundle.parent, {}, [database])
    listed = (bundle / "inputs.sha256").read_text().splitlines()
    assert [Path(line.split("  ")[1]).name for line in listed] == ["layers.csv", "profiles.csv"]
