from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model import Columns
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network import NetworkSettings, end_to_end, score_model, train_end_to_end
from ctsm_socnn.network.covariate_gradients import covariate_gradients
from ctsm_socnn.network.end_to_end import ProfileObjective
from ctsm_socnn.network.folds import positions_km
from ctsm_socnn.network.imagined_sites import ImaginedSites, imagined_sites
from ctsm_socnn.network.inputs import Inputs, InputTransform
from ctsm_socnn.network.losses import LOSS_NAMES
from ctsm_socnn.network.settings import InputSettings
from ctsm_socnn.network.teachers import Teachers

TAUGHT = NetworkSettings(
    members=1,
    validation_fraction=0.0,
    epochs=60,
    learning_rate=1e-2,
    averaging=0.9,
    imagined_sites=2,
    encoder={"dropout": 0.0, "input_dropout": 0.0},
)


def prepared(sites: xr.Dataset) -> tuple[InputTransform, Inputs, ObservationOperator]:
    transform = InputTransform.fit(sites, InputSettings())
    return transform, transform(sites), ObservationOperator.from_sites(sites)


def imagine(sites: xr.Dataset, per_site: int = 3, seed: int = 0) -> ImaginedSites:
    transform, inputs, operator = prepared(sites)
    teachers = Teachers.fit(inputs, transform, operator, positions_km(sites), seed)
    return imagined_sites(teachers, inputs, transform, operator, per_site, seed)


def test_each_imagined_site_has_the_forcing_and_depths_of_a_training_site(
    sites: xr.Dataset,
) -> None:
    transform, inputs, operator = prepared(sites)
    found = imagine(sites)
    n, m = len(inputs), len(operator.values)
    np.testing.assert_array_equal(found.site, np.tile(np.arange(n), 3))
    np.testing.assert_array_equal(found.operator.site[2 * m :], operator.site + 2 * n)
    np.testing.assert_array_equal(found.operator.depth[m : 2 * m], operator.depth)
    carbon = np.random.default_rng(0).uniform(size=(3 * n, 20))
    np.testing.assert_array_equal(
        found.operator.apply(carbon)[m : 2 * m], operator.apply(carbon[n : 2 * n])
    )
    forcing = [item.name.startswith("forcing_") for item in transform.numeric]
    np.testing.assert_array_equal(
        found.inputs.numeric[:, forcing], np.tile(inputs.numeric[:, forcing], (3, 1))
    )


def test_covariates_are_mixed_from_training_sites(sites: xr.Dataset) -> None:
    transform, inputs, _ = prepared(sites)
    found = imagine(sites)
    covariates = [i for i, item in enumerate(transform.numeric) if "forcing" not in item.name]
    for column in covariates:
        assert np.isin(found.inputs.numeric[:, column], inputs.numeric[:, column]).all()
    # With so many neighbours to mix with, hardly two imagined sites of a place are the same.
    many = imagine(sites, per_site=20).inputs.numeric[:, covariates].reshape(20, len(inputs), -1)
    different = [len(np.unique(many[:, site], axis=0)) for site in range(len(inputs))]
    assert np.mean(different) > 8
    own = np.tile(inputs.numeric, (3, 1))[:, covariates]
    kept = (found.inputs.numeric[:, covariates] == own).mean()
    # Half of the covariates are kept on the average, and sometimes the other site is the same.
    assert 0.3 < kept < 0.8


def test_classes_are_mixed_too(sites: xr.Dataset) -> None:
    _, inputs, _ = prepared(sites)
    classes = imagine(sites, per_site=20).inputs.classes
    assert np.isin(classes, inputs.classes).all()
    # Half are taken from another site, of whose three classes two are different.
    assert (classes != np.tile(inputs.classes, (20, 1))).mean() == pytest.approx(1 / 3, abs=0.06)


def test_classes_alone_are_enough_to_learn_from(sites: xr.Dataset) -> None:
    sites = sites.drop_vars(["cov_warmth", "cov_noise"])
    settings = TAUGHT.with_changes(epochs=2, inputs={"forcing_summaries": False})
    model = train_end_to_end(sites, settings, seed=0)
    assert not model.transform.numeric
    parameters = model.predict_sites(sites)
    by_class = sites["cov_Land_Cover"].values
    for name in np.unique(by_class):
        np.testing.assert_array_equal(np.ptp(parameters[by_class == name], axis=0), 0.0)
    assert np.ptp(parameters, axis=0).max() > 0.0
    assert covariate_gradients(model, sites).sizes["input"] == 0


def test_what_is_expected_at_a_training_site_is_near_what_its_profile_shows(
    sites: xr.Dataset,
) -> None:
    _, inputs, operator = prepared(sites)
    found = imagine(sites, per_site=1)
    same = (found.inputs.numeric == inputs.numeric).all(axis=1)
    unchanged = same[operator.site]
    assert unchanged.any()
    observed = np.log(operator.values[unchanged])
    for expected in (found.operator.values[unchanged], found.typical[unchanged]):
        assert np.corrcoef(np.log(expected), observed)[0, 1] > 0.9


def test_networks_learn_both_answers_of_the_teachers(sites: xr.Dataset) -> None:
    transform, inputs, operator = prepared(sites)
    teachers = Teachers.fit(inputs, transform, operator, positions_km(sites), 0)
    found = imagined_sites(teachers, inputs, transform, operator, 2, 0)
    answers = teachers.expect(found.inputs, found.operator.site, found.operator.depth)
    np.testing.assert_array_equal(found.operator.values, answers.average)
    np.testing.assert_array_equal(found.typical, answers.typical)
    assert (answers.average != answers.typical).mean() > 0.9


def test_the_same_seed_imagines_the_same(sites: xr.Dataset) -> None:
    one, same, other = imagine(sites), imagine(sites), imagine(sites, seed=1)
    np.testing.assert_array_equal(one.operator.values, same.operator.values)
    np.testing.assert_array_equal(one.inputs.numeric, same.inputs.numeric)
    assert not np.array_equal(one.inputs.numeric, other.inputs.numeric)


def test_each_imagined_layer_has_its_own_thickness(sites: xr.Dataset) -> None:
    """The loss of twice the measured sites is that of the measured, also where profiles differ."""
    depth = np.sort(np.random.default_rng(4).uniform(0.0, 1.5, sites["soc"].shape), axis=1)
    ragged = sites.assign(soc_depth=(sites["soc_depth"].dims, depth))
    ragged["soc"].values[::3, 2:] = np.nan
    transform, inputs, operator = prepared(ragged)
    twice = imagined_sites(
        Teachers.fit(inputs, transform, operator, positions_km(ragged), 0),
        inputs,
        transform,
        operator,
        2,
        0,
    )
    same = np.tile(operator.values, 2)
    copy = replace(twice, operator=replace(twice.operator, values=same), typical=same)
    unit = torch.from_numpy(np.random.default_rng(1).uniform(0.3, 0.7, (3, 21)))
    losses = [
        float(
            ProfileObjective(Columns.from_sites(ragged), operator, TAUGHT, learnt)
            .loss(unit, np.array(rows))
            .detach()
        )
        for learnt, rows in ((None, [3, 9, 31]), (copy, [3, 9, 31]), (copy, [43, 49, 71]))
    ]
    assert losses[1:] == pytest.approx(losses[:1] * 2, rel=1e-12)


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_every_loss_takes_its_scale_from_the_measured(sites: xr.Dataset, name: str) -> None:
    """Where the imagined are the measured, the loss is that of the measured."""
    _, inputs, operator = prepared(sites)
    settings = TAUGHT.with_changes(loss=name)
    copy = ImaginedSites(inputs, np.arange(len(inputs)), operator, operator.values)
    unit = torch.from_numpy(np.random.default_rng(1).uniform(0.3, 0.7, (5, 21)))
    rows = np.array([3, 9, 11, 20, 31])
    losses = [
        float(
            ProfileObjective(Columns.from_sites(sites), operator, settings, learnt)
            .loss(unit, rows)
            .detach()
        )
        for learnt in (None, copy)
    ]
    assert losses[0] == losses[1]


def test_a_network_learns_from_imagined_sites(sites: xr.Dataset) -> None:
    found = score_model(train_end_to_end(sites, TAUGHT, seed=0), sites)
    assert found["nse"] > 0.8
    assert found["log_nse"] > 0.8


def test_stopping_on_sites_that_the_trees_have_seen_is_refused(sites: xr.Dataset) -> None:
    with pytest.raises(NetworkError, match="validation_fraction must be 0 with imagined_sites"):
        train_end_to_end(sites, TAUGHT.with_changes(validation_fraction=0.1), seed=0)


def test_many_sites_are_imagined_fewer_times_each(
    sites: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def counted(*args: Any) -> ImaginedSites:
        asked.append(args[-2])
        return imagined_sites(*args)

    monkeypatch.setattr(end_to_end, "imagined_sites", counted)
    n = sites.sizes["site"]
    few = TAUGHT.with_changes(epochs=1, imagined_sites=5)
    for most in (10 * n, 2 * n + 1, 1):
        train_end_to_end(sites, few.with_changes(most_imagined=most), 0)
    assert asked == [5, 2, 1]
