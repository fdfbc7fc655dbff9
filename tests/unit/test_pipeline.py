"""What the stages hand on to the rooms; that they run is seen in the system tests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn import judging, pipeline
from ctsm_socnn.config import Config, parse_config
from ctsm_socnn.export.checkout import STOCK_FILES
from ctsm_socnn.parameters import PARAMETERS


def _config(directory: Path, **sections: object) -> Config:
    needed = {
        "forcing": {"history": ["history.nc"]},
        "profiles": {"sites": "sites.nc"},
        "covariates": {"file": "covariates.nc"},
    }
    return parse_config(needed | sections, where="made up", directory=directory)


@pytest.mark.parametrize("rule", ["deepest", "drop"])
def test_methods_are_scored_by_the_rule_below_bedrock_that_they_learn_by(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(tmp_path, network={"below_bedrock": rule})
    folds = SimpleNamespace(fold=np.zeros(0), attributes={}, description="no folds")
    told = []

    def compare(_: xr.Dataset, __: list[object], below_bedrock: str = "deepest") -> xr.Dataset:
        told.append(below_bedrock)
        return xr.Dataset(coords={"observation": [0]})

    for name, stub in {
        "_fitted": lambda *_: [],
        "open_sites": lambda _: xr.Dataset(),
        "open_file": lambda _: xr.Dataset(),
        "configured_folds": lambda *_: folds,
        "predict_in_sample": lambda *_: [],
        "predict_out_of_sample": lambda *_, **__: [],
        "compare_methods": compare,
        "write_evaluation": lambda *_, **__: None,
    }.items():
        monkeypatch.setattr(judging, name, stub)
    judging.judge_methods(config, tmp_path, tmp_path / "evaluation", {})
    assert told == [rule]


def test_fits_are_made_anew_when_the_rule_below_bedrock_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "find_history", lambda _: [])
    case = {"name": "mine", "version": "ctsm5.4", "paramfile": "params.nc"}
    settings = []
    for rule in ("deepest", "drop"):
        config = _config(tmp_path, network={"below_bedrock": rule}, case=[case])
        stages = pipeline._Run(config, "", tmp_path, workers=1).stages()
        settings.append({stage.name: stage.settings for stage in stages})
    for name in ("one_batch", "case_scalars", "site_by_site"):
        assert settings[0][name] != settings[1][name], name


def test_grid_file_and_checkout_are_inputs_of_what_is_made_from_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed ones then are not taken for those that the kept maps and SourceMods were made of."""
    monkeypatch.setattr(pipeline, "find_history", lambda _: [])
    soil = tmp_path / "ctsm" / "src" / "soilbiogeochem"
    soil.mkdir(parents=True)
    files = [tmp_path / "surfdata.nc", *(soil / name for name in STOCK_FILES)]
    for file in files:
        file.touch()
    case = {"name": "mine", "version": "cesm2.2", "paramfile": "params.nc", "checkout": "ctsm"}
    config = _config(tmp_path, grid={"target": "surfdata.nc"}, case=[case])
    stages = pipeline._Run(config, "", tmp_path, workers=1).stages()
    inputs = {stage.name: set(stage.inputs) for stage in stages}
    assert inputs["model_grid"] == {tmp_path / "surfdata.nc"}
    assert inputs["usermods"] == {tmp_path / "params.nc", *files[1:]}


def test_cells_of_a_grid_that_is_only_a_name_are_not_called_land(tmp_path: Path) -> None:
    lat, lon = np.arange(-88.0, 90.0, 4.0), np.arange(0.0, 360.0, 5.0)
    values = {p.name: (("lat", "lon"), np.full((lat.size, lon.size), p.upper)) for p in PARAMETERS}
    attributes = {"turnover_time_convention": "unnormalised"}
    maps = xr.Dataset(values, coords={"lat": lat, "lon": lon}, attrs=attributes)
    maps.to_netcdf(tmp_path / "maps.nc")
    run = pipeline._Run(_config(tmp_path, grid={"target": "f45"}), "", tmp_path, workers=1)
    told = run.model_grid(tmp_path / "model_grid.nc")
    assert told == f"{46 * 72} cells, 0 of them filled"
