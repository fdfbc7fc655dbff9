from __future__ import annotations

import pytest
import xarray as xr

from ctsm_socnn.errors import ProfileError
from ctsm_socnn.schemas import validate_sites


@pytest.mark.parametrize(
    ("name", "unit", "wanted"),
    [
        ("soc", "kgC m-3", "gC m-3"),
        ("soc_depth", "cm", "m"),
        ("CWD_INPUT", "gC m-2 s-1", "gC m-2 month-1"),
        ("TSOI", "degC", "K"),
    ],
)
def test_sites_in_another_unit_are_refused(
    sites: xr.Dataset, name: str, unit: str, wanted: str
) -> None:
    sites[name].attrs["units"] = unit
    with pytest.raises(
        ProfileError, match=f"my.nc: {name} is in '{unit}'; it must be in '{wanted}'"
    ):
        validate_sites(sites, "my.nc")


@pytest.mark.parametrize(
    ("name", "unit"),
    [("soc", "gC/m^3"), ("soc", "g C m-3"), ("W_SCALAR", "unitless"), ("CELLSAND", "%")],
)
def test_spellings_of_the_same_unit_are_accepted(sites: xr.Dataset, name: str, unit: str) -> None:
    sites[name].attrs["units"] = unit
    assert validate_sites(sites) is sites
