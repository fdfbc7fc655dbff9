from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model import SOIL_GRID
from ctsm_socnn.network.baselines import BASELINES, predict_baseline

KNOWN, TESTED = slice(0, 30), slice(30, 40)


def _answer(name: str, sites: xr.Dataset) -> np.ndarray:
    return predict_baseline(name, sites.isel(site=KNOWN), sites.isel(site=TESTED), seed=0)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_predicts_profiles_that_fall_with_depth(
    sites: xr.Dataset, name: str
) -> None:
    soc = _answer(name, sites)
    assert soc.shape == (10, 20)
    top, deep = soc[:, SOIL_GRID.node_depth < 0.1], soc[:, SOIL_GRID.node_depth > 0.8]
    assert (top.min(axis=1) > deep.max(axis=1)).all()


@pytest.mark.parametrize("name", ["depth only", "random forest, log"])
def test_what_was_measured_at_the_tested_sites_is_not_used(sites: xr.Dataset, name: str) -> None:
    before = _answer(name, sites)
    sites["soc"].values[TESTED] *= 3.0
    np.testing.assert_array_equal(before, _answer(name, sites))
    sites["soc"].values[KNOWN] *= 3.0
    assert (before != _answer(name, sites)).any()


def test_covariates_help_where_carbon_follows_them(sites: xr.Dataset) -> None:
    truth = 40_000.0 * np.exp(-0.5 * sites["cov_warmth"].values[TESTED])
    near_top = int(np.argmin(np.abs(SOIL_GRID.node_depth - 0.05)))

    def error(name: str) -> float:
        return float(np.std(np.log(_answer(name, sites)[:, near_top] / truth)))

    assert error("random forest, log") < 0.6 * error("depth only, log")


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["random forest, log", "gradient boosting"])
def test_missing_covariates_are_taken(sites: xr.Dataset, name: str, missing: float) -> None:
    sites["cov_warmth"][5] = np.nan
    sites["cov_noise"][36] = np.nan
    expected = _answer(name, sites)
    sites["cov_warmth"][5] = missing
    sites["cov_noise"][36] = missing
    sites["TSOI"][36] = np.nan
    np.testing.assert_array_equal(_answer(name, sites)[:6], expected[:6])
    assert np.isfinite(_answer(name, sites)).all()


@pytest.mark.parametrize("name", ["gradient boosting", "random forest, log"])
def test_a_covariate_without_any_value_is_left_out(sites: xr.Dataset, name: str) -> None:
    without = _answer(name, sites.drop_vars("cov_noise"))
    sites["cov_noise"][:] = np.nan
    np.testing.assert_array_equal(_answer(name, sites), without)


def test_an_unknown_baseline_is_named(sites: xr.Dataset) -> None:
    with pytest.raises(NetworkError, match="unknown baseline 'oracle'; choose from depth only"):
        _answer("oracle", sites)
