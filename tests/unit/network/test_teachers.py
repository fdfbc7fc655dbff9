from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network.folds import positions_km
from ctsm_socnn.network.inputs import InputTransform
from ctsm_socnn.network.settings import InputSettings
from ctsm_socnn.network.teachers import Expectation, Teachers


def taught(sites: xr.Dataset, seed: int = 0) -> Teachers:
    transform = InputTransform.fit(sites, InputSettings())
    operator = ObservationOperator.from_sites(sites)
    return Teachers.fit(transform(sites), transform, operator, positions_km(sites), seed)


def expected(teachers: Teachers, sites: xr.Dataset) -> Expectation:
    inputs = InputTransform.fit(sites, InputSettings())(sites)
    operator = ObservationOperator.from_sites(sites)
    return teachers.expect(inputs, operator.site, operator.depth)


def observed(sites: xr.Dataset) -> NDArray[np.float64]:
    return ObservationOperator.from_sites(sites).values


def test_they_expect_what_profiles_show(sites: xr.Dataset) -> None:
    found = expected(taught(sites), sites)
    for values in (found.average, found.typical):
        assert np.corrcoef(np.log(values), np.log(observed(sites)))[0, 1] > 0.9


def test_skewed_carbon_is_more_on_the_average_than_typically(sites: xr.Dataset) -> None:
    scatter = np.random.default_rng(0).lognormal(0.0, 1.0, sites["soc"].shape)
    sites["soc"] = sites["soc"].dims, 5_000.0 * scatter
    found = expected(taught(sites), sites)
    assert found.average.mean() == pytest.approx(observed(sites).mean(), rel=0.1)
    assert found.typical.mean() == pytest.approx(5_000.0, rel=0.3)
    assert found.average.mean() > 1.15 * found.typical.mean()


def test_what_is_expected_on_the_average_has_the_mean_of_the_profiles(sites: xr.Dataset) -> None:
    scatter = np.random.default_rng(0).lognormal(0.0, 0.5, sites["soc"].shape)
    skewed = sites.assign(soc=sites["soc"] * scatter)
    found = expected(taught(skewed), skewed)
    assert found.average.mean() == pytest.approx(observed(skewed).mean(), rel=1e-9)


def test_the_same_seed_expects_the_same(sites: xr.Dataset) -> None:
    one, same, other = (expected(taught(sites, seed), sites) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.average, same.average)
    np.testing.assert_array_equal(one.typical, same.typical)
    assert not np.array_equal(one.average, other.average)


def test_from_their_arrays_come_the_same_teachers(sites: xr.Dataset) -> None:
    teachers = taught(sites)
    again = expected(Teachers.from_arrays(teachers.arrays()), sites)
    once = expected(teachers, sites)
    np.testing.assert_array_equal(again.average, once.average)
    np.testing.assert_array_equal(again.typical, once.typical)


def test_their_arrays_hold_no_objects(sites: xr.Dataset) -> None:
    assert {array.dtype.kind for array in taught(sites).arrays().values()} <= {"f", "i", "u"}


def test_between_profiles_boxes_are_joined_by_a_smooth_surface(sites: xr.Dataset) -> None:
    transform = InputTransform.fit(sites, InputSettings())
    along = sites.isel(site=np.zeros(200, dtype=int))
    along["cov_warmth"] = "site", np.linspace(-0.9, 0.9, 200)
    place, depth = np.arange(200), np.full(200, 0.2)
    step = np.abs(np.diff(np.log(taught(sites).expect(transform(along), place, depth).typical)))
    assert step.min() > 0.0
    assert step.max() > 5.0 * np.median(step)
