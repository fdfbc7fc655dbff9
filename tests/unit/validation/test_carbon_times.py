from typing import Any

import numpy as np
import pytest

from ctsm_socnn.model import SOIL_GRID, Columns, coefficients, steady_state
from ctsm_socnn.parameters import PARAMETER_NAMES, lower_bounds, upper_bounds
from ctsm_socnn.validation.carbon_times import CarbonTimes, carbon_times, loss_matrix

N = 6


def _columns(**changes: Any) -> Columns:
    rng = np.random.default_rng(1)
    shape = (N, 12, 20)
    arrays = {
        "temperature": 285.0 + rng.normal(0.0, 3.0, shape),
        "water": rng.uniform(0.3, 1.0, shape),
        "oxygen": rng.uniform(0.5, 1.0, shape),
        "nitrogen": rng.uniform(0.3, 1.0, shape),
        "thaw": np.full((N, 12), 4.0),
        "thaw_last_year": np.full((N, 12), 4.0),
        "bedrock": np.full(N, 20),
        "inputs": [rng.uniform(1.0, 30.0, (N, 12)) for _ in range(4)],
    }
    return Columns.from_arrays(**(arrays | changes))


def _parameters(**values: float) -> np.ndarray:
    middle = np.tile(lower_bounds() + 0.4 * (upper_bounds() - lower_bounds()), (N, 1))
    for name, value in values.items():
        middle[:, PARAMETER_NAMES.index(name)] = value
    return middle


@pytest.fixture(scope="module")
def columns() -> Columns:
    return _columns()


@pytest.fixture(scope="module")
def times(columns) -> CarbonTimes:
    return carbon_times(columns, _parameters())


def test_the_matrix_times_the_kernels_pools_is_the_input(columns):
    parameters = _parameters()
    found = coefficients(columns, parameters)
    pools = steady_state(columns, parameters).pools
    source = loss_matrix(found, parameters) @ pools.reshape(N, -1, 1)
    source = source.reshape(pools.shape)
    total = source[:, :4] @ SOIL_GRID.thickness
    expected = total[..., np.newaxis] * found.profile[:, np.newaxis]
    tiny = 1e-9 * expected.max()
    np.testing.assert_allclose(source[:, :4], expected, rtol=1e-9, atol=tiny)
    assert np.abs(source[:, 4:]).max() < tiny


def test_transit_time_is_the_mean_age_of_what_is_respired(columns, times):
    """In a system at steady state carbon leaves at the mean transit time."""
    parameters = _parameters()
    found = coefficients(columns, parameters)
    pools = steady_state(columns, parameters).pools
    leaving = np.ones(140) * np.tile(SOIL_GRID.thickness, 7)
    lost = np.einsum("i,rij,rj->rj", leaving, loss_matrix(found, parameters), pools.reshape(N, -1))
    age = times.pool_age.reshape(N, -1)
    np.testing.assert_allclose((lost * age).sum(1) / lost.sum(1), times.transit, rtol=1e-8)


def test_without_mixing_the_age_of_metabolic_litter_is_its_turnover_time(columns):
    parameters = _parameters(diffus=0.0, cryo=0.0)
    found = coefficients(columns, parameters)
    slow = carbon_times(columns, parameters).pool_age[:, 1]
    tau = parameters[:, [PARAMETER_NAMES.index("tau_l1")]] / found.litter_scalar
    mixing = np.maximum(found.lower, found.upper)
    quiet = mixing * tau < 1e-6
    assert quiet.any()
    np.testing.assert_allclose(slow[quiet], tau[quiet], rtol=1e-3)


def test_the_age_of_a_layer_is_that_of_its_carbon(columns, times):
    soil = steady_state(columns, _parameters()).pools[:, 4:]
    mean = (times.pool_age[:, 4:] * soil).sum(axis=1) / soil.sum(axis=1)
    np.testing.assert_allclose(times.age, mean)


def test_turnover_is_carbon_over_what_leaves_the_soil(columns):
    """Unmixed, what a column of the matrix does not pass on to other pools is respired."""
    parameters = _parameters(diffus=0.0, cryo=0.0)
    matrix = loss_matrix(coefficients(columns, parameters), parameters)
    respired = matrix.sum(axis=1).reshape(N, 7, 20)[:, 4:]
    soil = steady_state(columns, parameters).pools[:, 4:]
    expected = soil.sum(axis=1) / (respired * soil).sum(axis=1)
    np.testing.assert_allclose(carbon_times(columns, parameters).turnover, expected, rtol=1e-6)


def test_carbon_is_older_at_depth_and_older_than_it_leaves(times):
    assert (times.age[:, 15] > times.age[:, 2]).all()
    assert (times.turnover[:, 15] > times.turnover[:, 2]).all()
    assert (times.age[:, 5] > times.transit).all()


def test_slower_passive_carbon_is_older(columns, times):
    slower = carbon_times(columns, _parameters(tau_s3=1000.0))
    faster = carbon_times(columns, _parameters(tau_s3=200.0))
    assert (slower.age > faster.age).all()
    assert (slower.transit > faster.transit).all()
