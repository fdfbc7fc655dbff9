"""The observation operator: interpolation, intervals, bedrock, screening."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn import _kernel
from ctsm_socnn.errors import ConfigError
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.schemas import open_sites

NODE, THICKNESS, INTERFACE = _kernel.grid()


def sites(soc, nbedrock=20, **where):
    variables = {"soc": (("site", "obs"), np.atleast_2d(np.asarray(soc, dtype=float)))}
    for name, values in where.items():
        variables[name] = (("site", "obs"), np.atleast_2d(np.asarray(values, dtype=float)))
    n = variables["soc"][1].shape[0]
    variables["nbedrock"] = (("site",), np.broadcast_to(np.asarray(nbedrock), (n,)))
    return xr.Dataset(variables)


def test_points_are_interpolated_linearly_and_held_beyond_the_ends():
    depth = [0.0, 0.01, 0.025, 1.0, 8.03, 8.5]
    operator = ObservationOperator.from_sites(sites(np.ones(6), soc_depth=depth))
    profile = np.exp(-NODE)
    expected = np.interp(depth, NODE, profile)
    np.testing.assert_allclose(operator.apply(profile[np.newaxis]), expected, rtol=1e-14)


def test_an_interval_is_the_mean_over_the_layers_it_overlaps():
    operator = ObservationOperator.from_sites(
        sites([1.0, 1.0], soc_top=[0.0, 0.05], soc_bottom=[0.06, 0.10])
    )
    profile = np.arange(20.0)[np.newaxis]
    expected = [(0.02 * 0 + 0.04 * 1) / 0.06, (0.01 * 1 + 0.04 * 2) / 0.05]
    np.testing.assert_allclose(operator.apply(profile), expected, rtol=1e-14)
    np.testing.assert_allclose(operator.depth, [0.03, 0.075])


def test_intervals_and_points_may_stand_beside_each_other():
    operator = ObservationOperator.from_sites(
        sites(
            [1.0, 1.0],
            soc_depth=[0.5, NODE[7]],
            soc_top=[0.02, np.nan],
            soc_bottom=[0.06, np.nan],
        )
    )
    np.testing.assert_allclose(operator.apply(np.arange(20.0)[np.newaxis]), [1.0, 7.0])


def test_below_bedrock_the_deepest_layer_stands_in():
    data = sites(
        [1.0, 1.0, 1.0, 1.0],
        nbedrock=5,
        soc_depth=[0.25, 0.30, 2.0, np.nan],
        soc_top=[np.nan, np.nan, np.nan, 0.9],
        soc_bottom=[np.nan, np.nan, np.nan, 1.1],
    )
    operator = ObservationOperator.from_sites(data, below_bedrock="deepest")
    layers = operator.matrix.toarray()
    assert (layers[:, 5:] == 0.0).all()
    np.testing.assert_array_equal(layers[1:, 4], 1.0)


def test_below_bedrock_observations_can_be_left_out():
    data = sites([1.0, 1.0, 1.0], nbedrock=5, soc_depth=[0.25, 0.30, INTERFACE[5] + 1e-9])
    operator = ObservationOperator.from_sites(data, below_bedrock="drop")
    np.testing.assert_array_equal(operator.obs, [0, 1])
    assert operator.excluded == {"below bedrock": 1}


def test_an_interval_is_cut_at_bedrock():
    data = sites([1.0], nbedrock=2, soc_top=[0.02], soc_bottom=[1.0])
    operator = ObservationOperator.from_sites(data)
    np.testing.assert_array_equal(operator.apply(np.arange(20.0)[np.newaxis]), [1.0])


def test_what_cannot_be_used_is_counted_by_reason():
    nan, inf = np.nan, np.inf
    data = sites(
        [1.0, 0.0, -3.0, 250_001.0, nan, inf, 5.0, 5.0, 5.0, nan],
        soc_depth=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, nan, -0.1, 0.9, nan],
        soc_flag=[0, 0, 0, 0, 0, 0, 0, 0, 2, 0],
    )
    operator = ObservationOperator.from_sites(data)
    np.testing.assert_array_equal(operator.obs, [0])
    assert operator.excluded == {
        "no value": 2,
        "no depth": 1,
        "depth above the surface": 1,
        "not above zero": 2,
        "above 250000 gC m-3": 1,
        "flagged by soc_flag": 1,
    }


def test_an_interval_upside_down_is_left_out():
    operator = ObservationOperator.from_sites(sites([1.0], soc_top=[0.3], soc_bottom=[0.1]))
    assert operator.values.size == 0
    assert operator.excluded == {"interval upside down": 1}


def test_a_site_without_bedrock_index_has_no_observations():
    data = sites([[1.0, 2.0], [3.0, np.nan]], [np.nan, 20], soc_depth=[[0.1, 0.2], [0.3, np.nan]])
    operator = ObservationOperator.from_sites(data)
    np.testing.assert_array_equal(operator.site, [1])
    assert operator.excluded == {"site without nbedrock": 2}


def test_the_adjoint_is_the_transpose():
    rng = np.random.default_rng(1)
    data = sites(
        rng.uniform(1.0, 10.0, (4, 6)),
        nbedrock=[3, 9, 19, 20],
        soc_depth=rng.uniform(0.0, 9.0, (4, 6)),
    )
    operator = ObservationOperator.from_sites(data)
    soc, bar = rng.normal(size=(4, 20)), rng.normal(size=operator.values.size)
    assert operator.apply(soc) @ bar == pytest.approx(np.vdot(soc, operator.adjoint(bar)))


def test_a_wrong_rule_is_refused():
    with pytest.raises(ConfigError, match="'clip'"):
        ObservationOperator.from_sites(sites([1.0], soc_depth=[0.1]), below_bedrock="clip")


@pytest.mark.real_data
def test_real_profiles(shared_data: Path):
    data = open_sites(shared_data / "data" / "northeast_us" / "sites.nc")
    operator = ObservationOperator.from_sites(data)
    used, left_out = operator.values.size, sum(operator.excluded.values())
    assert used + left_out == int((np.isfinite(data["soc"]) | np.isfinite(data["soc_depth"])).sum())
    assert operator.n_sites == 997
    np.testing.assert_allclose(operator.matrix.sum(axis=1), 1.0, rtol=1e-14)
