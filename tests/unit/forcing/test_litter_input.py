from __future__ import annotations

import numpy as np

from ctsm_socnn.forcing.litter_input import (
    Closure,
    column_total,
    fold_below_bedrock,
    without_negative_months,
)


def test_folding_keeps_the_column_and_empties_the_rock():
    random = np.random.default_rng(3)
    tendency = random.normal(size=(20, 4))
    nbedrock = np.array([20, 12, 6, 1])
    folded = fold_below_bedrock(tendency, nbedrock)
    np.testing.assert_allclose(column_total(folded), column_total(tendency), rtol=1e-12)
    for cell, layer in enumerate(nbedrock):
        assert not folded[layer:, cell].any()
        np.testing.assert_array_equal(folded[: layer - 1, cell], tendency[: layer - 1, cell])


def test_negative_months_go_and_the_year_stays():
    inputs = np.zeros((12, 2))
    inputs[:, 0] = [5, -1, 2, 0, 0, 0, 0, 0, 0, 0, 3, -1]
    inputs[3, 1] = -1e-12
    mended = without_negative_months(inputs)
    assert mended.min() >= 0
    np.testing.assert_allclose(mended.sum(axis=0), [8.0, 0.0], rtol=1e-14)


def test_year_of_net_loss_has_no_input():
    inputs = np.zeros(12)
    inputs[4:6] = [5.0, -8.0]
    assert not without_negative_months(inputs[:, np.newaxis]).any()


def test_closure_tells_the_worst_cell_of_any_month_and_the_typical_one():
    closure = Closure()
    litterfall = np.array([1.0, 2.0, 4.0, 0.0])
    for ratio in ([1.0, 1.5, 1.1, 7.0], [1.0, 1.0, 1.0, 7.0], [1.0, 0.8, 1.0, 7.0]):
        closure.add(litterfall * ratio, litterfall)
    attributes = closure.attributes()
    np.testing.assert_allclose(attributes["litter_closure_largest"], 0.5, rtol=1e-12)
    assert attributes["litter_closure_median"] == 0.0


def test_closure_median_is_that_of_cells_in_the_median_month():
    closure = Closure()
    for error in (0.1, 0.2, 0.6):
        closure.add(1.0 + np.array([0.0, error, 0.9]), np.ones(3))
    np.testing.assert_allclose(closure.attributes()["litter_closure_median"], 0.2, rtol=1e-12)
