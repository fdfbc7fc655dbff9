"""The whole way on the twin world: once through, again, and after kills."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.demo import make_twin_world
from ctsm_socnn.demo.answer import EXPECTED_ORDER
from ctsm_socnn.parameters import PARAMETER_NAMES, lower_bounds, upper_bounds
from ctsm_socnn.provenance import checksum

SHORT = (
    "assimilation.chains=2",
    "assimilation.warmup=100",
    "assimilation.draws=100",
    "assimilation.one_batch_starts=2",
    "assimilation.one_batch_prior='normal'",
    "assimilation.errors='errors.toml'",
    "assimilation.random_draws=5",
    "assimilation.largest_rhat=10",
    "assimilation.smallest_ess=0",
    "network.members=1",
    "network.epochs=20",
    "network.calibrate=2",
    "evaluation.folds=3",
    "evaluation.importance=true",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("world")
    (directory / "errors.toml").write_text("[default]\nobservation_sd = 0.3\n")
    return make_twin_world(directory, seed=9, n_profiles=60)


def _words(configuration: Path, results: Path) -> list[str]:
    short = [word for setting in SHORT for word in ("--set", setting)]
    return ["build-params", str(configuration), "-o", str(results), "--workers", "1", *short]


@pytest.fixture(scope="module")
def results(world, tmp_path_factory) -> Path:
    """Results of an undisturbed run."""
    directory = tmp_path_factory.mktemp("run") / "results"
    assert main(_words(world, directory)) == 0
    return directory


def test_every_method_is_scored_in_and_out_of_sample(results):
    scores = json.loads((results / "evaluation" / "scores.json").read_text())
    cases = [f"{c}, {s}" for c in ("twin_clm50", "twin_ctsm54") for s in ("as it was", "fitted")]
    assert list(scores["methods"]) == [*EXPECTED_ORDER, *cases]
    for name in EXPECTED_ORDER:
        by_sample = scores["methods"][name]
        assert set(by_sample) == {"in", "out"}
        assert {"nse", "r2", "rmse", "bias", "log_nse", "stock_nse"} <= set(by_sample["out"])
    in_sample = scores["methods"]["default"]["in"]
    assert in_sample == scores["methods"]["default"]["out"]


def test_errors_and_priors_of_the_configuration_are_used(results):
    with xr.open_dataset(results / "sites.nc") as sites:
        assert (sites["error_observation_sd"] == 0.3).all()
        assert sites["error_correlation_length"].isnull().all()
    with xr.open_dataset(results / "one_batch.nc") as one_batch:
        assert one_batch.attrs["prior"].startswith("normal between the bounds")
    with xr.open_dataset(results / "posterior.nc") as posterior:
        assert posterior.attrs["prior"] == "uniform within the bounds"


def test_the_maps_make_soil_carbon_with_intervals(results):
    directory = results / "soil_carbon"
    summary = json.loads((directory / "summary.json").read_text())
    with xr.open_dataset(directory / "soil_carbon.nc") as carbon:
        metre, low, high = (carbon[f"soc_stock_100cm{end}"].values for end in ("", "_low", "_high"))
    known = np.isfinite(metre)
    assert known.sum() == summary["cells_with_soil_carbon"] > 0
    assert (low[known] < high[known]).all()
    assert summary["broken_limits"] == {}
    assert summary["totals_pgc"]["soc_stock_30cm"]["total"] > 0.0
    assert (directory / "soil_carbon.png").stat().st_size > 10_000


def test_maps_on_the_model_grid_have_no_gap_and_keep_their_bounds(results):
    with xr.open_dataset(results / "model_grid.nc") as maps:
        land = maps["landmask"].values > 0
        values = np.stack([maps[name].values[land] for name in PARAMETER_NAMES], axis=-1)
    assert land.any()
    assert np.isfinite(values).all()
    assert (values >= lower_bounds() - 1e-12).all()
    assert (values <= upper_bounds() + 1e-12).all()


def test_both_cases_get_a_usermods_directory(results):
    cases = {path.name for path in (results / "usermods").iterdir()}
    assert cases == {"twin_clm50", "twin_ctsm54"}
    for case in cases:
        namelist = (results / "usermods" / case / "user_nl_clm").read_text()
        assert "paramfile" in namelist


def test_figures_and_the_report_are_there(results):
    assert (results / "evaluation" / "observed_modelled.png").stat().st_size > 10_000
    assert (results / "maps.png").stat().st_size > 10_000
    page = (results / "report.html").read_text()
    assert "at_sea" in page
    assert "Intervals at unseen sites" in page
    assert "Over land, PgC" in page
    assert "Loss of skill when shuffled" in page


def test_the_bundle_makes_the_same_values_again(results, tmp_path, capsys):
    bundle = results / "reproduce"
    command = (bundle / "README").read_text().split("\n\n")[1].strip()
    assert command.startswith("ctsm-socnn build-params ")
    again = tmp_path / "again"
    assert main([*shlex.split(command)[1:-1], str(again), "--workers", "1"]) == 0
    first, second = (d / "reproduce" / "values.sha256" for d in (results, again))
    assert len(first.read_text().splitlines()) >= 10
    assert first.read_text() == second.read_text()
    listed = (bundle / "inputs.sha256").read_text().splitlines()
    assert all(checksum(Path(path)) == digest for digest, path in map(str.split, listed))


def test_given_again_nothing_is_done_again(world, results, capsys):
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*.nc")}
    assert main(_words(world, results)) == 0
    assert capsys.readouterr().out.count("already done, kept") == 14
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*.nc")} == before


def test_the_outcome_as_json_and_progress_beside_it(world, results, capsys):
    assert main([*_words(world, results), "--json"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert told["scores"] == json.loads((results / "evaluation" / "scores.json").read_text())
    assert [case["name"] for case in told["cases"]] == ["twin_clm50", "twin_ctsm54"]
    assert all(Path(case["usermods"]).is_dir() for case in told["cases"])
    assert captured.err.count("already done, kept") == 14


def test_other_settings_do_not_mix_with_finished_results(world, results, capsys):
    assert main([*_words(world, results), "--set", "network.epochs=30"]) == 2
    assert "was made with another configuration" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_the_undisturbed_one(world, results, tmp_path):
    broken = tmp_path / "broken"
    for stage in range(1, 13):
        _run_until_killed(world, broken, stage)
    assert main(_words(world, broken)) == 0
    scores = [(d / "evaluation" / "scores.json").read_text() for d in (results, broken)]
    assert scores[0] == scores[1]
    for name in ("posterior.nc", "maps.nc", "model_grid.nc"):
        with xr.open_dataset(results / name) as ours, xr.open_dataset(broken / name) as theirs:
            xr.testing.assert_equal(ours, theirs)
    left = [path.name for path in broken.rglob(".*") if path.name != ".lock"]
    assert not left


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_run_that_is_asked_to_stop_says_how_to_go_on(world, tmp_path, number, status, said):
    results = tmp_path / "results"
    process = _begin(world, results, 4, "--workers", "2")
    os.killpg(process.pid, number)
    _, error = process.communicate(timeout=120)
    assert process.returncode == status
    assert error.splitlines()[-1] == (
        f"ctsm-socnn build-params: {said}; run the same command again: it continues where it stopped"
    )
    assert [path.name for path in results.rglob(".*")] == [".lock"]


def _begin(configuration: Path, results: Path, stage: int, *more: str) -> subprocess.Popen[str]:
    """Start the run and come back as soon as it says that the stage begins."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "ctsm_socnn", *_words(configuration, results), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What is started in the background of a script ignores Ctrl-C, and so would this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    begins = (line.startswith(f"[{stage}/") and line.endswith("...\n") for line in process.stdout)
    assert any(begins)
    return process


def _run_until_killed(configuration: Path, results: Path, stage: int) -> None:
    """Kill the run without warning soon after the stage begins."""
    process = _begin(configuration, results, stage)
    time.sleep(0.03 * (stage % 4))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (results / "report.html").exists()
