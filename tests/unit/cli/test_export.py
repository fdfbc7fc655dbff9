from __future__ import annotations

import json
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.parameters import PARAMETER_NAMES, PARAMETERS, clm5_defaults
from ctsm_socnn.parameters.ctsm_versions import Place, resolve_version


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """All scalars that ctsm5.4 reads, with some plausible value."""
    path = tmp_path / "template with space.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as dataset:
        for item in resolve_version("ctsm5.4").in_place(Place.PARAMFILE):
            value = {"minpsi_hr": -2.0, "maxpsi_hr": -0.002}.get(item.key, 0.5)
            dataset.createVariable(item.name, "f8", ())[...] = value
        dataset.createDimension("variants", 2)
        dataset.createDimension("pft", 15)
        dataset.createVariable("rootprof_beta", "f8", ("variants", "pft"))[:] = 0.95
    return path


def value(path: Path, name: str) -> float:
    with netCDF4.Dataset(path) as dataset:
        return float(dataset[name][...])


def test_parameters_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parameters"]) == 0
    assert main(["parameters", "--ctsm", "release-clm5.0.37"]) == 0
    printed = capsys.readouterr().out
    for parameter in PARAMETERS:
        assert printed.count(f"\n{parameter.name} ") == 2
    assert "1/18.5" in printed


def test_unknown_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parameters", "--ctsm", "clm6"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "nearest known" in error


def test_paramfile_with_assignments(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new.nc"
    words = ["export", "paramfile", "-i", str(template), "-o", str(output), "--ctsm", "ctsm5.4"]
    assert main([*words, "efolding=0.7", "fl1s1=0.3", "q10=1.8", "beta=0.9"]) == 0
    assert value(output, "decomp_depth_efolding") == 0.7
    assert value(output, "bgc_rf_l1s1") == pytest.approx(0.7)
    told = capsys.readouterr().out
    assert "Not delivered:\n  beta " in told
    assert "At CTSM's own values, which the estimate assumes: fs1s2, fs1s3.\n" in told
    assert "q10_mr: also sets the Q10 of plant maintenance respiration" in told
    assert "spin-up" not in told  # no turnover time was changed


@pytest.mark.parametrize("form", ["paramfile", "usermods"])
def test_strict_judges_what_was_asked_for(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    words = ["export", form, "-i", str(template), "--ctsm", "ctsm5.4", "--strict"]
    assert main([*words, "-o", str(tmp_path / "new"), "q10=1.8", "efolding=0.7"]) == 0
    capsys.readouterr()
    assert main([*words, "-o", str(tmp_path / "other"), "q10=1.8", "beta=0.9"]) == 2
    error = capsys.readouterr().err
    assert "(beta: hard-coded" in error
    assert "fs1s2" not in error
    estimate = tmp_path / "one_batch.nc"
    xr.Dataset(
        {"parameters": ("parameter", clm5_defaults())},
        coords={"parameter": list(PARAMETER_NAMES)},
        attrs={"turnover_time_convention": "unnormalised"},
    ).to_netcdf(estimate)
    given = ["--estimate", str(estimate), "-o", str(tmp_path / "other"), "q10=1.8"]
    assert main([*words, *given]) == 2
    assert "fs1s2" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_what_was_delivered_as_json(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", "paramfile", "-i", str(template), "-o", str(tmp_path / "new.nc")]
    assert main([*words, "--ctsm", "ctsm5.4", "efolding=0.7", "beta=0.9", "--json"]) == 0
    delivery = json.loads(capsys.readouterr().out)["delivery"]
    written = {entry["name"]: entry for entry in delivery["written"]}
    assert written["decomp_depth_efolding"]["after"] == 0.7
    assert written["decomp_depth_efolding"]["place"] == "paramfile"
    assert [entry["parameter"] for entry in delivery["not_delivered"]] == ["beta"]
    assert delivery["held"] == ["fs1s2", "fs1s3"]


def test_usermods_as_json(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "mods"
    words = ["export", "usermods", "-i", str(template), "-o", str(target), "--ctsm", "ctsm5.4"]
    assert main([*words, "q10=1.8", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["directory"] == str(target)
    assert told["create_newcase"].startswith("./cime/scripts/create_newcase")
    assert told["gridded"] is None


@pytest.mark.parametrize("word", ["tau_s9=1", "tau_s3", "tau_s3=long"])
def test_wrong_assignment(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    output = tmp_path / "new.nc"
    words = ["export", "paramfile", "-i", str(template), "-o", str(output), "--ctsm", "ctsm5.4"]
    assert main([*words, word]) == 2
    assert word in capsys.readouterr().err
    assert not output.exists()


def test_estimate_from_a_file(template: Path, tmp_path: Path) -> None:
    estimate = tmp_path / "one_batch.nc"
    numbers = clm5_defaults()
    numbers[PARAMETER_NAMES.index("efolding")] = 0.4
    order = list(reversed(range(len(PARAMETER_NAMES))))
    xr.Dataset(
        {"parameters": ("parameter", numbers[order])},
        coords={"parameter": [PARAMETER_NAMES[i] for i in order]},
        attrs={"turnover_time_convention": "unnormalised"},
    ).to_netcdf(estimate)
    output = tmp_path / "new.nc"
    words = ["export", "paramfile", "-i", str(template), "-o", str(output), "--ctsm", "ctsm5.4"]
    assert main([*words, "--estimate", str(estimate)]) == 0
    assert value(output, "decomp_depth_efolding") == 0.4


def test_gridded_and_usermods(template: Path, tmp_path: Path) -> None:
    maps = xr.Dataset(
        {
            n: (("lat", "lon"), np.full((2, 3), v))
            for n, v in zip(PARAMETER_NAMES, clm5_defaults(), strict=True)
        },
        coords={"lat": [0.0, 10.0], "lon": [0.0, 10.0, 20.0]},
        attrs={"turnover_time_convention": "unnormalised"},
    )
    maps.to_netcdf(tmp_path / "maps.nc")
    common = ["--ctsm", "ctsm5.4"]
    gridded = ["export", "gridded", "-i", str(tmp_path / "maps.nc"), "-o", str(tmp_path / "g.nc")]
    assert main([*gridded, *common]) == 0
    assert (tmp_path / "g.nc").exists()
    usermods = ["export", "usermods", "-i", str(template), "-o", str(tmp_path / "mods")]
    assert main([*usermods, *common, "--maps", str(tmp_path / "maps.nc")]) == 0
    assert (tmp_path / "mods" / "user_nl_clm").exists()


def test_version_must_be_named(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", "paramfile", "-i", str(template), "-o", str(tmp_path / "new.nc")]
    assert main(words) == 2
    assert "--ctsm" in capsys.readouterr().err
    assert main([*words, "--ctsm-root", str(tmp_path)]) == 2
    assert "not a checkout of CTSM" in capsys.readouterr().err


@pytest.fixture
def model_grid(tmp_path: Path) -> Path:
    path = tmp_path / "surfdata.nc"
    lat, lon = np.meshgrid([0.0, 10.0], [0.0, 10.0, 20.0], indexing="ij")
    dims = ("lsmlat", "lsmlon")
    xr.Dataset(
        {"LATIXY": (dims, lat), "LONGXY": (dims, lon), "LANDFRAC_PFT": (dims, np.ones((2, 3)))}
    ).to_netcdf(path)
    return path


def test_uniform_maps_and_stream(
    template: Path, model_grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = ["--model-grid", str(model_grid)]
    usermods = ["export", "usermods", "-i", str(template), "-o", str(tmp_path / "mods")]
    assert main([*usermods, "--ctsm", "ctsm5.4", "--uniform", *grid, "beta=0.9"]) == 0
    with netCDF4.Dataset(tmp_path / "mods" / "gridded_parameters.nc") as dataset:
        np.testing.assert_array_equal(dataset["beta"][:], np.full((2, 3), 0.9))
    assert main([*usermods, "--ctsm", "ctsm5.4", "--uniform", "--overwrite"]) == 2
    assert "--model-grid" in capsys.readouterr().err
    maps = xr.Dataset(
        {n: (("lat", "lon"), np.full((2, 3), 0.5)) for n in ("fl1s1", "beta")},
        coords={"lat": [0.0, 10.0], "lon": [0.0, 10.0, 20.0]},
        attrs={"turnover_time_convention": "unnormalised"},
    )
    maps.to_netcdf(tmp_path / "maps.nc")
    stream = ["export", "stream", "-i", str(tmp_path / "maps.nc"), "-o", str(tmp_path / "s.nc")]
    assert main([*stream, "--mesh", str(tmp_path / "mesh.nc"), "--ctsm", "ctsm5.4", *grid]) == 0
    assert (tmp_path / "mesh.nc").exists()


def test_testmods_need_a_checkout(
    template: Path, model_grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", "testmods", "-i", str(template), "-o", str(tmp_path)]
    assert main([*words, "--model-grid", str(model_grid)]) == 2
    assert "--ctsm-root" in capsys.readouterr().err
