from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from ctsm_socnn.network import NetworkSettings, train_end_to_end
from ctsm_socnn.network.extrapolation import TrainingDomain
from ctsm_socnn.network.inputs import Inputs
from ctsm_socnn.network.model import Model
from ctsm_socnn.network.prediction import spread_over_members
from ctsm_socnn.network.settings import published_settings
from ctsm_socnn.parameters import to_physical, to_unit


def inputs_at(numeric: np.ndarray) -> Inputs:
    n = len(numeric)
    return Inputs(numeric, np.zeros((n, 0), dtype=np.int64), np.ones(n, dtype=bool))


def line(n: int = 50) -> TrainingDomain:
    return TrainingDomain.fit(inputs_at(np.arange(n, dtype=float)[:, None]))


def test_the_limit_is_what_hardly_a_training_site_exceeds() -> None:
    # Five neighbours of an end of the line are 1 to 5 away; of its middle 1, 1, 2, 2 and 3.
    domain = line()
    assert domain.limit == 3.0
    there = domain.distance(inputs_at(np.array([[20.0], [50.0], [51.0]])))
    np.testing.assert_array_equal(there, [1.2, 3.0, 4.0])
    np.testing.assert_array_equal(domain.outside(there), [False, False, True])


def test_nearness_falls_beyond_one_and_a_half_times_the_limit() -> None:
    domain = line()
    # From a point beyond the end, the mean distance to the five nearest is that to the third.
    far = 47.0 + domain.limit * np.array([0.5, 1.5, 3.0, 15.0])
    far[0] = 20.0
    nearness = domain.nearness(domain.distance(inputs_at(far[:, None])))
    np.testing.assert_allclose(nearness, [1.0, 1.0, 2.0**-4, 1e-4], rtol=1e-12)


def test_nothing_infinite_and_no_training_site_breaks_it() -> None:
    domain = line()
    endless = domain.distance(inputs_at(np.array([[np.inf], [-np.inf]])))
    assert domain.nearness(endless).max() < 1e-6
    same = TrainingDomain.fit(inputs_at(np.zeros((9, 1))))
    there_and_off = same.distance(inputs_at(np.array([[0.0], [1.0]])))
    np.testing.assert_array_equal(same.nearness(there_and_off), [1.0, 0.0])


def test_places_of_which_only_classes_are_known_are_all_in_the_domain() -> None:
    domain = TrainingDomain.fit(inputs_at(np.zeros((9, 0))))
    distance = domain.distance(inputs_at(np.zeros((3, 0))))
    assert not domain.outside(distance).any()
    np.testing.assert_array_equal(domain.nearness(distance), np.ones(3))


def test_profiles_of_a_few_cells_do_not_make_every_other_place_strange() -> None:
    cells = np.arange(20.0)[:, None]
    domain = TrainingDomain.fit(inputs_at(np.repeat(cells, 30, axis=0)))
    alone = TrainingDomain.fit(inputs_at(cells))
    assert domain.limit == alone.limit > 0.0
    there = inputs_at(np.array([[7.3], [40.0]]))
    np.testing.assert_array_equal(domain.outside(domain.distance(there)), [False, True])
    np.testing.assert_array_equal(domain.distance(there), alone.distance(there))


@pytest.fixture
def model(sites: xr.Dataset) -> Model:
    settings = NetworkSettings(members=2, epochs=30, validation_fraction=0.0, learning_rate=1e-2)
    return train_end_to_end(sites, settings, 0)


def test_far_from_all_training_sites_parameters_are_those_that_suit_all(
    model: Model, sites: xr.Dataset
) -> None:
    start = model.members[0].head(torch.zeros(1, len(model.members[0].head.positions)))[0]
    near = to_unit(model.predict_sites(sites))
    far = to_unit(model.predict_sites(sites.assign(cov_warmth=sites["cov_warmth"] + 1e5)))
    assert np.abs(near - start.detach().numpy()).max() > 0.1
    np.testing.assert_allclose(far, np.broadcast_to(start.detach().numpy(), far.shape), atol=1e-6)


def test_within_the_domain_nothing_changes(model: Model, sites: xr.Dataset) -> None:
    inputs = model.transform(sites)
    numbers, classes = torch.from_numpy(inputs.numeric), torch.from_numpy(inputs.classes)
    free = np.stack([m.double()(numbers, classes).detach().numpy() for m in model.members])
    inside = ~model.domain.outside(model.domain.distance(inputs))
    assert inside.sum() > 0.9 * len(inside)
    predicted = model.predict(inputs, sites)
    np.testing.assert_array_equal(predicted.members, free)
    np.testing.assert_array_equal(predicted.centre[inside], to_physical(model.centre(free))[inside])


def test_spread_is_not_least_where_least_is_known(model: Model, sites: xr.Dataset) -> None:
    """The centre goes back to shared parameters; members must not all go with it."""
    far = sites.assign(cov_warmth=sites["cov_warmth"] + 1e5)
    near_spread, far_spread = (
        spread_over_members(model.predict(model.transform(places), places).members).mean()
        for places in (sites, far)
    )
    assert far_spread > near_spread > 0.0


def test_published_networks_answer_as_published(model: Model, sites: xr.Dataset) -> None:
    published = Model(
        "two-step", published_settings(), model.transform, model.domain, model.members, seed=0
    )
    far = sites.assign(cov_warmth=sites["cov_warmth"] + 1e5)
    assert published.nearness(published.domain.distance(model.transform(far))) is None
    assert not np.allclose(published.predict_sites(far), model.predict_sites(far))
