from __future__ import annotations

import numpy as np

from ctsm_socnn.forcing.litter_input import (
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
