from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import ConfigError, NetworkError
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network import (
    Model,
    NetworkSettings,
    cross_validate,
    cross_validation,
    default_settings,
)
from ctsm_socnn.network.folds import location_folds, positions_km
from ctsm_socnn.network.inputs import Inputs, InputTransform
from ctsm_socnn.network.settings import InputSettings
from ctsm_socnn.network.teachers import Teachers
from ctsm_socnn.parameters import PARAMETER_NAMES

QUICK = NetworkSettings(members=1, epochs=3)


def test_every_site_is_predicted_once(sites: xr.Dataset) -> None:
    done: list[tuple[int, int]] = []
    result = cross_validate(
        sites,
        "end-to-end",
        4,
        seed=0,
        settings=QUICK,
        progress=lambda fold, folds: done.append((fold, folds)),
    )
    assert result["prediction"].dims == ("site", "parameter")
    assert tuple(result["parameter"].values) == PARAMETER_NAMES
    assert np.isfinite(result["prediction"]).all()
    np.testing.assert_array_equal(result["fold"], location_folds(sites, 4, 0))
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_processes_that_share_the_folds_change_nothing(sites: xr.Dataset) -> None:
    # One fold is small, so that a later one is done before it.
    fold = np.array([0] * 2 + [1] * 19 + [2] * 19)
    alone, shared = (
        cross_validate(sites, "end-to-end", fold, 0, settings=QUICK, workers=workers)
        for workers in (1, 2)
    )
    xr.testing.assert_identical(alone, shared)
    with pytest.raises(ConfigError, match="workers is 0"):
        cross_validate(sites, "end-to-end", fold, 0, settings=QUICK, workers=0)


def test_two_step_takes_the_posteriors_of_the_training_sites(
    sites: xr.Dataset, posterior: xr.Dataset
) -> None:
    fold = np.arange(40) // 20
    result = cross_validate(sites, "two-step", fold, 0, settings=QUICK, posterior=posterior)
    changed = posterior.copy(deep=True)
    changed["mean"].values[fold == 0] *= 1.1
    other = cross_validate(sites, "two-step", fold, 0, settings=QUICK, posterior=changed)
    same = (result["prediction"].values == other["prediction"].values).all(axis=1)
    np.testing.assert_array_equal(same, fold == 0)


def sees_its_test_fold(sites: xr.Dataset, settings: NetworkSettings = QUICK) -> bool:
    """Whether predictions for a fold change with that fold's own carbon or covariate spread."""
    fold = np.arange(40) // 20
    tested = fold == 0
    before = cross_validate(sites, "end-to-end", fold, 0, settings=settings)
    changed = sites.copy(deep=True)
    changed["soc"].values[tested] *= 7.0
    # One test site alone gets strange covariates; the others of its fold must not notice.
    changed["cov_warmth"].values[0] = 40.0
    changed["cov_noise"].values[0] = -60.0
    after = cross_validate(changed, "end-to-end", fold, 0, settings=settings)
    others = tested & (np.arange(40) != 0)
    same = before["prediction"].values[others] == after["prediction"].values[others]
    return not same.all()


def test_nothing_of_the_test_fold_reaches_training(sites: xr.Dataset) -> None:
    assert not sees_its_test_fold(sites)


DEFAULT = default_settings("end-to-end").with_changes(
    members=1, epochs=2, imagined_sites=2, bootstrap=True
)


def test_nothing_of_the_test_fold_reaches_the_teachers_or_the_bootstrap(sites: xr.Dataset) -> None:
    assert not sees_its_test_fold(sites, DEFAULT)


def test_teachers_that_have_seen_the_test_fold_are_caught(
    sites: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = cross_validation.train
    everything: list[xr.Dataset] = []
    whole = cross_validate

    def remember(data: xr.Dataset, *args: Any, **kwargs: Any) -> xr.Dataset:
        everything.append(data)
        return whole(data, *args, **kwargs)

    def leaky(chosen: xr.Dataset, *args: Any, **kwargs: Any) -> Model:
        """Train as asked, with teachers fitted on all sites."""

        def fitted(
            _: Inputs, __: InputTransform, ___: ObservationOperator, ____: object, seed: int
        ) -> object:
            data = everything[-1]
            names = InputTransform.fit(chosen, DEFAULT.inputs)
            told = ObservationOperator.from_sites(data)
            return fit_teachers(names(data), names, told, positions_km(data), seed)

        monkeypatch.setattr(Teachers, "fit", fitted)
        return honest(chosen, *args, **kwargs)

    fit_teachers = Teachers.fit
    monkeypatch.setattr(cross_validation, "train", leaky)
    monkeypatch.setitem(globals(), "cross_validate", remember)
    assert sees_its_test_fold(sites, DEFAULT)


def test_a_planted_leak_is_caught(sites: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = InputTransform.fit
    everything: list[xr.Dataset] = []

    def leaky(chosen: xr.Dataset, settings: InputSettings) -> InputTransform:
        return honest(everything[-1], settings)

    whole = cross_validate

    def remember(data: xr.Dataset, *args: Any, **kwargs: Any) -> xr.Dataset:
        everything.append(data)
        return whole(data, *args, **kwargs)

    monkeypatch.setattr(InputTransform, "fit", leaky)
    monkeypatch.setitem(globals(), "cross_validate", remember)
    assert sees_its_test_fold(sites)


def test_an_unknown_method_is_named(sites: xr.Dataset) -> None:
    with pytest.raises(NetworkError, match="unknown method 'magic'"):
        cross_validate(sites, "magic", 2, 0)


def test_two_step_needs_a_posterior(sites: xr.Dataset) -> None:
    with pytest.raises(NetworkError, match="give a posterior file"):
        cross_validate(sites, "two-step", 2, 0, settings=QUICK)
