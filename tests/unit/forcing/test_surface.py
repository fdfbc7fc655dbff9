from __future__ import annotations

import numpy as np
import pytest

from ctsm_socnn.forcing.surface import bedrock_layer, surface_level


@pytest.mark.parametrize(
    ("depth", "layer"),
    [(0.1, 6), (0.4, 6), (0.9, 8), (1.2, 9), (2.0, 12), (3.0, 14), (10.0, 20), (50.0, 20)],
)
def test_bedrock_lies_in_the_layer_that_holds_its_depth(depth, layer):
    assert bedrock_layer(np.array([depth]))[0] == layer


def test_ten_surface_levels_fill_twenty_layers_in_order():
    levels = surface_level()
    assert levels.shape == (20,)
    assert levels[0] == 0
    assert levels[-1] == 9
    assert (np.diff(levels) >= 0).all()
