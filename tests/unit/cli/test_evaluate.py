"""The command that judges methods at sites that they have not seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.netcdf import write_dataset

QUICK = ("nearest profiles", "default", "depth only")


@pytest.fixture
def files(sites: xr.Dataset, posterior: xr.Dataset, tmp_path: Path) -> Path:
    write_dataset(sites, tmp_path / "sites.nc")
    write_dataset(posterior, tmp_path / "posterior.nc")
    return tmp_path


def _evaluate(files: Path, *words: str) -> int:
    sites, output = str(files / "sites.nc"), str(files / "out")
    return main(["evaluate", sites, "-o", output, "--folds", "2", "--methods", *QUICK, *words])


def test_scores_are_printed_and_written(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _evaluate(files, "--json", "--in-sample", "--seed", "3") == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed["methods"]) == list(QUICK)
    assert all(set(found) == {"in", "out"} for found in printed["methods"].values())
    assert printed["n_sites"] == 40
    assert json.loads((files / "out" / "scores.json").read_text())["methods"] == printed["methods"]
    assert (files / "out" / "observed_modelled.png").stat().st_size > 1000
    with xr.open_dataset(files / "out" / "comparison.nc") as comparison:
        assert comparison.attrs["seed"] == "3"
        assert comparison.attrs["folds"] == "2 folds by location"
        assert "sites.nc" in comparison.attrs["input_sites"]


def test_the_table_is_in_the_order_asked_for(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _evaluate(files) == 0
    out = capsys.readouterr().out
    assert out.index("\nnearest profiles") < out.index("\ndefault") < out.index("\ndepth only")


def test_an_existing_result_is_kept(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _evaluate(files) == 0
    before = (files / "out" / "scores.json").stat().st_mtime_ns
    assert _evaluate(files) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (files / "out" / "scores.json").stat().st_mtime_ns == before
    assert _evaluate(files, "--overwrite") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--methods", "oracle"), "--methods oracle: unknown; choose from default;"),
        (("--methods", "default", "two-step"), "two-step learns from site posteriors; give"),
        (("--methods", "default", "random sampling"), "random sampling learns from site post"),
        (("--methods", "default", "hierarchical"), "hierarchical learns by classes of sites"),
        (
            ("--methods", "default", "hierarchical", "--classes", "Nowhere"),
            "the sites have no variable 'Nowhere' with one value per site",
        ),
        (("--members", "0"), "network setting members: Input should be greater than"),
        (("--folds", "41"), "fewer than 41 folds"),
        (("--by", "block", "--block-km", "5000"), "fewer than 2 folds"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    files: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert _evaluate(files, *words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert not list(files.glob("out*"))


def test_blocks_are_as_large_as_residuals_are_alike(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _evaluate(files, "--by", "block") == 0
    assert "km, the range of the variogram of residuals" in capsys.readouterr().err
    assert _evaluate(files, "--by", "block", "--block-km", "20", "--overwrite") == 0
    assert "variogram" not in capsys.readouterr().err
    assert _evaluate(files, "--by", "block", "--block-km", "2000", "--overwrite") == 2
    assert "blocks of 2000 km, fewer than 2 folds" in capsys.readouterr().err


def test_sites_that_the_kernel_cannot_run_are_left_out_and_counted(
    files: Path, sites: xr.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    sites["TSOI"].values[[3, 8]] = np.nan
    write_dataset(sites, files / "sites.nc", overwrite=True)
    assert _evaluate(files, "--json", "--posterior", str(files / "posterior.nc")) == 0
    printed = capsys.readouterr()
    assert "left out 2 sites: forcing missing" in printed.err
    assert json.loads(printed.out)["n_sites"] == 38
    sites["TSOI"].values[:] = np.nan
    write_dataset(sites, files / "sites.nc", overwrite=True)
    assert _evaluate(files, "--overwrite") == 2
    assert "has complete forcing" in capsys.readouterr().err
