from __future__ import annotations

import pytest

from ctsm_socnn.errors import ForcingError
from ctsm_socnn.units import canonical_unit, require_unit


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("gC/m^2/s", "gC m-2 s-1"),
        ("gC/m2/s", "gC m-2 s-1"),
        ("gC m-2 s-1", "gC m-2 s-1"),
        ("gC/m^3/s", "gC m-3 s-1"),
        ("gC/m^3", "gC m-3"),
        ("gC/m**2/month", "gC m-2 month-1"),
        ("unitless", "1"),
        ("proportion", "1"),
        ("%", "percent"),
        ("1/s", "s-1"),
        ("meters", "m"),
        ("degK", "K"),
        ("kelvin", "K"),
    ],
)
def test_spellings_become_one(text, canonical):
    assert canonical_unit(text) == canonical


def test_kilograms_of_carbon_are_not_grams():
    with pytest.raises(ForcingError, match="'kgC/m\\^2/s'; it must be in 'gC m-2 s-1'"):
        require_unit("kgC/m^2/s", ("gC m-2 s-1",), "file.nc: LITFALL")


def test_absent_unit_is_refused():
    with pytest.raises(ForcingError, match=r"file\.nc: TSOI has no attribute `units`"):
        require_unit(None, ("K",), "file.nc: TSOI")
