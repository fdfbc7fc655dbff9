"""What the stages hand on to the rooms; that they run is seen in the system tests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn import pipeline
from ctsm_socnn.config import parse_config


@pytest.mark.parametrize("rule", ["deepest", "drop"])
def test_methods_are_scored_by_the_rule_below_bedrock_that_they_learn_by(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = parse_config(
        {
            "forcing": {"history": ["history.nc"]},
            "profiles": {"sites": "sites.nc"},
            "covariates": {"file": "covariates.nc"},
            "network": {"below_bedrock": rule},
        },
        where="made up",
        directory=tmp_path,
    )
    folds = SimpleNamespace(fold=np.zeros(0), attributes={}, description="no folds")
    told = []

    def compare(_: xr.Dataset, __: list[object], below_bedrock: str = "deepest") -> xr.Dataset:
        told.append(below_bedrock)
        return xr.Dataset(coords={"observation": [0]})

    for name, stub in {
        "open_sites": lambda _: xr.Dataset(),
        "open_file": lambda _: xr.Dataset(),
        "choose_folds": lambda *_: folds,
        "predict_in_sample": lambda *_: [],
        "predict_out_of_sample": lambda *_, **__: [],
        "compare_methods": compare,
        "write_evaluation": lambda *_, **__: None,
    }.items():
        monkeypatch.setattr(pipeline, name, stub)
    run = pipeline._Run(config, "", tmp_path, workers=1)
    monkeypatch.setattr(run, "_fitted", lambda _: [])
    run.evaluation(tmp_path / "evaluation")
    assert told == [rule]
