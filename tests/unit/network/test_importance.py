from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network import Model, NetworkSettings, train
from ctsm_socnn.network.covariate_gradients import covariate_gradients
from ctsm_socnn.network.importance import covariate_groups, permutation_importance
from ctsm_socnn.network.inputs import Inputs
from ctsm_socnn.network.model import Prediction
from ctsm_socnn.network.scoring import modelled_soc, score_parameters
from ctsm_socnn.parameters import PARAMETER_NAMES, lower_bounds, upper_bounds

PLAIN = NetworkSettings(members=2, epochs=60, inputs={"forcing_summaries": False})


@pytest.fixture
def sites(sites: xr.Dataset) -> xr.Dataset:
    """Sites whose carbon follows `cov_warmth` more than the forcing explains."""
    return sites.assign(soc=sites["soc"] * np.exp(-1.5 * sites["cov_warmth"]))


@pytest.fixture
def model(sites: xr.Dataset, posterior: xr.Dataset) -> Model:
    return train(sites, "two-step", PLAIN.with_changes(epochs=20), 0, posterior=posterior)


def everywhere(model: Model) -> list[tuple[np.ndarray, Model]]:
    return [(np.arange(40), model)]


def test_the_covariate_that_carbon_follows_matters_and_noise_does_not(sites: xr.Dataset) -> None:
    model = train(sites, "end-to-end", PLAIN, 0)
    groups = covariate_groups(model)
    found = permutation_importance(everywhere(model), sites, groups, seed=0, repeats=4)
    loss = found["loss"].mean("repeat").sel(score="log_nse")
    assert float(loss.sel(group="warmth")) > 0.01
    assert float(loss.sel(group="warmth")) > 5.0 * abs(float(loss.sel(group="noise")))
    scores = score_parameters(sites, model.predict_sites(sites))
    assert float(found["base"].sel(score="nse")) == pytest.approx(scores["nse"])
    again = permutation_importance(everywhere(model), sites, groups, seed=0, repeats=4)
    xr.testing.assert_identical(found, again)


def test_a_group_takes_all_its_values_from_one_other_site(
    sites: xr.Dataset, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[np.ndarray] = []
    honest = Model.predict

    def remember(self: Model, inputs: Inputs, *arguments: Any) -> Prediction:
        told.append(np.column_stack([inputs.numeric, inputs.classes]))
        return honest(self, inputs, *arguments)

    monkeypatch.setattr(Model, "predict", remember)
    groups = {"all but noise": ("cov_warmth", "cov_Land_Cover"), "noise": ("cov_noise",)}
    permutation_importance(everywhere(model), sites, groups, seed=0, repeats=2)
    names = [item.name for item in (*model.transform.numeric, *model.transform.categorical)]
    before, *shuffled = told
    for number, rows in enumerate(shuffled):
        inside = np.isin(names, groups["all but noise" if number < 2 else "noise"])
        np.testing.assert_array_equal(rows[:, ~inside], before[:, ~inside])
        assert (rows[:, inside] != before[:, inside]).any()
        in_order = [sorted(map(tuple, values[:, inside])) for values in (rows, before)]
        assert in_order[0] == in_order[1]


def test_what_misleads_a_model_gains_by_shuffling(sites: xr.Dataset, model: Model) -> None:
    warmth = sites["cov_warmth"]
    fooled = sites.assign(cov_warmth=-warmth)
    truth = modelled_soc(sites, model.predict_sites(sites))
    operator = ObservationOperator.from_sites(sites)
    carbon = sites["soc"].values.copy()
    carbon[operator.site, operator.obs] = operator.apply(truth)
    fooled["soc"] = sites["soc"].dims, carbon
    found = permutation_importance(
        everywhere(model), fooled, {"warmth": ("cov_warmth",)}, seed=0, repeats=4
    )
    assert (found["loss"].mean("repeat").sel(group="warmth", score="log_nse") < 0.0).all()


def test_parameters_that_vary_matter_and_held_ones_do_not(sites: xr.Dataset) -> None:
    model = train(sites, "end-to-end", PLAIN, 0)
    found = permutation_importance(everywhere(model), sites, {}, seed=0, repeats=3)
    loss = found["parameter_loss"]
    assert loss.dims == ("parameter", "score", "repeat")
    assert not loss.sel(parameter="tau_cwd").any()
    assert float(loss.mean("repeat").sel(score="log_nse").max()) > 0.01
    assert found["loss"].sizes["group"] == 0


def test_covariates_of_several_depths_are_one_group(
    sites: xr.Dataset, posterior: xr.Dataset
) -> None:
    names = {"cov_Clay_0cm": 0.1, "cov_Clay_30cm": 0.2, "cov_BIO1": 0.3, "cov_BIO12": 0.4}
    for name, factor in names.items():
        sites[name] = sites["cov_warmth"] * factor
    quick = NetworkSettings(members=1, epochs=1)
    model = train(sites, "two-step", quick, 0, posterior=posterior)
    groups = covariate_groups(model)
    assert groups["Clay"] == ("cov_Clay_0cm", "cov_Clay_30cm")
    assert groups["BIO"] == ("cov_BIO1", "cov_BIO12")
    assert groups["Land_Cover"] == ("cov_Land_Cover",)
    assert "forcing_TSOI_top" in groups["forcing summaries"]
    own = covariate_groups(model, {"climate": ["BIO*", "forcing_TSOI*"], "soil": ["cov_Clay_0cm"]})
    assert own["soil"] == ("cov_Clay_0cm",)
    assert own["Clay"] == ("cov_Clay_30cm",)
    assert {"cov_BIO1", "forcing_TSOI_top"} <= set(own["climate"])
    with pytest.raises(NetworkError, match=r"group soil: no input of the model matches 'Sand\*'"):
        covariate_groups(model, {"soil": ["Sand*"]})


def test_gradients_are_those_of_finite_differences(model: Model, sites: xr.Dataset) -> None:
    found = covariate_gradients(model, sites)
    half = covariate_gradients(model, sites.isel(site=slice(20)))
    np.testing.assert_array_equal(half["soc_gradient"], found["soc_gradient"][:20])
    assert found["soc_gradient"].sizes == {"site": 40, "target": 5, "input": 2}
    (warmth,) = (i for i, n in enumerate(model.transform.numeric) if n.name == "cov_warmth")
    in_training = model.domain.points[:, warmth].std() * model.transform.numeric[warmth].scale
    step, spread = 1e-6, float(in_training)
    soc, unit = [], []
    for sign in (1.0, -1.0):
        moved = sites.assign(cov_warmth=sites["cov_warmth"] + sign * step * spread)
        parameters = model.predict_sites(moved)
        soc.append(modelled_soc(sites, parameters))
        unit.append((parameters - lower_bounds()) / (upper_bounds() - lower_bounds()))
    expected = (np.log(soc[0]) - np.log(soc[1])) / (2.0 * step)
    of_warmth = found.sel(input="cov_warmth")
    # 0.2 m is the lower edge of the fourth layer.
    np.testing.assert_allclose(
        of_warmth["soc_gradient"].sel(target="soc at 0.2 m"), expected[:, 3], rtol=1e-4
    )
    of_parameters = (unit[0] - unit[1]) / (2.0 * step)
    np.testing.assert_allclose(
        of_warmth["parameter_gradient"].values, of_parameters, rtol=1e-4, atol=1e-8
    )
    assert tuple(found["parameter"].values) == PARAMETER_NAMES


def test_sites_without_forcing_have_no_gradient(model: Model, sites: xr.Dataset) -> None:
    sites["TSOI"].values[3] = np.nan
    assert 3 not in covariate_gradients(model, sites)["site"].values
    sites["TSOI"].values[:] = np.nan
    with pytest.raises(NetworkError, match="0 of 40 sites have covariates and forcing"):
        covariate_gradients(model, sites)
