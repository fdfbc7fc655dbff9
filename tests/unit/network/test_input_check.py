from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.network.input_check import InputCheck
from ctsm_socnn.network.inputs import InputTransform
from ctsm_socnn.network.settings import InputSettings


@pytest.fixture
def transform(sites: xr.Dataset) -> InputTransform:
    return InputTransform.fit(sites, InputSettings(forcing_summaries=False))


def test_training_sites_are_beyond_reproach(transform: InputTransform, sites: xr.Dataset) -> None:
    check = InputCheck(transform).add(sites)
    assert check.places == 40
    assert check.as_json() == {"warnings": [], "unseen_classes": {}, "missing_covariates": {}}


def test_another_unit_is_warned_about(transform: InputTransform, sites: xr.Dataset) -> None:
    sites["cov_warmth"] = sites["cov_warmth"] + 273.15
    (warning,) = InputCheck(transform).add(sites).warnings()
    assert "cov_warmth" in warning
    assert "same unit (1)" in warning


def test_a_few_strange_values_are_no_other_unit(
    transform: InputTransform, sites: xr.Dataset
) -> None:
    sites["cov_warmth"][:19] = 300.0
    assert InputCheck(transform).add(sites).warnings() == []


def test_a_covariate_that_is_the_same_everywhere_is_named(
    transform: InputTransform, sites: xr.Dataset
) -> None:
    sites["cov_noise"][:] = 0.5
    (warning,) = InputCheck(transform).add(sites).warnings()
    assert warning == "cov_noise is 0.5 at all 40 places, but varied in training"
    assert InputCheck(transform).add(sites.isel(site=[3])).warnings() == []


def test_gaps_and_unseen_classes_are_counted_over_blocks(
    transform: InputTransform, sites: xr.Dataset
) -> None:
    sites["cov_noise"][[1, 30]] = np.nan
    sites["cov_Land_Cover"][[2, 31, 32]] = 99.0
    for name in transform.covariates:
        sites[name][5] = np.nan
    check = InputCheck(transform)
    for part in (slice(0, 20), slice(20, 40)):
        check.add(sites.isel(site=part))
    assert check.places == 39
    assert check.as_json()["unseen_classes"] == {"cov_Land_Cover": 3}
    assert check.as_json()["missing_covariates"] == {"cov_noise": 2}
    missing, unseen = check.warnings()
    assert "of 39: cov_noise 2" in missing
    assert "where at least half of the inputs are known" in missing
    assert "of 39: cov_Land_Cover 3" in unseen
