"""Priors by name, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from ctsm_socnn.assimilation import Settings, make_prior
from ctsm_socnn.errors import ConfigError
from ctsm_socnn.parameters import PARAMETER_NAMES, clm5_defaults, to_physical, to_unit

Q10 = PARAMETER_NAMES.index("q10")


def test_the_uniform_prior_says_nothing() -> None:
    prior = make_prior("uniform")
    cost, gradient = prior.cost(np.full(21, 0.9))
    assert prior.is_uniform
    assert cost == 0.0
    assert not gradient.any()
    np.testing.assert_allclose(prior.variance, 1.0 / 12.0)


def test_the_normal_prior_lies_around_the_values_of_clm5() -> None:
    prior = make_prior("normal", width=0.01)
    draws = prior.draw(np.random.default_rng(1), 4000)
    inside = (to_unit(clm5_defaults()) > 0.05) & (to_unit(clm5_defaults()) < 0.95)
    assert inside.sum() > 10
    np.testing.assert_allclose(
        draws.mean(axis=0)[inside], to_unit(clm5_defaults())[inside], atol=1e-3
    )
    assert (draws >= 0.0).all()
    assert (draws <= 1.0).all()


def test_its_gradient_agrees_with_differences() -> None:
    prior = make_prior("normal")
    point, step = np.random.default_rng(2).uniform(size=21), 1e-6
    for axis, slope in enumerate(prior.cost(point)[1]):
        shift = step * (np.arange(21) == axis)
        difference = (prior.cost(point + shift)[0] - prior.cost(point - shift)[0]) / (2.0 * step)
        assert difference == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_one_parameter_can_be_given_in_its_units() -> None:
    prior = make_prior("uniform", given={"q10": (2.0, 0.09)})
    draws = to_physical(prior.draw(np.random.default_rng(3), 20_000))
    assert draws[:, Q10].mean() == pytest.approx(2.0, abs=0.005)
    assert draws[:, Q10].std() == pytest.approx(0.09, abs=0.003)
    assert np.isinf(prior.sd).sum() == 20
    assert prior.description() == "normal between the bounds (0 to 1): q10 0.444444 +- 0.05"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "cauchy"}, "unknown prior 'cauchy'; choose from uniform, normal"),
        ({"name": "normal", "width": 0.0}, "width of the prior is 0; it must be above 0"),
        ({"name": "normal", "given": {"q11": (2.0, 0.1)}}, "unknown parameter 'q11'"),
        ({"name": "normal", "given": {"q10": (9.0, 0.1)}}, "its centre at 9 1; it must lie within"),
        ({"name": "normal", "given": {"q10": (2.0, -0.1)}}, "prior of q10 has the width -0.1"),
    ],
)
def test_an_impossible_prior_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_prior(**arguments)


def test_the_published_sampler_knows_the_uniform_prior_alone() -> None:
    with pytest.raises(ConfigError, match="uniform prior alone"):
        Settings(sampler="published", likelihood="published", prior=make_prior("normal"))
