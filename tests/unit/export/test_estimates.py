from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.errors import ExportError, FileError
from ctsm_socnn.export.estimates import (
    Estimate,
    read_estimate,
    template_estimate,
    with_assignments,
)
from ctsm_socnn.export.paramfile import write_paramfile
from ctsm_socnn.parameters import PARAMETER_NAMES, TurnoverConvention, clm5_defaults
from ctsm_socnn.parameters.ctsm_versions import resolve_version


@pytest.mark.parametrize("version", ["release-clm5.0", "cesm2.2", "ctsm5.4"])
def test_paramfile_as_it_is_gives_itself_back(
    template: Callable[..., Path], tmp_path: Path, version: str
) -> None:
    target, path = resolve_version(version), template(version)
    with netCDF4.Dataset(path, "r+") as dataset:
        dataset[target.item("tau_s2").variable][...] = 6.5  # one that is not CLM5's
    stock = template_estimate(path, target)
    delivery = write_paramfile(
        path, tmp_path / "same.nc", stock.values,
        convention=stock.convention, held=stock.held, version=target, strict=True,
    )  # fmt: skip
    assert delivery.not_delivered == ()
    assert {"fs1s2", "fs1s3", "beta"} <= set(delivery.held)
    assert [w.name for w in delivery.written if w.before not in (None, w.after)] == []
    assert delivery.namelist in ({}, {"decomp_depth_efolding": 10.0})


def test_words_change_what_they_name_and_nothing_else(
    template: Callable[..., Path], tmp_path: Path
) -> None:
    words = ["q10=1.8", "tau_s3=400"]
    options = ["-i", str(template("ctsm5.4")), "-o", str(tmp_path / "p.nc"), "--ctsm", "ctsm5.4"]
    assert main(["export", "paramfile", *options, *words]) == 0
    with netCDF4.Dataset(tmp_path / "p.nc") as new, netCDF4.Dataset(template("ctsm5.4")) as old:
        changed = {
            name: float(new[name][...])
            for name in old.variables
            if new[name][...].tobytes() != old[name][...].tobytes()
        }
    assert changed == {"q10_mr": 1.8, "froz_q10": 1.8, "bgc_tau_s3": 400.0}


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
    given = Estimate(clm5_defaults(), TurnoverConvention.UNNORMALISED, ("fs1s2", "beta"))
    changed = with_assignments(given, ["q10=2", "beta=9e-1"])
    assert changed.values[PARAMETER_NAMES.index("q10")] == 2.0
    assert changed.values[PARAMETER_NAMES.index("beta")] == 0.9
    assert changed.held == ("fs1s2",)  # beta was asked for
    np.testing.assert_array_equal(given.values, clm5_defaults())


def test_a_value_outside_the_published_range_is_said_to_be(
    caplog: pytest.LogCaptureFixture,
) -> None:
    given = Estimate(clm5_defaults(), TurnoverConvention.UNNORMALISED)
    with_assignments(given, ["q10=1.5"])
    assert caplog.text == ""
    with_assignments(given, ["q10=18"])
    assert "q10=18 lies outside the published range, 1.2 to 3\n" in caplog.text
