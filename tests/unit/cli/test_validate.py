import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.config import load_config
from ctsm_socnn.demo import make_twin_world
from ctsm_socnn.forcing import find_history, read_climatology
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.observations import build_sites, read_profiles
from ctsm_socnn.schemas import open_file


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A twin world with its sites file."""
    directory = tmp_path_factory.mktemp("twin")
    config, _ = load_config(make_twin_world(directory, seed=5, n_profiles=30))
    profiles = read_profiles(config.profiles.file, "generic", config.profiles.columns)
    sites, _ = build_sites(
        read_climatology(find_history(config.forcing.history)),
        profiles,
        open_file(config.covariates.file),
    )
    write_dataset(sites, directory / "sites.nc")
    return directory


def _run(world: Path, name: str = "default") -> list[str]:
    return ["--run", f"{name}={world}/history/twin.clm2.h0a.*.nc"]


def test_runs_are_scored_side_by_side_on_the_same_profiles(world, capsys):
    words = [*_run(world), *_run(world, "again"), "--sites", f"{world}/sites.nc"]
    assert main(["validate", *words]) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines() if line.startswith(("default", "again"))]
    assert lines[0][1:] == lines[1][1:]
    assert "CTSM runs:" in out
    assert "0.3 m" in out


def test_runs_of_different_land_are_compared_on_the_profiles_of_both(world, tmp_path, capsys):
    for path in sorted(world.glob("history/twin.clm2.h0a.*.nc")):
        part = xr.open_dataset(path, decode_times=False)
        part.isel(lat=slice(0, part.sizes["lat"] // 2)).to_netcdf(tmp_path / path.name)
    words = [*_run(world), "--run", f"half={tmp_path}/twin.clm2.h0a.*.nc"]
    assert main(["validate", *words, "--sites", f"{world}/sites.nc", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    for table, name in (("stocks", "method"), ("cells", "run")):
        rows = result[table]
        profiles = {run: [r["n"] for r in rows if r[name] == run] for run in ("default", "half")}
        assert profiles["default"] == profiles["half"], table
    left_out = result["profiles"]["excluded"]["site without an answer from every method"]
    assert main(["validate", *words, "--sites", f"{world}/sites.nc"]) == 0
    assert f"Left out of all: {left_out} sites for which" in capsys.readouterr().out


def test_the_scores_are_those_of_the_soil_pools_in_the_history(world, capsys):
    assert main(["validate", *_run(world), "--sites", f"{world}/sites.nc", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    run = result["profiles"]["methods"]["default"]["run"]
    with xr.open_dataset(world / "sites.nc") as sites:
        assert result["profiles"]["n_sites"] == sites.sizes["site"]
        largest = float(np.nanmax(sites["soc"]))
    assert 0.0 < run["rmse"] < largest
    assert run["nse"] < 0.5  # CLM5's parameters are not those of the twin world
    assert {row["depth"] for row in result["stocks"]} >= {0.3, 1.0, None}  # None: as sampled
    cells = next(row for row in result["cells"] if row["depth"] == 1.0)
    assert 3 <= cells["cells"] <= cells["profiles"] <= 30


def test_land_cover_weights_the_profiles_of_a_cell(world, tmp_path, capsys):
    words = ["validate", *_run(world), "--sites", f"{world}/sites.nc"]
    cover = ["--land-cover", f"{world}/covariates.nc:cov_land_cover"]
    assert main([*words, *cover, "-o", str(tmp_path / "out")]) == 0
    cells = pd.read_csv(tmp_path / "out" / "cells.csv")
    known = cells["covered"].dropna()
    assert 3 <= len(known) <= len(cells)
    assert ((known > 0.0) & (known <= 1.0)).all()
    assert "covariates.nc:cov_land_cover" in (tmp_path / "out" / "report.html").read_text()
    assert main(["validate", *_run(world), *cover, "--totals"]) == 2
    assert "--land-cover needs --sites" in capsys.readouterr().err


def test_scores_come_by_group_with_intervals(world, capsys):
    words = [*_run(world), "--sites", f"{world}/sites.nc", "--by", "depth", "--by", "nbedrock"]
    assert main(["validate", *words, "--json"]) == 0
    groups = json.loads(capsys.readouterr().out)["groups"]
    assert set(groups) == {"depth", "nbedrock"}
    assert sum(row["n"] for row in groups["depth"]) == sum(row["n"] for row in groups["nbedrock"])
    top = next(row for row in groups["depth"] if row["group"] == "0-0.1 m")
    assert top["rmse_low"] <= top["rmse"] <= top["rmse_high"]
    assert main(["validate", *words, "--by", "soil_order"]) == 2
    assert "no variable 'soil_order'" in capsys.readouterr().err


def test_totals_alone_are_enough(world, capsys):
    assert main(["validate", *_run(world), "--totals", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["totals"]["totals"]["default"]
    assert 0.0 < rows[0]["total"] < rows[-1]["total"]


def test_results_are_written_where_asked(world, tmp_path, capsys):
    out = tmp_path / "validation"
    assert main(["validate", *_run(world), "--sites", f"{world}/sites.nc", "-o", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {
        "cells.csv",
        "comparison.nc",
        "observed_modelled.png",
        "report.html",
        "validation.json",
    }
    page = (out / "report.html").read_text()
    assert "NSE of log10" in page
    assert "By depth" in page
    assert "Left out of the scores" in page
    assert json.loads((out / "validation.json").read_text())["profiles"]["n_sites"] == 30


def test_results_are_replaced_only_when_asked(world, tmp_path, capsys, monkeypatch):
    out = tmp_path / "new" / "validation"
    words = ["validate", *_run(world), "--totals", "-o", str(out)]
    assert main(words) == 0
    before = (out / "validation.json").read_text()
    assert main([*words, "--overwrite"]) == 0
    assert (out / "validation.json").read_text() == before
    assert {path.name for path in out.iterdir()} == {"report.html", "validation.json"}
    capsys.readouterr()
    monkeypatch.setattr("ctsm_socnn.cli.validate._totals", lambda _: pytest.fail("computed first"))
    assert main(words) == 2
    assert "validation exists already; choose another name or give --overwrite" in (
        capsys.readouterr().err
    )
    other = tmp_path / "letters"
    other.mkdir()
    assert main([*words[:-1], str(other), "--overwrite"]) == 2
    assert "was not made by ctsm-socnn" in capsys.readouterr().err


def test_a_run_with_its_own_paramfile_passes(world, capsys):
    words = ["--paramfile", f"{world}/ctsm54_params.nc", "--ctsm", "ctsm5.4"]
    assert main(["validate", *_run(world), *words]) == 0
    assert (
        "Run default used all 16 scalars that can be determined, of 23." in capsys.readouterr().out
    )


def test_a_paramfile_that_the_run_did_not_use_fails_the_check(world, tmp_path, capsys):
    other = tmp_path / "other.nc"
    with xr.open_dataset(world / "ctsm54_params.nc") as template:
        changed = template.load()
    changed["bgc_tau_s3"] *= 2.0
    changed.to_netcdf(other, format="NETCDF3_CLASSIC")
    words = ["--paramfile", str(other), "--ctsm", "ctsm5.4"]
    assert main(["validate", *_run(world), *words]) == 1
    assert "Run default did NOT use bgc_tau_s3." in capsys.readouterr().out
    assert main(["validate", *_run(world), *words, "--json"]) == 1
    evidence = json.loads(capsys.readouterr().out)["parameters"]["default"]
    assert [e["name"] for e in evidence if e["verdict"] == "NOT used"] == ["bgc_tau_s3"]
    assert next(e["found"] for e in evidence if e["item"] == "minpsi_hr") is None


def test_the_kernel_is_compared_with_the_run_where_asked(world, tmp_path, capsys):
    words = ["--paramfile", f"{world}/ctsm54_params.nc", "--ctsm", "ctsm5.4", "--kernel"]
    status = main(["validate", *_run(world), *words, "-o", str(tmp_path / "out")])
    out = capsys.readouterr().out
    # The twin world's pools are those of the published scheme, which is not CTSM's.
    assert status == 1
    assert "K_SOM_PAS               relative" in out
    assert "The kernel under run default DIFFERS from it in change of" in out
    assert {"kernel_default.nc", "kernel_default.png"} <= {p.name for p in tmp_path.glob("out/*")}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Parameters in use" in page
    assert "NOT as meant" in page
    assert "Steady state: the run" in page
    fields = json.loads((tmp_path / "out" / "validation.json").read_text())["kernel"]["default"]
    assert all(row["agrees"] for row in fields if row["field"].startswith("K_"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--run", "a=x", "--sites", "s.nc", "--kernel"], "--kernel needs --paramfile"),
        (["--run", "a=x"], "nothing to compare"),
        (["--run", "history.nc", "--sites", "s.nc"], "must read NAME=PATTERN"),
        (["--run", "a=absent*.nc", "--sites", "s.nc"], "no file matches"),
        (["--run", "a=x", "--paramfile", "p.nc"], "needs --ctsm"),
        (["--run", "a=x", "--totals", "--ctsm", "ctsm5.4"], "--ctsm needs --paramfile"),
        (["--run", "a=x", "--totals", "--by", "depth"], "--by needs --sites"),
        (["--run", "a=x", "--totals", "--surface", "s.nc"], "--surface needs --kernel"),
        (["--run", "a=x", "--totals", "--month-ends", "a=y"], "--month-ends needs --kernel"),
    ],
)
def test_wrong_words_are_one_line_and_status_2(words, message, capsys):
    assert main(["validate", *words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_sites_far_from_the_run_are_refused(world, tmp_path, capsys):
    sites = open_file(world / "sites.nc").assign(lon=("site", np.full(30, 20.0)))
    write_dataset(sites, tmp_path / "far.nc")
    assert main(["validate", *_run(world), "--sites", str(tmp_path / "far.nc")]) == 2
    assert "no site lies within 100 km" in capsys.readouterr().err
