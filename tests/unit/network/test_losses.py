from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from ctsm_socnn.network.losses import LOSS_NAMES, SocLoss, published_weights

VALUES = np.array([40_000.0, 9_000.0, 2_000.0, 30_000.0, 500.0])
DEPTH = np.array([0.05, 0.4, 1.2, 0.1, 1.0])
SITE = np.array([0, 0, 0, 1, 1])
ALL = torch.arange(5)


def loss_of(name: str, modelled: np.ndarray) -> float:
    loss = SocLoss(name, VALUES, DEPTH, SITE)
    return float(loss(torch.from_numpy(modelled), torch.from_numpy(VALUES), ALL).detach())


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_perfect_carbon_has_the_least_loss(name: str) -> None:
    best = loss_of(name, VALUES)
    assert best == pytest.approx(0.0, abs=1e-12)
    for factor in (0.5, 1.5):
        assert loss_of(name, factor * VALUES) > best


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_empty_layers_give_finite_gradients(name: str) -> None:
    modelled = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    loss = SocLoss(name, VALUES, DEPTH, SITE)(modelled, torch.from_numpy(VALUES), ALL)
    loss.backward()
    assert modelled.grad is not None
    assert torch.isfinite(modelled.grad).all()


def test_log_and_sqrt_are_shares_of_the_variance() -> None:
    mean_log = np.full(5, np.exp(np.log(VALUES).mean()))
    mean_sqrt = np.full(5, np.sqrt(VALUES).mean() ** 2)
    assert loss_of("log", mean_log) == pytest.approx(1.0)
    assert loss_of("sqrt", mean_sqrt) == pytest.approx(1.0)


def test_mixed_is_two_less_both_efficiencies() -> None:
    modelled = VALUES * np.array([1.2, 0.7, 1.1, 0.9, 3.0])
    nse = 1.0 - ((modelled - VALUES) ** 2).mean() / VALUES.var()
    log_nse = 1.0 - (np.log(modelled / VALUES) ** 2).mean() / np.log(VALUES).var()
    assert loss_of("mixed", modelled) == pytest.approx(2.0 - nse - log_nse)
    heavier = SocLoss("mixed", VALUES, DEPTH, SITE, log_weight=1.5)
    loss = heavier(torch.from_numpy(modelled), torch.from_numpy(VALUES), ALL)
    assert float(loss) == pytest.approx(1.0 - nse + 1.5 * (1.0 - log_nse))


def test_errors_of_logarithms_are_taken_from_what_is_typical() -> None:
    observed, modelled = (torch.from_numpy(v) for v in (VALUES, 1.3 * VALUES))
    value = float(((modelled - observed) ** 2).mean()) / VALUES.var()
    mixed = SocLoss("mixed", VALUES, DEPTH, SITE)(modelled, observed, ALL, modelled)
    assert float(mixed) == pytest.approx(value)


def test_student_is_the_likelihood_of_t_with_4_degrees_of_freedom() -> None:
    modelled = VALUES * np.array([1.2, 0.7, 1.1, 0.9, 3.0])
    loss = SocLoss("student", VALUES, DEPTH, SITE)
    error = np.log(modelled / VALUES)
    found, expected = [], []
    for scale in (0.3, 2.0):
        loss.log_scale.data.fill_(np.log(scale))
        found.append(loss(torch.from_numpy(modelled), torch.from_numpy(VALUES), ALL).item())
        expected.append(-stats.t.logpdf(error, 4, scale=scale).mean())
    assert found[1] - found[0] == pytest.approx(expected[1] - expected[0])


def test_student_learns_its_scale_and_forgives_outliers() -> None:
    loss = SocLoss("student", VALUES, DEPTH, SITE)
    assert loss.parameters() == [loss.log_scale]
    assert SocLoss("log", VALUES, DEPTH, SITE).parameters() == []
    far, farther = (VALUES * np.array([1.0, 1.0, 1.0, 1.0, f]) for f in (1e2, 1e4))
    assert loss_of("student", farther) < 2.0 * loss_of("student", far)
    assert loss_of("log", farther) > 3.0 * loss_of("log", far)


def test_published_cost_by_hand() -> None:
    modelled = VALUES * 1.6
    # (0.6 o)^2 / (2 (0.6 o)^2) is one half for every observation.
    weights = published_weights(VALUES, DEPTH, SITE)
    assert loss_of("published", modelled) == pytest.approx(0.5 * weights.mean())


def test_published_weights_rank_value_and_depth_within_the_profile() -> None:
    # Profile 0: mean value 17,000, mean depth 0.55. Distances of value 23,000 > 15,000 > 8,000,
    # so ranks 1, 3, 2; of depth 0.65 (third) > 0.5 (first) > 0.15, so ranks 2, 3, 1.
    expected = 10.0 * np.exp([-0.5, -2.0, -0.5])
    np.testing.assert_allclose(
        published_weights(VALUES, DEPTH, SITE)[:3], np.maximum(1.0, expected)
    )
