from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

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


def test_nothing_of_a_fold_reaches_the_intervals_that_judge_it(noisy: xr.Dataset) -> None:
    """Errors of a fold may change what the others are judged by, but not its own interval."""
    model = train(noisy, "end-to-end", QUICK, 0)
    fold = np.arange(40) // 20
    judged: list[set[str]] = []
    honest = calibration_module.join_errors

    def remember(parts: list[dict[str, object]]) -> object:
        judged.append({str(id(part)) for part in parts})
        return honest(parts)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration_module, "join_errors", remember)
        calibrate(model, noisy, fold)
    of_folds = [parts for parts in judged if len(parts) == 1]
    assert len(of_folds) == 2
    assert of_folds[0].isdisjoint(of_folds[1])


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
