"""The same soil in other units is the same soil; history units are known however CLM spells them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctsm_socnn.observations import read_profiles
from ctsm_socnn.observations.column_map import UNITS
from ctsm_socnn.units import canonical_unit

QUANTITIES = ("top", "bottom", "oc", "bulk_density", "coarse_fragments")
SOIL = {"top": 0.1, "bottom": 0.3, "oc": 25.0, "bulk_density": 1.25, "coarse_fragments": 12.0}
"""In m, g kg-1, g cm-3 and percent."""


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(units=st.tuples(*(st.sampled_from(sorted(UNITS[name])) for name in QUANTITIES)))
def test_a_layer_is_the_same_in_any_units(tmp_path: Path, units: tuple[str, ...]) -> None:
    columns = dict(zip(QUANTITIES, units, strict=True))
    row = {name: SOIL[name] / UNITS[name][unit] for name, unit in columns.items()}
    path = tmp_path / "layer.csv"
    pd.DataFrame([{"profile_id": "a", "lon": 280.03, "lat": 40.04, **row}]).to_csv(path)
    described = {name: f"{name} [{unit}]" for name, unit in columns.items()}
    profiles = read_profiles(path, columns=described)
    np.testing.assert_allclose(profiles["top"], 0.1, rtol=1e-12)
    np.testing.assert_allclose(profiles["bottom"], 0.3, rtol=1e-12)
    np.testing.assert_allclose(profiles["soc"], 25.0 * 1.25 * 1000.0 * 0.88, rtol=1e-12)


POWERS = st.lists(
    st.tuples(st.sampled_from(["m", "s", "kg", "month"]), st.integers(1, 3)), max_size=3
)


@given(POWERS, st.sampled_from(["", "^", "**"]))
def test_a_quotient_is_known_in_any_spelling(divisors: list[tuple[str, int]], sign: str) -> None:
    with_slashes = "gC" + "".join(f"/{unit}{sign}{n}" for unit, n in divisors)
    with_powers = "gC" + "".join(f" {unit}-{n}" for unit, n in divisors)
    assert canonical_unit(with_slashes) == canonical_unit(with_powers)


@given(st.text(max_size=20))
def test_a_canonical_unit_stays_as_it_is(text: str) -> None:
    once = canonical_unit(text)
    assert canonical_unit(once) == once


def test_quotients_of_the_first_power_are_written_with_it():
    assert canonical_unit("gC/m^2/s") == canonical_unit("gC m-2 s-1") == "gC m-2 s-1"
    assert canonical_unit("kgC/m2/s") != "gC m-2 s-1"
