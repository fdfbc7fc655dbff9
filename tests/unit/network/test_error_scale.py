from __future__ import annotations

import json

import numpy as np
import pytest

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.error_scale import (
    LEVELS,
    Errors,
    ErrorScale,
    coverage,
    fit_scales,
    join_errors,
)


def drawn(n: int, seed: int) -> Errors:
    """Heavy-tailed errors whose middle and scale change with depth, and a spread that matters."""
    generator = np.random.default_rng(seed)
    depth = generator.uniform(0.0, 2.0, n)
    spread = generator.uniform(0.0, 0.5, n)
    own = (0.2 + 0.4 * depth) * generator.standard_t(5, n)
    return Errors(depth, 0.3 * depth - 0.2 + own + spread * generator.normal(size=n), spread)


def test_intervals_hold_what_they_say_at_new_places() -> None:
    scale = ErrorScale.fit(drawn(6_000, 0))
    new = drawn(20_000, 1)
    found = coverage({"soc": scale}, {"soc": new})["soc"]
    assert found["n"] == 20_000
    for level in LEVELS:
        # Three standard errors of 6,000 draws are 0.02.
        assert found[f"{level:g}"] == pytest.approx(level, abs=0.02)


def test_intervals_hold_what_they_say_at_every_depth() -> None:
    scale = ErrorScale.fit(drawn(20_000, 0))
    new = drawn(20_000, 1)
    for low, high in ((0.0, 0.2), (0.6, 0.9), (1.5, 2.0)):
        there = (new.depth >= low) & (new.depth < high)
        part = Errors(new.depth[there], new.error[there], new.spread[there])
        assert coverage({"soc": scale}, {"soc": part})["soc"]["0.9"] == pytest.approx(0.9, abs=0.03)


def test_a_wider_ensemble_has_wider_intervals_about_the_same_middle() -> None:
    scale = ErrorScale.fit(drawn(2_000, 0))
    centre, depth = np.array([10_000.0]), np.array([0.4])
    narrow = scale.interval(centre, np.array([0.0]), depth, 0.9)
    wide = scale.interval(centre, np.array([1.0]), depth, 0.9)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    inner = scale.interval(centre, np.array([0.0]), depth, 0.5)
    assert narrow[0] < inner[0] < inner[1] < narrow[1]


def test_what_counts_as_covered_lies_inside_the_interval() -> None:
    errors = drawn(500, 3)
    scale = ErrorScale.fit(errors)
    centre = np.full(500, 7_000.0)
    low, high = scale.interval(centre, errors.spread, errors.depth, 0.8)
    observed = centre * np.exp(errors.error)
    inside = float(np.mean((observed >= low) & (observed <= high)))
    # Both ends are errors of this very sample; rounding decides on which side they fall.
    covered = coverage({"soc": scale}, {"soc": errors})["soc"]["0.8"]
    assert inside == pytest.approx(covered, abs=2.1 / 500)
    assert covered >= 0.8


@pytest.mark.parametrize(
    ("n", "level", "end"), [(24, 0.5, 0.65), (24, 0.9, 1.15), (39, 0.8, 1.6), (39, 0.9, 1.8)]
)
def test_ends_are_a_step_outside_the_quantiles_of_few_errors(
    n: int, level: float, end: float
) -> None:
    """Of 24 errors a 25th lies above the 19th with probability 1/4, above the last with 1/25;
    of 39, above the 38th with 1/20."""
    errors = 0.1 * (np.arange(n) - 0.5 * (n - 1))
    scale = ErrorScale.fit(Errors(np.full(n, 0.4), errors, np.zeros(n)))
    low, high = scale.interval(np.array([1000.0]), np.zeros(1), np.array([0.4]), level)
    np.testing.assert_allclose([low[0], high[0]], 1000.0 * np.exp([-end, end]))


def test_depths_with_few_errors_are_put_together() -> None:
    depth = np.repeat([0.02, 0.07, 0.15, 1.2], [35, 10, 35, 5])
    errors = np.random.default_rng(0).normal(size=depth.size)
    scale = ErrorScale.fit(Errors(depth, errors, np.zeros(depth.size)))
    assert scale.depth == (0.02, 0.15)
    joined = errors[35:]
    assert scale.middle == (np.median(errors[:35]), np.median(joined))


def test_the_scale_is_about_the_middle_and_beside_the_spread() -> None:
    generator, n = np.random.default_rng(0), 4_000
    errors = 1.0 + 0.3 * generator.normal(size=n) + 0.4 * generator.normal(size=n)
    scale = ErrorScale.fit(Errors(np.full(n, 0.4), errors, np.full(n, 0.4)))
    assert scale.middle == pytest.approx((1.0,), abs=0.03)
    assert scale.scale == pytest.approx((0.3,), abs=0.03)


def test_few_errors_are_refused_or_left_without_a_scale() -> None:
    with pytest.raises(NetworkError, match="19 errors are too few for intervals; 20 are needed"):
        ErrorScale.fit(drawn(19, 0))
    assert list(fit_scales({"soc": drawn(50, 0), "deep": drawn(19, 0)})) == ["soc"]


def test_quantities_that_some_folds_lack_are_joined() -> None:
    joined = join_errors([{"soc": drawn(5, 0)}, {"soc": drawn(7, 1), "deep": drawn(3, 2)}])
    assert joined["soc"].error.size == 12
    assert joined["deep"].depth.size == 3


def test_json_keeps_every_bit() -> None:
    scale = ErrorScale.fit(drawn(300, 0))
    stored = json.loads(json.dumps(scale.to_json()))
    assert ErrorScale.from_json(stored) == scale
    with pytest.raises(ValueError, match="1 intervals"):
        ErrorScale.from_json({**stored, "ends": stored["ends"][:1]})
