from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network import NetworkSettings, score_model, score_parameters, train_two_step
from ctsm_socnn.network.scoring import modelled_soc
from ctsm_socnn.network.stocks import deepest_observation, observed_stocks
from ctsm_socnn.parameters import to_physical

KEYS = {
    prefix + name
    for prefix in ("", "log_", "stock_", "stock_log_")
    for name in ("nse", "r2", "ccc", "rmse", "bias")
}


@pytest.fixture
def parameters(sites: xr.Dataset) -> np.ndarray:
    unit = np.random.default_rng(0).uniform(0.45, 0.55, (sites.sizes["site"], 21))
    return to_physical(unit)


def with_modelled_carbon(sites: xr.Dataset, parameters: np.ndarray) -> xr.Dataset:
    operator = ObservationOperator.from_sites(sites)
    twin = sites.copy(deep=True)
    twin["soc"].values[operator.site, operator.obs] = operator.apply(
        modelled_soc(sites, parameters)
    )
    return twin


def test_the_truth_scores_one(sites: xr.Dataset, parameters: np.ndarray) -> None:
    result = score_parameters(with_modelled_carbon(sites, parameters), parameters)
    assert result.keys() == KEYS | {"n_layers", "n_sites", "excluded"}
    for name in ("nse", "r2", "log_nse", "log_r2", "stock_nse", "stock_r2"):
        assert result[name] == pytest.approx(1.0)
    assert result["rmse"] == pytest.approx(0.0, abs=1e-6)
    assert (result["n_layers"], result["n_sites"], result["excluded"]) == (160, 40, {})


def test_a_bias_is_seen(sites: xr.Dataset, parameters: np.ndarray) -> None:
    twin = with_modelled_carbon(sites, parameters)
    twin["soc"] = twin["soc"] / 10.0
    assert score_parameters(twin, parameters)["log_bias"] == pytest.approx(1.0)


def test_bad_layers_and_sites_are_left_out_and_counted(
    sites: xr.Dataset, parameters: np.ndarray
) -> None:
    twin = with_modelled_carbon(sites, parameters)
    twin["soc"].values[0, :3] = [0.0, 300_000.0, 7.0]
    twin["soc_flag"] = (("site", "obs"), np.zeros((40, 4), dtype=np.int8))
    twin["soc_flag"].values[0, 2] = 1
    twin["W_SCALAR"].values[1, 3, 4] = np.nan
    parameters[2] = np.nan
    result = score_parameters(twin, parameters)
    assert result["n_sites"] == 38
    assert result["n_layers"] == 160 - 3 - 8
    assert result["excluded"] == {
        "layers: not above zero": 1,
        "layers: above 250000 gC m-3": 1,
        "layers: flagged by soc_flag": 1,
        "sites: forcing missing": 1,
        "sites: covariates missing": 1,
    }
    assert result["nse"] == pytest.approx(1.0)


def test_a_site_without_observations_is_no_scored_site(
    sites: xr.Dataset, parameters: np.ndarray
) -> None:
    sites["soc"].values[3] = np.nan
    result = score_parameters(sites, parameters)
    assert (result["n_layers"], result["n_sites"]) == (156, 39)


def test_below_bedrock_the_rule_is_that_asked_for_or_the_model_s(
    sites: xr.Dataset, parameters: np.ndarray, posterior: xr.Dataset
) -> None:
    """At 8 of the 40 sites bedrock begins above the deepest observation."""
    assert score_parameters(sites, parameters, "deepest")["n_layers"] == 160
    assert score_parameters(sites, parameters, "drop")["n_layers"] == 152
    settings = NetworkSettings(members=1, epochs=1, below_bedrock="drop")
    model = train_two_step(sites, posterior, settings, seed=0)
    assert score_model(model, sites)["n_layers"] == 152


def test_stocks_of_a_constant_and_a_linear_profile(sites: xr.Dataset) -> None:
    operator = ObservationOperator.from_sites(sites.isel(site=[1]))
    np.testing.assert_allclose(observed_stocks(operator, np.full(4, 5_000.0)), [5_000.0])
    # 0.05, 0.2, 0.5 and 1.1 m; constant above 0.05 m.
    linear = 1_000.0 * operator.depth
    expected = 1_000.0 * (0.05 * 0.05 + (1.0 - 0.05**2) / 2)
    np.testing.assert_allclose(observed_stocks(operator, linear), [expected], rtol=1e-4)


def test_each_profile_has_a_stock_to_its_own_depth(sites: xr.Dataset) -> None:
    operator = ObservationOperator.from_sites(sites.isel(site=[1, 2]))
    constant = np.repeat([5_000.0, 8_000.0], 4)
    found = observed_stocks(operator, constant, [0.5, 2.0])
    np.testing.assert_allclose(found, [2_500.0, 16_000.0])
    np.testing.assert_allclose(deepest_observation(operator), [1.1, 1.1])


def test_two_samples_of_one_depth_count_as_their_mean(sites: xr.Dataset) -> None:
    twice = sites.isel(site=[1]).copy(deep=True)
    twice["soc_depth"].values[0] = [0.2, 0.2, 0.6, 0.6]
    operator = ObservationOperator.from_sites(twice)
    # 3,000 down to 0.2 m, falling to 1,000 at 0.6 m and below.
    found = observed_stocks(operator, np.array([2_000.0, 4_000.0, 500.0, 1_500.0]))
    np.testing.assert_allclose(found, [0.2 * 3_000.0 + 0.4 * 2_000.0 + 0.4 * 1_000.0])


def test_the_order_of_layers_does_not_matter(sites: xr.Dataset, parameters: np.ndarray) -> None:
    turned = sites.isel(obs=[2, 0, 3, 1])
    one, other = score_parameters(sites, parameters), score_parameters(turned, parameters)
    assert one["stock_rmse"] == pytest.approx(other["stock_rmse"])
    assert one["log_bias"] == pytest.approx(other["log_bias"])


def test_nothing_to_score_is_an_error(sites: xr.Dataset, parameters: np.ndarray) -> None:
    with pytest.raises(NetworkError, match="none of 40 sites can be scored"):
        score_parameters(sites, parameters * np.nan)
    sites["soc"][:] = np.nan
    with pytest.raises(NetworkError, match="no site has a usable observation"):
        score_parameters(sites, parameters)


def test_missing_covariates_are_named_and_strange_ones_warned_about(
    sites: xr.Dataset, posterior: xr.Dataset
) -> None:
    model = train_two_step(sites, posterior, NetworkSettings(members=1, epochs=1), seed=0)
    with pytest.raises(NetworkError, match="cov_warmth"):
        score_model(model, sites.drop_vars("cov_warmth"))
    assert score_model(model, sites)["warnings"] == []
    strange = sites.assign(cov_warmth=sites["cov_warmth"] + 273.15)
    assert "cov_warmth" in score_model(model, strange)["warnings"][0]
