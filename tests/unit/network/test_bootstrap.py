from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.cli.main import main
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.network import NetworkSettings, default_settings, ensemble, train, two_step
from ctsm_socnn.network.ensemble import MemberTask, train_ensemble
from ctsm_socnn.network.folds import location_groups
from ctsm_socnn.network.inputs import Inputs
from ctsm_socnn.network.model import Model
from ctsm_socnn.network.training import Objective, ParameterNetwork, TrainingCurve

QUICK = NetworkSettings(members=3, epochs=2, bootstrap=True)


def times_drawn(model: Model) -> NDArray[np.intp]:
    return np.array(model.training["times_drawn"])


@pytest.fixture
def paired(sites: xr.Dataset) -> xr.Dataset:
    """Sites of which each two share a location."""
    for name in ("lon", "lat"):
        sites[name].values[1::2] = sites[name].values[::2]
    return sites


def test_locations_are_drawn_whole_and_with_replacement(
    paired: xr.Dataset, posterior: xr.Dataset
) -> None:
    posterior["converged"][:] = 1
    drawn = times_drawn(train(paired, "two-step", QUICK, 0, posterior=posterior))
    assert drawn.shape == (3, 40)
    np.testing.assert_array_equal(drawn[:, ::2], drawn[:, 1::2])
    np.testing.assert_array_equal(drawn[:, ::2].sum(axis=1), 20)
    assert location_groups(paired).max() == 19
    assert (drawn == 0).any(axis=1).all()
    assert (drawn.max(axis=1) > 1).all()
    assert not (drawn[0] == drawn[1]).all()


@pytest.mark.parametrize("bootstrap", [False, True])
def test_no_location_both_teaches_and_stops(
    paired: xr.Dataset, posterior: xr.Dataset, monkeypatch: pytest.MonkeyPatch, bootstrap: bool
) -> None:
    posterior["converged"][:] = 1
    fit, held = ensemble.fit_network, 0

    def watched(
        network: ParameterNetwork,
        objective: Objective,
        inputs: Inputs,
        validation: NDArray[np.bool_],
        *rest: Any,
        **more: Any,
    ) -> TrainingCurve:
        nonlocal held
        # The one covariate tells locations apart, and is the same at both sites of one.
        place = inputs.numeric[:, 0]
        assert not np.isin(place[validation], place[~validation]).any()
        held += int(validation.sum())
        return fit(network, objective, inputs, validation, *rest, **more)

    monkeypatch.setattr(ensemble, "fit_network", watched)
    paired["cov_warmth"].values[1::2] = paired["cov_warmth"].values[::2]
    settings = QUICK.with_changes(
        bootstrap=bootstrap, inputs={"covariates": ("cov_warmth",), "forcing_summaries": False}
    )
    train(paired, "two-step", settings, 0, posterior=posterior)
    assert held > 0


def test_a_member_learns_from_the_sites_that_it_drew(
    sites: xr.Dataset, posterior: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    lessons: list[NDArray[np.intp]] = []

    def watched(method: str, training: object, member_task: object, *rest: object, **more: object):
        def remembering(rows: NDArray[np.intp]) -> MemberTask:
            lessons.append(rows)
            given = member_task(rows)
            np.testing.assert_array_equal(given.inputs.numeric, training.inputs.numeric[rows])
            assert len(given.objective.target) == len(rows)
            return given

        return train_ensemble(method, training, remembering, *rest, **more)

    monkeypatch.setattr(two_step, "train_ensemble", watched)
    drawn = times_drawn(train(sites, "two-step", QUICK, 0, posterior=posterior))
    for rows, times in zip(lessons, drawn, strict=True):
        np.testing.assert_array_equal(rows, np.repeat(np.arange(39), times))


def test_draws_depend_on_the_seed(sites: xr.Dataset, posterior: xr.Dataset) -> None:
    one, other = (train(sites, "two-step", QUICK, seed, posterior=posterior) for seed in (0, 1))
    assert not (times_drawn(one) == times_drawn(other)).all()


def test_without_bootstrap_every_member_sees_every_site(
    sites: xr.Dataset, posterior: xr.Dataset
) -> None:
    settings = QUICK.with_changes(bootstrap=False)
    assert "times_drawn" not in train(sites, "two-step", settings, 0, posterior=posterior).training


def test_through_the_kernel_the_same_seed_gives_the_same_members(sites: xr.Dataset) -> None:
    settings = default_settings("end-to-end").with_changes(
        members=1, epochs=2, imagined_sites=1, bootstrap=True
    )
    one, again = (train(sites, "end-to-end", settings, 4) for _ in range(2))
    np.testing.assert_array_equal(times_drawn(one), times_drawn(again))
    for a, b in zip(one.members, again.members, strict=True):
        pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
        assert all(torch.equal(x, y) for x, y in pairs)


def test_draws_widen_the_spread_of_members(sites: xr.Dataset) -> None:
    sites["soc"] = sites["soc"] * np.random.default_rng(0).lognormal(0.0, 0.8, (40, 1))
    settings = NetworkSettings(members=4, epochs=30, validation_fraction=0.0, learning_rate=1e-2)
    spread = [
        train(sites, "end-to-end", settings.with_changes(bootstrap=given), 0)
        for given in (False, True)
    ]
    inputs = spread[0].transform(sites)
    without, widened = (m.predict(inputs, sites).members.std(axis=0).mean() for m in spread)
    assert widened > 1.3 * without


def test_the_command_records_what_was_drawn(
    sites: xr.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(sites, tmp_path / "sites.nc")
    words = ["train", str(tmp_path / "sites.nc"), "-o", str(tmp_path / "model")]
    options = [
        "--bootstrap",
        "--from-profiles",
        "--members",
        "2",
        "--epochs",
        "2",
        "--calibrate",
        "2",
    ]
    assert main([*words, "--method", "end-to-end", *options]) == 0
    assert "members differ by" in capsys.readouterr().out
    record = json.loads((tmp_path / "model" / "model.json").read_text())
    assert record["settings"]["bootstrap"] is True
    assert np.array(record["training"]["times_drawn"]).shape == (2, 40)
    assert record["training"]["out_of_fold"]["spread"]["soc"]["members"] > 0.0
