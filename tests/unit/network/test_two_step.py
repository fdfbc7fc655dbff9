from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network import NetworkSettings, published_settings, train_two_step, two_step
from ctsm_socnn.network.ensemble import MemberTask
from ctsm_socnn.parameters import lower_bounds, to_unit, upper_bounds

QUICK = NetworkSettings(
    members=2, epochs=150, patience=150, learning_rate=1e-2, inputs={"forcing_summaries": False}
)


def test_a_pattern_of_the_posteriors_is_learnt(sites: xr.Dataset, posterior: xr.Dataset) -> None:
    model = train_two_step(sites, posterior, QUICK, seed=0)
    error = to_unit(model.predict_sites(sites)) - to_unit(posterior["mean"].values)
    free = [i for i in range(21) if i not in (3, 4)]
    spread = to_unit(posterior["mean"].values)[:, free].std()
    assert np.sqrt((error[:, free] ** 2).mean()) < 0.5 * spread


def test_unconverged_and_missing_sites_are_counted(
    sites: xr.Dataset, posterior: xr.Dataset
) -> None:
    posterior["mean"][3] = np.nan
    model = train_two_step(sites, posterior, QUICK.with_changes(epochs=2), seed=0)
    assert model.training["excluded"] == {
        "assimilation not converged": 1,
        "posterior missing": 1,
    }
    assert model.training["sites"] == 38
    assert 1007 not in model.training["profile_id"]


def test_predictions_stay_within_bounds(sites: xr.Dataset, posterior: xr.Dataset) -> None:
    model = train_two_step(sites, posterior, QUICK.with_changes(epochs=2), seed=0)
    far = sites.copy(deep=True)
    far["cov_warmth"] = far["cov_warmth"] * 1e4
    parameters = model.predict_sites(far)
    assert (parameters >= lower_bounds()).all()
    assert (parameters <= upper_bounds()).all()


def test_the_same_seed_gives_the_same_bits(sites: xr.Dataset, posterior: xr.Dataset) -> None:
    quick = QUICK.with_changes(epochs=5)
    one, same, other = (train_two_step(sites, posterior, quick, seed=s) for s in (4, 4, 5))
    np.testing.assert_array_equal(one.predict_sites(sites), same.predict_sites(sites))
    assert (one.predict_sites(sites) != other.predict_sites(sites)).any()


def test_the_published_preset_is_what_was_published(
    sites: xr.Dataset, posterior: xr.Dataset
) -> None:
    settings = published_settings().with_changes(epochs=2)
    model = train_two_step(sites, posterior, settings, seed=0)
    modules = list(model.members[0].encoder.modules())
    layers = [module for module in modules if isinstance(module, torch.nn.Linear)]
    assert [layer.out_features for layer in layers] == [256, 512, 512, 256, 21]
    assert sum(isinstance(module, torch.nn.ReLU) for module in modules) == 4
    # Classes go in as numbers: three covariates, no embedding.
    assert layers[0].in_features == 3
    assert model.transform.categorical == ()


def test_the_published_preset_takes_gradients_as_they_are(
    sites: xr.Dataset, posterior: xr.Dataset
) -> None:
    def predicted(**changes: float) -> np.ndarray:
        settings = published_settings().with_changes(epochs=2, **changes)
        return train_two_step(sites, posterior, settings, seed=0).predict_sites(sites)

    published = predicted()
    np.testing.assert_array_equal(published, predicted(largest_gradient=1e30))
    assert (published != predicted(largest_gradient=1.0)).any()


def test_narrow_posteriors_count_more(sites: xr.Dataset, posterior: xr.Dataset) -> None:
    vague = posterior.copy(deep=True)
    odd = np.arange(sites.sizes["site"]) % 2 == 1
    vague["mean"].values[odd] = lower_bounds() + 0.9 * (upper_bounds() - lower_bounds())
    vague["sd"].values[odd] *= 40.0
    believed = train_two_step(sites, vague, QUICK, seed=0).predict_sites(sites)
    error = np.abs(to_unit(believed) - to_unit(posterior["mean"].values))
    wrong = np.abs(to_unit(believed) - 0.9)
    assert np.median(error) < 0.5 * np.median(wrong)


@pytest.mark.parametrize("preset", ["sound", "published"])
def test_losses_are_those_that_are_stated(
    sites: xr.Dataset, posterior: xr.Dataset, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(2)
    span = upper_bounds() - lower_bounds()
    posterior["sd"].values[:] = generator.uniform(0.01, 0.3, posterior["sd"].shape) * span
    given: list[MemberTask] = []

    def no_training(*arguments: Any, **_: Any) -> None:
        given.append(arguments[2](np.arange(39)))

    monkeypatch.setattr(two_step, "train_ensemble", no_training)
    settings = published_settings() if preset == "published" else QUICK
    train_two_step(sites, posterior, settings, seed=0)
    kept = np.delete(np.arange(40), 7)
    target = to_unit(posterior["mean"].values[kept])
    weight = 1.0 / ((posterior["sd"].values[kept] / span) ** 2 + 0.1**2)
    rows = np.array([0, 5, 30])
    unit = generator.uniform(0.1, 0.9, (3, 21))
    error = unit - target[rows]
    expected = np.mean((weight / weight.mean())[rows] * error**2)
    if preset == "published":
        expected = 500.0 * np.mean(error**2) * 25.0 * np.mean(np.abs(error / target[rows]))
    loss = float(given[0].objective.loss(torch.from_numpy(unit), rows))
    assert loss == pytest.approx(expected, rel=1e-12)


def test_other_sites_than_were_assimilated_are_refused(
    sites: xr.Dataset, posterior: xr.Dataset
) -> None:
    with pytest.raises(NetworkError, match="there are 39 sites but 40 posteriors"):
        train_two_step(sites.isel(site=slice(1, None)), posterior, QUICK, seed=0)
    with pytest.raises(NetworkError, match="site 0 has profile_id 1039 but its posterior 1000"):
        train_two_step(sites.isel(site=slice(None, None, -1)), posterior, QUICK, seed=0)


def test_nothing_left_to_train_on_is_an_error(sites: xr.Dataset, posterior: xr.Dataset) -> None:
    posterior["converged"][:] = 0
    with pytest.raises(NetworkError, match=r"0 of 40 sites .*40 assimilation not converged"):
        train_two_step(sites, posterior, QUICK, seed=0)


def test_checkpoints_of_other_settings_are_not_taken_up(
    sites: xr.Dataset, posterior: xr.Dataset, tmp_path: Path
) -> None:
    quick = QUICK.with_changes(epochs=3)
    train_two_step(sites, posterior, quick, seed=0, work=tmp_path)
    other = quick.with_changes(learning_rate=0.05)
    resumed = train_two_step(sites, posterior, other, seed=0, work=tmp_path)
    fresh = train_two_step(sites, posterior, other, seed=0)
    np.testing.assert_array_equal(resumed.predict_sites(sites), fresh.predict_sites(sites))
    assert len(list(tmp_path.iterdir())) == 4
