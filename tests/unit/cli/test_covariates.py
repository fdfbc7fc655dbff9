from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.observations import covariates_at, open_covariates
from ctsm_socnn.schemas import open_file


@pytest.fixture
def words(tmp_path: Path, history_file) -> list[str]:
    edges = np.linspace(279.5, 282.5, 31)
    lon = 0.5 * (edges[1:] + edges[:-1])
    lat = 39.5 + 0.1 * (np.arange(20) + 0.5)
    fields = {
        "warmth": (
            ("lat", "lon"),
            np.broadcast_to(lon, (20, 30)).astype(np.float32),
            {"units": "K"},
        ),
        "cover": (("lat", "lon"), np.where(lon > 281, 4, 2) * np.ones((20, 1))),
    }
    xr.Dataset(fields, {"lat": lat, "lon": lon}).to_netcdf(tmp_path / "rasters.nc")
    rasters = tmp_path / "rasters.nc"
    grid = ["covariates", "--grid", str(history_file()), "-o", str(tmp_path / "covariates.nc")]
    return [*grid, "--mean", f"warmth={rasters}:warmth", "--mode", f"cover={rasters}:cover"]


def test_rasters_arrive_on_the_grid_of_the_history(words, tmp_path, capsys):
    assert main(words) == 0
    covariates = open_file(tmp_path / "covariates.nc")
    np.testing.assert_allclose(covariates["cov_warmth"].values[0], [280.0, 281.0, 282.0], rtol=1e-6)
    assert np.isnan(covariates["cov_warmth"].values[1, 2])
    assert covariates["cov_warmth"].attrs["units"] == "K"
    np.testing.assert_array_equal(covariates["cov_cover"].values[0], [2, 2, 4])
    assert covariates["cov_cover"].attrs["categorical"] == 1
    assert "warmth: mean of rasters.nc, 0 of 5 cells missing" in capsys.readouterr().out


def test_what_is_missing_as_json(words, capsys):
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["cells"] == 5
    assert [row["name"] for row in told["covariates"]] == ["warmth", "cover"]
    assert told["covariates"][0] == {
        "name": "warmth",
        "method": "mean",
        "raster": "rasters.nc",
        "missing_cells": 0,
        "cells_without_pixel": 0,
    }


def test_declared_classes_have_no_median(words, tmp_path):
    assert main(words) == 0
    covariates = open_covariates(tmp_path / "covariates.nc")
    covariates["cov_cover"][0, 0] = np.nan
    at, _ = covariates_at(covariates, np.array([280.0]), np.array([40.0]), missing="median")
    assert at["cov_cover"].item() == 2.0


@pytest.mark.parametrize(
    ("word", "said"),
    [("warmth", "must read NAME=FILE"), ("warmth=rasters.nc:heat", "does not exist")],
)
def test_bad_words_leave_nothing_behind(words, tmp_path, capsys, word, said):
    assert main([*words[:5], "--mean", word]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "covariates.nc").exists()


def test_no_raster_is_an_error(words, capsys):
    assert main(words[:5]) == 2
    assert "name at least one raster" in capsys.readouterr().err


def test_table_of_points_serves_as_covariates(tmp_path):
    (tmp_path / "points.csv").write_text("lon,lat,BIO1,place\n280,40,7.5,a\n281,40,,b\n")
    covariates = open_covariates(tmp_path / "points.csv", ["BIO1"])
    at, missing = covariates_at(covariates, np.array([280.1]), np.array([40.0]))
    assert at["cov_BIO1"].item() == 7.5
    assert missing == {}
