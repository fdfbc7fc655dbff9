from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from ctsm_socnn.network import profile_process
from ctsm_socnn.network.profile_process import ProfileProcess, Profiles

DEPTHS = np.array([0.05, 0.2, 0.5, 1.2])


def profiles(n: int, seed: int, spread_km: float = 500.0) -> Profiles:
    generator = np.random.default_rng(seed)
    return Profiles(
        generator.normal(size=(n, 3)),
        generator.uniform(0.0, spread_km, (n, 3)),
        np.repeat(np.arange(n), len(DEPTHS)),
        np.tile(DEPTHS, n),
    )


def truth(of: Profiles) -> NDArray[np.float64]:
    first, second = of.features[of.site, 0], of.features[of.site, 1]
    falls = np.log(of.depth)
    return np.column_stack([np.sin(first) - falls, 3.0 * second + 0.5 * first * falls])


def expected(process: ProfileProcess, at: Profiles) -> NDArray[np.float64]:
    return process.expect(at.features, at.site, at.depth)


def test_a_smooth_surface_is_found_between_profiles() -> None:
    known, elsewhere = profiles(150, 0), profiles(60, 1)
    found = expected(ProfileProcess.fit(known, truth(known), seed=0), elsewhere)
    wanted = truth(elsewhere)
    error = np.var(found - wanted, axis=0) / np.var(wanted, axis=0)
    assert (error < 0.05).all()


def test_the_expectation_is_that_of_the_stated_covariance() -> None:
    """Written out for all layers at once, at the ends of the nodes, where none is interpolated."""
    known, elsewhere = profiles(12, 0, spread_km=20.0), profiles(5, 1)
    values = truth(known)
    ends = np.isin(elsewhere.depth, DEPTHS[[0, -1]])
    site, depth = elsewhere.site[ends], elsewhere.depth[ends]
    found = ProfileProcess.fit(known, values, seed=0).expect(elsewhere.features, site, depth)

    def matern(distance: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((1.0 + np.sqrt(3.0) * distance) * np.exp(-np.sqrt(3.0) * distance))

    def in_log(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.abs(np.log(one + 0.03)[:, None] - np.log(other + 0.03)))

    scale = np.median(cdist(known.features, known.features))

    def alike(features: NDArray[np.float64]) -> NDArray[np.float64]:
        return 0.5 * matern(cdist(features, known.features) / scale)[:, known.site]

    def along(one: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(0.25 + 0.75 * matern(in_log(one, known.depth) / 0.8))

    def curve(one: NDArray[np.float64]) -> NDArray[np.float64]:
        return matern(in_log(one, known.depth) / 1.2)

    own = 0.25 * (known.site[:, None] == known.site)
    near = 0.1 * np.exp(-cdist(known.positions, known.positions) / 8.0)
    between = alike(known.features)[known.site] + near[known.site][:, known.site] + own
    noise = 0.12 * np.eye(len(known.depth))
    covariance = curve(known.depth) + between * along(known.depth) + noise
    cross = curve(depth) + alike(elsewhere.features)[site] * along(depth)
    mean = values.mean(axis=0)
    wanted = mean + cross @ np.linalg.solve(covariance, values - mean)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_between_nodes_it_is_interpolated() -> None:
    known = profiles(30, 0)
    process = ProfileProcess.fit(known, truth(known), seed=0)
    depth = np.linspace(0.05, 1.2, 400)
    found = process.expect(known.features[:1], np.zeros(400, dtype=np.intp), depth)
    steps = np.abs(np.diff(found, axis=0))
    assert steps.max() < 0.02 * np.ptp(found, axis=0).max()


def test_unlike_every_profile_only_the_curve_of_depth_is_expected() -> None:
    known = profiles(40, 0)
    process = ProfileProcess.fit(known, truth(known), seed=0)
    far = np.array([[1e6, 0.0, 0.0], [0.0, -1e6, 0.0]])
    found = process.expect(far, np.repeat([0, 1], 4), np.tile(DEPTHS, 2))
    np.testing.assert_allclose(found[:4], found[4:], rtol=1e-12)
    assert (np.diff(found[:4, 0]) < 0.0).all()


def test_ten_profiles_of_one_place_count_less_than_ten_of_ten_places() -> None:
    known = profiles(60, 0)
    odd = np.arange(60) < 10
    known.features[odd] = known.features[0] + 3.0
    values = np.where(odd[known.site], 1.0, 0.0)[:, None]
    known.positions[odd] = known.positions[0]
    together = expected(ProfileProcess.fit(known, values, seed=0), known)
    known.positions[odd] += 1000.0 * np.arange(10)[:, None]
    apart = expected(ProfileProcess.fit(known, values, seed=0), known)
    assert together[0, 0] < 0.9 * apart[0, 0]


def test_many_layers_are_dealt_to_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    known, elsewhere = profiles(300, 0), profiles(50, 1)
    monkeypatch.setattr(profile_process, "_MOST_LAYERS", 500)
    found = [
        expected(ProfileProcess.fit(known, truth(known), seed), elsewhere) for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    wanted = truth(elsewhere)
    assert (np.var(found[0] - wanted, axis=0) < 0.1 * np.var(wanted, axis=0)).all()


def test_sites_without_any_difference_get_the_curve_of_depth() -> None:
    known = profiles(8, 0)
    known.features[:] = 2.0
    values = -np.log(known.depth)[:, None]
    found = expected(ProfileProcess.fit(known, values, seed=0), known)
    assert np.corrcoef(found[:4, 0], values[:4, 0])[0, 1] > 0.99
