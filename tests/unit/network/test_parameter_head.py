from __future__ import annotations

import numpy as np
import pytest
import torch

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.parameter_head import BoundedHead, ClippedHead, predicted_parameters
from ctsm_socnn.network.settings import ParameterSettings
from ctsm_socnn.parameters import PARAMETER_NAMES, clm5_defaults, to_physical, to_unit

FREE = ParameterSettings(held=(), tied=(), bounds={})


def row(name: str) -> int:
    return PARAMETER_NAMES.index(name)


def test_all_but_held_and_tied_parameters_are_predicted() -> None:
    settings = ParameterSettings(held=("tau_cwd",), tied=("q10",))
    names = predicted_parameters(settings)
    assert len(names) == 19
    assert not {"tau_cwd", "q10"} & set(names)


def test_scores_of_any_size_stay_inside_the_bounds() -> None:
    settings = ParameterSettings(held=(), bounds={"efolding": (0.2, 0.9)})
    scores = torch.full((2, 21), 1e6, dtype=torch.float64)
    scores[1] *= -1.0
    unit = BoundedHead(settings)(scores).detach().numpy()
    assert (unit > 0.0).all()
    assert (unit < 1.0).all()
    np.testing.assert_allclose(to_physical(unit)[:, row("efolding")], [0.9, 0.2])


def test_scores_of_zero_give_the_start() -> None:
    start = np.linspace(0.1, 0.9, 21)
    unit = BoundedHead(FREE, start)(torch.zeros(3, 21, dtype=torch.float64)).detach().numpy()
    np.testing.assert_allclose(unit, np.tile(start, (3, 1)), atol=1e-12)


def test_held_parameters_keep_the_model_default() -> None:
    settings = ParameterSettings(held=("q10", "beta"), bounds={})
    unit = BoundedHead(settings)(torch.randn(4, 19, dtype=torch.float64)).detach().numpy()
    default = to_unit(clm5_defaults())
    for name in settings.held:
        np.testing.assert_allclose(unit[:, row(name)], default[row(name)])


def test_tied_parameters_are_one_learnt_value() -> None:
    settings = ParameterSettings(held=(), tied=("q10",), bounds={})
    head = BoundedHead(settings)
    unit = head(torch.randn(4, 20, dtype=torch.float64))
    unit[:, row("q10")].sum().backward()
    assert len(set(unit[:, row("q10")].tolist())) == 1
    assert head.tied_scores.grad is not None
    assert float(head.tied_scores.grad) > 0.0


def test_published_outputs_are_clipped_only_after_training() -> None:
    head = ClippedHead(FREE)
    scores = torch.tensor([[-0.5, 0.0, 0.3, 1.7] + [0.5] * 17], dtype=torch.float64)
    assert head.train()(scores) is scores
    assert head.eval()(scores)[0, :4].tolist() == [1e-4, 1e-4, 0.3, 1.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (ParameterSettings(held=("tau9",)), "unknown parameter 'tau9'"),
        (ParameterSettings(held=("q10",), tied=("q10",)), "q10 cannot be both held and tied"),
        (ParameterSettings(held=PARAMETER_NAMES), "nothing to predict"),
        (ParameterSettings(bounds={"q10": (1.0, 2.0)}), "bounds of q10 are 1 to 2"),
        (ParameterSettings(bounds={"q10": (2.0, 1.5)}), "they must rise"),
    ],
)
def test_wrong_settings_are_refused(settings: ParameterSettings, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        BoundedHead(settings)
