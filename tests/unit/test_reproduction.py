from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from ctsm_socnn.reproduction import toml_text

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
