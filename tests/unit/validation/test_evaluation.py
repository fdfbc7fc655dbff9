"""Methods behind one function, judged at sites that they have not seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.assimilation.checkpoint import Checkpoint
from ctsm_socnn.config import OtherMethod
from ctsm_socnn.errors import NetworkError, ValidationError
from ctsm_socnn.network import NetworkSettings
from ctsm_socnn.parameters import clm5_defaults
from ctsm_socnn.validation import evaluation
from ctsm_socnn.validation.comparison import Prediction, soc_of_parameters
from ctsm_socnn.validation.evaluation import predict_in_sample, predict_out_of_sample
from ctsm_socnn.validation.methods import (
    METHODS,
    NEEDS_POSTERIOR,
    MethodSettings,
    TrainingData,
    answer,
)

QUICK = NetworkSettings(members=1, epochs=3)
SETTINGS = MethodSettings(
    starts=1,
    classes="cov_Land_Cover",
    draws=3,
    networks={"two-step": QUICK, "end-to-end": QUICK},
)
FOLD = np.arange(40) % 2
Predict = Callable[[xr.Dataset, xr.Dataset | None, dict[str, str]], dict[str, np.ndarray]]
EVERY_METHOD = {name: name for name in METHODS}


def _out_of_sample(
    sites: xr.Dataset, posterior: xr.Dataset | None, rows: dict[str, str] = EVERY_METHOD
) -> dict[str, np.ndarray]:
    predictions = predict_out_of_sample(sites, posterior, rows, SETTINGS, FOLD)
    assert {p.sample for p in predictions} == {"out"}
    return {p.method: p.soc for p in predictions}


def _in_sample(
    sites: xr.Dataset, posterior: xr.Dataset | None, rows: dict[str, str]
) -> dict[str, np.ndarray]:
    return {p.method: p.soc for p in predict_in_sample(sites, posterior, rows, SETTINGS)}


def test_no_method_uses_what_was_measured_at_the_sites_it_answers_for(
    sites: xr.Dataset, posterior: xr.Dataset
) -> None:
    before = _out_of_sample(sites, posterior)
    tested = FOLD == 0
    sites["soc"].values[tested] *= 3.0
    posterior["mean"].values[tested] *= 0.9
    posterior["draws"].values[tested] *= 0.9
    after = _out_of_sample(sites, posterior)
    for name in METHODS:
        np.testing.assert_array_equal(before[name][tested], after[name][tested], err_msg=name)
        learns = (before[name][~tested] != after[name][~tested]).any()
        assert learns == (name != "default"), name


def test_every_site_gets_an_answer_that_carbon_may_have(
    sites: xr.Dataset, posterior: xr.Dataset
) -> None:
    for name, soc in _out_of_sample(sites, posterior).items():
        assert soc.shape == (40, 20), name
        assert (soc[:, 0] > 0.0).all(), name
        assert np.isfinite(soc).all(), name


def test_the_default_needs_no_sand(sites: xr.Dataset) -> None:
    sites["CELLSAND"].values[3] = np.nan
    soc = answer("default", TrainingData(sites, None, SETTINGS), sites)
    typical = soc_of_parameters(sites, np.tile(clm5_defaults(), (40, 1)))
    np.testing.assert_array_equal(soc[3], typical[3])
    assert (soc[4] != typical[4]).any()


def test_in_sample_is_learnt_from_all_sites(sites: xr.Dataset) -> None:
    rows = {"curve": "depth only"}
    (inside,) = predict_in_sample(sites, None, rows, SETTINGS)
    assert (inside.method, inside.sample) == ("curve", "in")
    whole = answer("depth only", TrainingData(sites, None, SETTINGS), sites)
    np.testing.assert_array_equal(inside.soc, whole)
    assert (whole != _out_of_sample(sites, None, rows)["curve"]).any()


@pytest.mark.parametrize("predict", [_out_of_sample, _in_sample])
@pytest.mark.parametrize("method", NEEDS_POSTERIOR)
def test_a_method_without_its_posterior_says_so_before_others_have_run(
    sites: xr.Dataset, method: str, predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "answer", lambda *_: pytest.fail("a method has run"))
    with pytest.raises(ValidationError, match=f"{method} learns from site posteriors"):
        predict(sites, None, {"default": "default", method: method})


def test_hierarchical_without_its_classes_says_so(sites: xr.Dataset) -> None:
    with pytest.raises(ValidationError, match="name the variable that holds them"):
        answer("hierarchical", TrainingData(sites, None, MethodSettings()), sites)


def test_posteriors_of_other_sites_are_refused(sites: xr.Dataset, posterior: xr.Dataset) -> None:
    moved = posterior.assign_coords(profile_id=("site", posterior["profile_id"].values + 1))
    with pytest.raises(NetworkError, match="site 0 has profile_id 1000 but its posterior 1001"):
        _out_of_sample(sites, moved)


def test_an_unknown_method_is_named(sites: xr.Dataset) -> None:
    with pytest.raises(ValidationError, match="unknown method 'oracle'; choose from default"):
        answer("oracle", TrainingData(sites, None, SETTINGS), sites)


@pytest.mark.parametrize("fold", [np.zeros(40, dtype=int), np.arange(39) % 2])
def test_folds_that_do_not_fit_are_refused(sites: xr.Dataset, fold: np.ndarray) -> None:
    with pytest.raises(ValidationError, match="there must be two or more"):
        predict_out_of_sample(sites, None, {"default": "default"}, SETTINGS, fold)


def test_folds_done_before_an_interruption_are_not_done_again(
    sites: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"nearest profiles": "nearest profiles", "depth only": "depth only"}
    undisturbed = _out_of_sample(sites, None, rows)
    asked: list[tuple[str, int]] = []

    def interrupted(method: str, training: TrainingData, tested: xr.Dataset) -> np.ndarray:
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append((method, training.fold))
        return answer(method, training, tested)

    def run() -> list[Prediction]:
        with Checkpoint(tmp_path / "out", {}) as finished:
            return predict_out_of_sample(sites, None, rows, SETTINGS, FOLD, finished=finished)

    monkeypatch.setattr(evaluation, "answer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert asked == [("nearest profiles", 0), ("nearest profiles", 1), ("depth only", 0)]
    asked.clear()
    for prediction in run():
        np.testing.assert_array_equal(prediction.soc, undisturbed[prediction.method])
    assert asked == [("depth only", 1)]


def test_processes_that_share_the_folds_change_nothing(
    sites: xr.Dataset, posterior: xr.Dataset, tmp_path: Path
) -> None:
    rows = {"default": "default", "two-step": "two-step", "network": "end-to-end"}
    alone = predict_out_of_sample(sites, posterior, rows, SETTINGS, FOLD)
    begun = []
    with Checkpoint(tmp_path / "out", {}) as finished:
        shared = predict_out_of_sample(
            sites,
            posterior,
            rows,
            SETTINGS,
            FOLD,
            workers=2,
            finished=finished,
            progress=lambda row, fold, folds: begun.append((row, fold, folds)),
        )
    assert [p.method for p in shared] == list(rows)
    for ours, theirs in zip(shared, alone, strict=True):
        np.testing.assert_array_equal(ours.soc, theirs.soc)
    assert sorted(begun) == sorted((name, fold, 2) for name in rows for fold in (0, 1))
    assert begun[-1][0] == "default"


def test_the_configuration_knows_every_method_beyond_those_of_the_paper() -> None:
    papers = ("default", "random sampling", "one batch")
    assert get_args(OtherMethod) == tuple(name for name in METHODS if name not in papers)
