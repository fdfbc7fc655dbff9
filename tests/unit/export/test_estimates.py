from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import ExportError, FileError
from ctsm_socnn.export.estimates import read_estimate, with_assignments
from ctsm_socnn.parameters import PARAMETER_NAMES, clm5_defaults


def test_clm5_where_no_file_is_given() -> None:
    values, convention = read_estimate(None)
    np.testing.assert_array_equal(values, clm5_defaults())
    assert convention == "unnormalised"


@pytest.mark.parametrize(
    ("names", "variable", "attributes", "words"),
    [
        (PARAMETER_NAMES, "values", {}, "variable parameters"),
        (PARAMETER_NAMES[1:], "parameters", {}, "no value of diffus"),
        (PARAMETER_NAMES, "parameters", {}, "turnover_time_convention is missing"),
        (
            PARAMETER_NAMES,
            "parameters",
            {"turnover_time_convention": "mine"},
            "turnover_time_convention is mine",
        ),
    ],
)
def test_files_that_hold_no_estimate(
    tmp_path: Path,
    names: tuple[str, ...],
    variable: str,
    attributes: dict[str, str],
    words: str,
) -> None:
    path = tmp_path / "estimate.nc"
    xr.Dataset(
        {variable: ("parameter", np.ones(len(names)))},
        coords={"parameter": list(names)},
        attrs=attributes,
    ).to_netcdf(path)
    with pytest.raises(ExportError, match=words):
        read_estimate(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        read_estimate(tmp_path / "nowhere.nc")


def test_assignments_do_not_touch_the_values_given() -> None:
    values = clm5_defaults()
    changed = with_assignments(values, ["q10=2", "beta=9e-1"])
    assert changed[PARAMETER_NAMES.index("q10")] == 2.0
    assert changed[PARAMETER_NAMES.index("beta")] == 0.9
    np.testing.assert_array_equal(values, clm5_defaults())
