from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network import (
    Model,
    NetworkSettings,
    calibrate,
    load_model,
    save_model,
    score_model,
    train,
    write_maps,
)
from ctsm_socnn.network import calibration as calibration_module
from ctsm_socnn.network.cross_validation import fold_models
from ctsm_socnn.network.ensemble_errors import ensemble_errors
from ctsm_socnn.network.error_scale import (
    Errors,
    ErrorScale,
    coverage,
    fit_scales,
    join_errors,
)
from ctsm_socnn.network.scoring import modelled_soc
from ctsm_socnn.parameters import to_physical
from ctsm_socnn.schemas import FORCING_DIMENSIONS

QUICK = NetworkSettings(members=2, epochs=3, inputs={"forcing_summaries": False})


@pytest.fixture
def noisy(sites: xr.Dataset) -> xr.Dataset:
    """Sites whose profiles differ from what their covariates tell."""
    error = np.random.default_rng(2).normal(scale=0.4, size=sites["soc"].shape)
    return sites.assign(soc=sites["soc"] * np.exp(error))


@pytest.fixture
def calibrated(noisy: xr.Dataset) -> Model:
    return calibrate(train(noisy, "end-to-end", QUICK, 0), noisy, 2)


@pytest.mark.parametrize("rule", ["deepest", "drop"])
def test_errors_are_of_the_centre_and_spread_is_of_the_members(
    noisy: xr.Dataset, rule: str
) -> None:
    model = train(noisy, "end-to-end", QUICK.with_changes(below_bedrock=rule), 0)
    predicted = model.predict(model.transform(noisy), noisy)
    operator = ObservationOperator.from_sites(noisy, rule)
    centre, *members = (
        np.log(operator.apply(modelled_soc(noisy, parameters)))
        for parameters in (predicted.centre, *to_physical(predicted.members))
    )
    found = ensemble_errors(model, noisy)["soc"]
    np.testing.assert_array_equal(found.depth, operator.depth)
    np.testing.assert_allclose(found.error, np.log(operator.values) - centre, atol=1e-12)
    np.testing.assert_allclose(found.spread, np.std(members, axis=0, ddof=1), atol=1e-12)


def test_a_profile_counts_for_a_stock_of_which_it_reaches_four_fifths(noisy: xr.Dataset) -> None:
    noisy["soc_depth"][:, -1] = np.where(np.arange(40) < 15, 0.81, 0.79)
    stocks = ensemble_errors(train(noisy, "end-to-end", QUICK, 0), noisy)
    assert stocks["soc_stock_100cm"].error.size == 15
    assert stocks["soc_stock_30cm"].error.size == 40
    assert (stocks["soc_stock_100cm"].depth == 1.0).all()
    assert "soc_stock_200cm" not in stocks


def test_a_calibrated_model_knows_its_scores_and_coverage_at_sites_not_seen(
    calibrated: Model,
) -> None:
    record = calibrated.training["out_of_fold"]
    assert record["folds"] == 2
    assert record["scores"]["n_layers"] == 160
    assert record["coverage"]["soc"]["n"] == 160
    assert 0.75 < record["coverage"]["soc"]["0.9"] <= 1.0
    assert {"soc", "soc_stock_30cm", "soc_stock_100cm"} <= calibrated.intervals.keys()
    assert "soc_stock_200cm" not in calibrated.intervals


FOLD = np.arange(40) // 14
FACTOR = 0.2


@dataclass(frozen=True)
class Judged:
    """What a calibration went by: predictions of all sites; errors and scales that judge, by fold."""

    model: Model
    prediction: np.ndarray
    errors: list[dict[str, Errors]]
    scales: list[dict[str, ErrorScale]]


def judge(sites: xr.Dataset, models: list[Any] | None = None) -> Judged:
    """Train and calibrate; the folds are answered by `models`, if there are any, or anew."""
    predictions: list[np.ndarray] = []
    judged: list[tuple[dict[str, ErrorScale], dict[str, Errors]]] = []

    def score(_: xr.Dataset, prediction: np.ndarray, *rest: Any) -> dict[str, float]:
        predictions.append(prediction)
        return {}

    def cover(scales: dict[str, ErrorScale], errors: dict[str, Errors]) -> Any:
        judged.append((scales, errors))
        return coverage(scales, errors)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration_module, "score_parameters", score)
        patch.setattr(calibration_module, "coverage", cover)
        if models is not None:
            patch.setattr(calibration_module, "fold_models", lambda *_, **__: models)
        model = calibrate(train(sites, "end-to-end", QUICK, 0), sites, FOLD)
    (prediction,) = predictions
    return Judged(model, prediction, [e for _, e in judged], [s for s, _ in judged])


def with_other_carbon(sites: xr.Dataset, fold: int) -> xr.Dataset:
    return sites.assign(soc=sites["soc"] * np.where(fold == FOLD, FACTOR, 1.0)[:, None])


def test_a_fold_is_predicted_by_what_others_taught(noisy: xr.Dataset) -> None:
    """Less carbon at the sites of a fold moves their errors by as much, and nothing else."""
    before, after = judge(noisy), judge(with_other_carbon(noisy, 1))
    same = (before.prediction == after.prediction).all(axis=1)
    np.testing.assert_array_equal(same, FOLD == 1)
    for name, errors in before.errors[1].items():
        found = after.errors[1][name]
        np.testing.assert_allclose(found.error, errors.error + np.log(FACTOR), rtol=0, atol=1e-9)
        np.testing.assert_array_equal(found.spread, errors.spread)
        assert not np.allclose(after.errors[0][name].error, before.errors[0][name].error)


def test_the_intervals_that_judge_a_fold_are_those_of_the_others(noisy: xr.Dataset) -> None:
    """With the same models, carbon of a fold moves the intervals of the others, not its own."""
    models = list(fold_models(noisy, "end-to-end", FOLD, 0, settings=QUICK))
    before, after = judge(noisy, models), judge(with_other_carbon(noisy, 1), models)
    assert before.scales[1] == after.scales[1]
    for other in (0, 2):
        assert before.scales[other].keys() == after.scales[other].keys()
        for name, scale in before.scales[other].items():
            assert scale != after.scales[other][name]


def test_a_model_keeps_the_intervals_of_all_folds(noisy: xr.Dataset) -> None:
    judged = judge(noisy)
    assert judged.model.intervals == fit_scales(join_errors(judged.errors))


def test_the_record_is_of_all_observations_alike(noisy: xr.Dataset) -> None:
    judged = judge(noisy)
    record = judged.model.training["out_of_fold"]
    for name, errors in join_errors(judged.errors).items():
        sizes = {"errors": errors.error, "members": errors.spread}
        expected = {key: np.sqrt(np.mean(values**2)) for key, values in sizes.items()}
        assert record["spread"][name] == pytest.approx(expected)
    parts = [coverage(*fold)["soc"] for fold in zip(judged.scales, judged.errors, strict=True)]
    counts = [part["n"] for part in parts]
    assert counts == [56, 56, 48]
    for level in ("0.5", "0.8", "0.9"):
        expected_share = np.average([part[level] for part in parts], weights=counts)
        assert record["coverage"]["soc"][level] == pytest.approx(expected_share)


def test_observations_below_bedrock_count_as_in_the_training(noisy: xr.Dataset) -> None:
    model = train(noisy, "end-to-end", QUICK.with_changes(below_bedrock="drop"), 0)
    record = calibrate(model, noisy, 2).training["out_of_fold"]
    assert record["scores"]["n_layers"] == record["coverage"]["soc"]["n"] == 152


def test_intervals_are_stored_and_scored(
    calibrated: Model, noisy: xr.Dataset, tmp_path: Path
) -> None:
    save_model(calibrated, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.intervals == calibrated.intervals
    found = score_model(loaded, noisy)["coverage"]
    assert 0.8 < found["soc"]["0.9"] <= 1.0
    assert found["soc"]["0.5"] < found["soc"]["0.9"]


def test_maps_of_a_calibrated_model_have_intervals(
    calibrated: Model, sites: xr.Dataset, tmp_path: Path
) -> None:
    names = ("cov_warmth", "cov_noise", "cov_Land_Cover", *FORCING_DIMENSIONS)
    cells = sites[list(names)].rename(site="cell").drop_vars("profile_id")
    write_maps(calibrated, cells, tmp_path / "maps.nc", soil_carbon=tmp_path / "soc.nc")
    with xr.open_dataset(tmp_path / "soc.nc") as carbon:
        for name in ("soc", "soc_stock_100cm"):
            low, middle, high = (carbon[name + end].values for end in ("_low", "", "_high"))
            held = middle > 1.0
            assert (low[held] < middle[held]).all()
            assert (middle[held] < high[held]).all()
        assert "soc_stock_column_low" not in carbon
        assert carbon["soc_low"].attrs["long_name"].startswith("lower end of the 90% interval")
