"""Priors by name, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, truncnorm

from ctsm_socnn.assimilation import Settings, make_prior
from ctsm_socnn.errors import ConfigError
from ctsm_socnn.parameters import PARAMETER_NAMES, clm5_defaults, lower_bounds, to_physical, to_unit

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


def test_the_normal_prior_costs_half_a_squared_deviation_in_its_widths() -> None:
    prior = make_prior("uniform", given={"q10": (2.0, 0.09)})
    unit = prior.from_probit(np.zeros(21))
    unit[Q10] = prior.centre[Q10] + 3.0 * prior.sd[Q10]
    assert prior.cost(unit)[0] == pytest.approx(4.5)


def test_probits_and_places_of_a_cut_off_normal_are_those_of_scipy() -> None:
    """Centred on the lower bound, where half of the normal is cut off."""
    lower = float(lower_bounds()[Q10])
    prior = make_prior("uniform", given={"q10": (lower, 0.9)})
    reference = truncnorm(0.0, 1.0 / prior.sd[Q10], scale=prior.sd[Q10])
    probit = np.full(21, 0.7)
    unit, step = prior.from_probit(probit), 1e-6
    assert unit[Q10] == pytest.approx(reference.ppf(norm.cdf(0.7)), rel=1e-9)
    np.testing.assert_allclose(prior.to_probit(unit), probit, rtol=1e-9)
    difference = prior.from_probit(probit + step) - prior.from_probit(probit - step)
    np.testing.assert_allclose(prior.slope(probit, unit), difference / (2.0 * step), rtol=1e-6)
    assert prior.variance[Q10] == pytest.approx(reference.var(), rel=0.01)
