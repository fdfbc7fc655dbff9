from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model import SOIL_GRID
from ctsm_socnn.network.baselines import BASELINES, cross_validate_baseline

FOLD = np.arange(40) % 4


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_predicts_profiles_that_fall_with_depth(
    sites: xr.Dataset, name: str
) -> None:
    soc = cross_validate_baseline(name, sites, FOLD, seed=0)
    assert soc.shape == (40, 20)
    top, deep = soc[:, SOIL_GRID.node_depth < 0.1], soc[:, SOIL_GRID.node_depth > 0.8]
    assert (top.min(axis=1) > deep.max(axis=1)).all()


@pytest.mark.parametrize("name", ["depth only", "random forest, log"])
def test_a_fold_does_not_see_itself(sites: xr.Dataset, name: str) -> None:
    before = cross_validate_baseline(name, sites, FOLD, seed=0)
    changed = sites.copy(deep=True)
    changed["soc"].values[FOLD == 1] *= 3.0
    after = cross_validate_baseline(name, changed, FOLD, seed=0)
    np.testing.assert_array_equal(before[FOLD == 1], after[FOLD == 1])
    assert (before[FOLD != 1] != after[FOLD != 1]).any()


def test_covariates_help_where_carbon_follows_them(sites: xr.Dataset) -> None:
    truth = 40_000.0 * np.exp(-0.5 * sites["cov_warmth"].values)
    near_top = int(np.argmin(np.abs(SOIL_GRID.node_depth - 0.05)))

    def error(name: str) -> float:
        soc = cross_validate_baseline(name, sites, FOLD, seed=0)[:, near_top]
        return float(np.std(np.log(soc / truth)))

    assert error("random forest, log") < 0.6 * error("depth only, log")


def test_missing_covariates_are_taken(sites: xr.Dataset) -> None:
    sites["cov_warmth"][5] = np.nan
    sites["TSOI"][6] = np.nan
    assert np.isfinite(cross_validate_baseline("random forest, log", sites, FOLD, seed=0)).all()


def test_an_unknown_baseline_is_named(sites: xr.Dataset) -> None:
    with pytest.raises(NetworkError, match="unknown baseline 'oracle'; choose from depth only"):
        cross_validate_baseline("oracle", sites, FOLD, seed=0)
