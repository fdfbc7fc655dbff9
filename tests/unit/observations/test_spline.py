from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctsm_socnn.errors import ConfigError, ProfileError
from ctsm_socnn.observations.profiles import profiles_from_table
from ctsm_socnn.observations.quality import names_in
from ctsm_socnn.observations.spline import spline_operator, spline_profiles

TOP, BOTTOM = np.array([0.0, 10.0, 30.0, 50.0, 80.0]), np.array([10.0, 30.0, 50.0, 70.0, 120.0])
VALUES = np.array([60.0, 40.0, 22.0, 12.0, 6.0])


def slope_at(depth: float) -> float:
    near = spline_operator(TOP, BOTTOM, depth + np.array([-2e-3, 0.0, 2e-3])) @ VALUES
    return float((near[1] - near[0]) / 2e-3)


@given(
    st.lists(st.tuples(st.floats(2, 40), st.floats(0, 10)), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_mass_of_each_layer_is_kept(sizes, random):
    thickness, gap = np.array(sizes).T
    top = np.cumsum(thickness + gap) - thickness - gap
    values = np.array([random.uniform(1.0, 100.0) for _ in sizes])
    for i, (upper, lower) in enumerate(zip(top, top + thickness, strict=True)):
        again = spline_operator(top, top + thickness, np.array([upper, lower])) @ values
        assert again.item() == pytest.approx(values[i], rel=1e-9, abs=1e-9)


def test_curve_and_slope_are_continuous_and_flat_at_the_ends():
    for depth in (10.0, 30.0, 70.0, 80.0):
        around = spline_operator(TOP, BOTTOM, depth + np.array([-1e-6, 0.0, 1e-6])) @ VALUES
        assert around[0] == pytest.approx(around[1], rel=1e-6)
        assert slope_at(depth - 5e-3) == pytest.approx(slope_at(depth + 5e-3), rel=2e-2)
    assert slope_at(2e-3) == pytest.approx(0.0, abs=1e-2)
    assert slope_at(120.0 - 2e-3) == pytest.approx(0.0, abs=1e-2)


def test_gap_is_bridged_by_a_straight_line():
    a, b, c = (slope_at(depth) for depth in (72.0, 75.0, 78.0))
    assert a == pytest.approx(b, rel=1e-4)
    assert b == pytest.approx(c, rel=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_rows_sum_to_one_and_constants_stay(smoothing):
    weights = spline_operator(TOP, BOTTOM, np.array([0.0, 5.0, 15.0, 60.0, 120.0]), smoothing)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)


def test_smoothing_lessens_the_roughness():
    fine = np.arange(0.0, 121.0)
    rough, smooth = (spline_operator(TOP, BOTTOM, fine, s) @ VALUES for s in (0.0, 1.0))
    assert np.square(np.diff(smooth)).sum() < 0.99 * np.square(np.diff(rough)).sum()


@pytest.mark.parametrize("smoothing", [0.1, 5.0])
def test_smoothed_curve_is_the_best_by_the_published_criterion(smoothing):
    """Bishop et al. (1999): least mean square misfit + smoothing * integral of the squared slope.

    Compared with the best of all curves on cells of 1 mm.
    """
    cell = 0.1
    middle = cell * (np.arange(1200) + 0.5)
    within = (middle > TOP[:, np.newaxis]) & (middle < BOTTOM[:, np.newaxis])
    mean = within / within.sum(axis=1, keepdims=True)
    slope = (np.eye(1199, 1200, 1) - np.eye(1199, 1200)) / cell
    curvature = mean.T @ mean / TOP.size + smoothing * cell * slope.T @ slope
    best = mean @ np.linalg.solve(curvature, mean.T @ VALUES / TOP.size)
    for i, edges in enumerate(zip(TOP, BOTTOM, strict=True)):
        found = spline_operator(TOP, BOTTOM, np.array(edges), smoothing) @ VALUES
        assert found.item() == pytest.approx(best[i], abs=2e-3 * abs(best[i] - VALUES[i]) + 1e-9)


def table(*layers: tuple[float, ...], profile: str = "a") -> pd.DataFrame:
    frame = pd.DataFrame(list(layers), columns=["top", "bottom", "soc", "soc_sd"])
    return frame.assign(profile_id=profile, lon=281.03, lat=40.52, date="1998")


def test_profiles_arrive_on_the_wanted_layers_they_reach():
    layers = [(0.0, 0.1, 60e3, 6e3), (0.1, 0.5, 30e3, 3e3), (0.5, 0.7, -1.0, 1.0)]
    profiles = profiles_from_table(table(*layers), "t")
    splined = spline_profiles(profiles, [0.0, 0.1, 0.5, 1.0])
    np.testing.assert_allclose(splined["top"], [0.0, 0.1])
    np.testing.assert_allclose(splined["soc"], [60e3, 30e3], rtol=1e-12)
    np.testing.assert_allclose(splined["soc_sd"], [6e3, 3e3], rtol=1e-12)
    assert splined["date"].item() == "1998"
    notes = [names_in(int(flag)) for flag in splined["flag"].values]
    assert all("carbon_indirect" in names for names in notes)


def test_errors_of_layers_are_independent():
    """The mean of two layers of equal thickness is known better than each by the root of two."""
    layers = [(0.0, 0.1, 60e3, 6e3), (0.1, 0.2, 30e3, 8e3)]
    splined = spline_profiles(profiles_from_table(table(*layers), "t"), [0.0, 0.2])
    np.testing.assert_allclose(splined["soc"], 45e3, rtol=1e-12)
    np.testing.assert_allclose(splined["soc_sd"], 5e3, rtol=1e-12)


def test_profile_that_reaches_no_wanted_layer_is_counted():
    profiles = profiles_from_table(table((0.0, 0.1, 60e3, 6e3)), "t")
    splined = spline_profiles(profiles, [0.0, 0.3])
    assert names_in(int(splined["flag"].item())) == ["no_carbon_value"]


@pytest.mark.parametrize("edges", [[0.0], [0.3, 0.1], [-0.1, 0.1]])
def test_impossible_edges_are_refused(edges):
    profiles = profiles_from_table(table((0.0, 0.1, 60e3, 6e3)), "t")
    with pytest.raises(ConfigError, match="give two edges or more"):
        spline_profiles(profiles, edges)


def test_values_at_depths_are_refused():
    frame = pd.DataFrame({"depth": [0.1], "soc": [9e3]})
    profiles = profiles_from_table(frame.assign(profile_id="a", lon=281.0, lat=40.0), "t")
    with pytest.raises(ProfileError, match="only layers can be splined"):
        spline_profiles(profiles, [0.0, 0.3])
