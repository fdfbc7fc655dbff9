from __future__ import annotations

import pytest
import torch

from ctsm_socnn.network.layers import Dropout
from ctsm_socnn.network.training import seeded


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_the_share_is_left_out_and_means_are_kept(share: float) -> None:
    with seeded(0):
        values = Dropout(share)(torch.ones(400, 500, dtype=torch.float64))
    left_out = values == 0.0
    # 200,000 draws: five standard errors are at most 0.0056.
    assert float(left_out.double().mean()) == pytest.approx(share, abs=0.0056)
    assert float(values.max()) == pytest.approx(1.0 / (1.0 - share), rel=1e-4)
    rows, columns = left_out.double().mean(dim=1), left_out.double().mean(dim=0)
    assert float(rows.std()) == pytest.approx((share * (1 - share) / 500) ** 0.5, rel=0.25)
    assert float(columns.std()) == pytest.approx((share * (1 - share) / 400) ** 0.5, rel=0.25)


def test_draws_follow_the_seed_and_differ_between_calls() -> None:
    dropout, values = Dropout(0.5), torch.ones(7, 3)
    with seeded(1):
        first, second = dropout(values), dropout(values)
    with seeded(1):
        again = dropout(values)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_nothing_is_left_out_after_training() -> None:
    values = torch.randn(5, 4)
    assert torch.equal(Dropout(0.5).eval()(values), values)
    assert torch.equal(Dropout(0.0)(values), values)


def test_gradients_pass_where_values_do() -> None:
    values = torch.ones(64, 8, requires_grad=True)
    result = Dropout(0.5)(values)
    result.sum().backward()
    assert torch.equal(values.grad, result.detach())
