"""Whatever stands in a configuration or a profile table: a result, or one of our errors."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ctsm_socnn as cs
from ctsm_socnn.observations.quality import EXCLUDING

ODD = (
    *("", " ", "nan", "inf", "-inf", "1e400", "-9999", "1e36", "1e-320", "0x10", "1,2", "1_000"),
    *(
        '"',
        "'",
        "\0",
        "\r",
        "\n",
        "\ufeff",
        "é",
        "٣",
        "[",
        "]",
        "=",
        "true",
        "1979-05-27",
        "9" * 400,
    ),
)
COLUMNS = {
    "top": "top [cm]",
    "bottom": "bottom [cm]",
    "oc": "oc [g/kg]",
    "bulk_density": "bd [g/cm3]",
    "coarse_fragments": "cf [%]",
}
HEADER = ["profile_id", "lon", "lat", "top", "bottom", "oc", "bd", "cf"]

bounded = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def changed_text(draw: st.DrawFn, text: str) -> str:
    """Cut, doubled and sprinkled with what parsers stumble over."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.sampled_from([0, 0, 1, 8, 60])))
        text = text[:start] + draw(st.sampled_from([*ODD, text[stop : stop + 40]])) + text[stop:]
    return text


CELL = st.one_of(
    st.sampled_from(ODD), st.floats(-500.0, 500.0).map(repr), st.integers(-5, 300).map(str)
)
ROWS = st.lists(st.lists(CELL, min_size=8, max_size=8), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def climatology() -> xr.Dataset:
    """Two land cells with forcing."""
    month, layer, lat, lon = 12, 20, 1, 2
    rng = np.random.default_rng(1)
    four, three = ("month", "layer", "lat", "lon"), ("month", "lat", "lon")
    fields = {
        **{name: (four, rng.uniform(0.2, 0.9, (month, layer, lat, lon))) for name in SCALARS},
        **{name: (three, rng.uniform(1.0, 9.0, (month, lat, lon))) for name in FLAT},
        "CELLSAND": (four[1:], np.full((layer, lat, lon), 40.0)),
        "nbedrock": (("lat", "lon"), np.full((lat, lon), 12)),
        "landmask": (("lat", "lon"), np.ones((lat, lon), dtype=int)),
    }
    return xr.Dataset(fields, {"lat": [40.0], "lon": [280.0, 281.0]})


SCALARS = ("TSOI", "W_SCALAR", "O_SCALAR", "FPI_vr")
FLAT = ("ALTMAX", "ALTMAX_LASTYEAR", "CWD_INPUT", "LITR1_INPUT", "LITR2_INPUT", "LITR3_INPUT")


def _read(path: Path, climatology: xr.Dataset | None = None) -> None:
    with suppress(cs.SocnnError):
        profiles = cs.read_profiles(path, columns=COLUMNS, bulk_density_from="alexander-1980")
        soc = profiles["soc"].values[profiles["flag"].values & EXCLUDING == 0]
        assert ((soc > 0.0) & (soc <= 250_000.0)).all()
        if climatology is not None:
            sites, _ = cs.build_sites(climatology, profiles, max_distance_km=500.0)
            assert np.isfinite(sites["lon"].values).all()


@bounded
@given(data=st.data())
def test_any_text_as_configuration(tmp_path: Path, twin_text: str, data: st.DataObject) -> None:
    path = tmp_path / "any.toml"
    path.write_bytes(data.draw(changed_text(twin_text)).encode("utf-8", "surrogatepass"))
    with suppress(cs.SocnnError):
        config, text = cs.load_config(path)
        assert config.seed >= 0
        assert text.strip()


KEYS = (
    "seed",
    "profiles",
    "profiles.columns",
    "case",
    "case.0",
    "grid.target",
    "a.b",
    "",
    ".",
    " ",
)
VALUES = (*ODD, "[1, 2]", "{a=1}", "[[1]]", "{}", "[]", "inf", "-1", "00:00:01", "'x'")


@bounded
@given(st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)), min_size=1, max_size=3))
def test_any_override(twin_file: Path, pairs: list[tuple[str, str]]) -> None:
    with suppress(cs.SocnnError):
        cs.load_config(twin_file, overrides=[f"{key}={value}" for key, value in pairs])


@bounded
@given(rows=ROWS)
def test_any_cells_in_a_profile_table(
    tmp_path: Path, climatology: xr.Dataset, rows: list[list[str]]
) -> None:
    good = ["good", "280.1", "40.1", "0", "10", "20.0", "1.2", "0"]
    path = tmp_path / "any.csv"
    pd.DataFrame([*rows, good], columns=HEADER).to_csv(path, index=False)
    _read(path, climatology)


@bounded
@given(data=st.data())
def test_any_column_description(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "plain.csv"
    pd.DataFrame([["a", 280.1, 40.1, 0, 10, 20.0, 1.2, 0]], columns=HEADER).to_csv(path)
    quantity = data.draw(st.sampled_from([*COLUMNS, "soc", "depth", "no_such_thing"]))
    text = data.draw(changed_text("oc [g/kg]"))
    with suppress(cs.SocnnError):
        cs.read_profiles(path, columns=COLUMNS | {quantity: text})


@bounded
@given(
    data=st.data(),
    packed=st.sampled_from([lambda raw: raw, gzip.compress]),
)
def test_any_bytes_as_a_table(
    tmp_path: Path, data: st.DataObject, packed: Callable[[bytes], bytes]
) -> None:
    text = ",".join(HEADER) + "\n" + "a,280.1,40.1,0,10,20.0,1.2,0\n" * 30
    raw = bytearray(packed(text.encode()))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / ("any.csv" if packed is not gzip.compress else "any.csv.gz")
    path.write_bytes(bytes(raw[: data.draw(st.integers(1, len(raw)))]))
    _read(path)


@pytest.fixture(scope="module")
def twin_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("world")
    return cs.make_twin_world(directory, seed=1, n_profiles=3)


@pytest.fixture(scope="module")
def twin_text(twin_file: Path) -> str:
    return twin_file.read_text(encoding="utf-8")
