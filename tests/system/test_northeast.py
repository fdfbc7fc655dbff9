"""The example of the README, from real profiles to usermods, with the quickest sampler."""

from __future__ import annotations

import json
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.parameters import PARAMETER_NAMES

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "northeast_us.toml"
SHORT = (
    "assimilation.sampler=laplace",
    "assimilation.one_batch_starts=1",
    "assimilation.random_draws=5",
    "network.members=1",
    "network.epochs=8",
    "network.imagined_sites=4",
    "evaluation.folds=2",
)
CASES = ("northeast_clm50", "northeast_cesm22", "northeast_ctsm54")


@pytest.fixture(scope="module")
def result(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("northeast") / "out"
    words = ["build-params", str(EXAMPLE), "--data", str(shared_data / "data"), "-o", str(output)]
    for entry in SHORT:
        words += ["--set", entry]
    assert main(words) == 0
    return output


pytestmark = [pytest.mark.real_data, pytest.mark.slow]


def test_excluded_sites_are_counted_and_listed(result: Path) -> None:
    sites = xr.load_dataset(result / "sites.nc")
    listed = (result / "sites_exclusions.csv").read_text().splitlines()[1:]
    assert sites.sizes["site"] + len(listed) == 997
    assert sites.sizes["site"] > 950


def test_every_method_is_scored_in_and_out_of_sample(result: Path) -> None:
    scores = json.loads((result / "evaluation" / "scores.json").read_text())["methods"]
    methods = {"default", "random sampling", "one batch", "network"}
    assert set(scores) == methods | {f"{c}, {s}" for c in CASES for s in ("as it was", "fitted")}
    for name in methods:
        assert set(scores[name]) == {"in", "out"}
        assert all(np.isfinite(s["nse"]) for s in scores[name].values())
    assert scores["one batch"]["out"]["log_nse"] > scores["default"]["out"]["log_nse"]


@pytest.mark.parametrize("case", CASES)
def test_a_case_without_maps_agrees_better_with_the_profiles_than_before(
    result: Path, case: str
) -> None:
    scores = json.loads((result / "evaluation" / "scores.json").read_text())["methods"]
    before, after = (scores[f"{case}, {state}"]["in"] for state in ("as it was", "fitted"))
    assert after["nse"] > before["nse"] + 0.05
    assert after["log_nse"] > before["log_nse"] + 0.15
    readme = (result / "usermods" / case / "README").read_text()
    assert "fitted in the equations of" in readme
    assert "At CTSM's own values, which the estimate assumes:" in readme
    assert "Nothing was left out." in readme
    assert "What is lost" not in readme


def test_figures_are_drawn(result: Path) -> None:
    for figure in ("evaluation/observed_modelled.png", "maps.png"):
        assert (result / figure).read_bytes()[:4] == b"\x89PNG"


def test_maps_have_no_gap_on_the_model_grid(result: Path) -> None:
    maps = xr.load_dataset(result / "model_grid.nc")
    assert maps["q10"].shape == (192, 288)
    land = maps["landmask"].values == 1
    assert all(np.isfinite(maps[name].values[land]).all() for name in PARAMETER_NAMES)


@pytest.mark.parametrize("case", CASES)
def test_usermods_are_whole(result: Path, case: str) -> None:
    directory = result / "usermods" / case
    user_nl = (directory / "user_nl_clm").read_text()
    assert f"paramfile = '{directory / 'paramfile.nc'}'" in user_nl
    assert "create_newcase" in (directory / "README").read_text()
    with netCDF4.Dataset(directory / "gridded_parameters.nc") as gridded:
        assert gridded.data_model == "NETCDF3_64BIT_OFFSET"


def test_only_what_a_version_reads_is_written(result: Path, shared_data: Path) -> None:
    """release-clm5.0 hard-codes turnover times; ctsm5.4 reads them."""
    templates = {
        "northeast_clm50": ("clm_params/clm5_params.c171117.nc", "tau_s3", False),
        "northeast_cesm22": ("clm_params/clm5_params.c200717.nc", "tau_s3", True),
        "northeast_ctsm54": ("ctsm_run/ctsm54_form_params.nc", "bgc_tau_s3", True),
    }
    for case, (template, name, written) in templates.items():
        with (
            netCDF4.Dataset(shared_data / "data" / template) as old,
            netCDF4.Dataset(result / "usermods" / case / "paramfile.nc") as new,
        ):
            assert (old[name][...].item() != new[name][...].item()) is written


def test_a_second_run_keeps_everything(
    result: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["build-params", str(EXAMPLE), "--data", str(shared_data / "data"), "-o", str(result)]
    for entry in SHORT:
        words += ["--set", entry]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert printed.count("already done, kept") == 13
    assert "network" in printed


def test_another_configuration_is_refused(
    result: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["build-params", str(EXAMPLE), "--data", str(shared_data / "data"), "-o", str(result)]
    assert main(words) == 2
    assert "--overwrite" in capsys.readouterr().err
