from __future__ import annotations

import json
from pathlib import Path

import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.cli.named_files import training_directory
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.network import NetworkSettings, save_model, train, training

QUICK = NetworkSettings(members=1, epochs=3)


@pytest.fixture
def files(sites: xr.Dataset, tmp_path: Path) -> Path:
    write_dataset(sites, tmp_path / "sites.nc")
    other = sites.assign_coords(profile_id=sites["profile_id"] + 5000)
    write_dataset(other, tmp_path / "other.nc")
    save_model(train(sites, "end-to-end", QUICK, 0), tmp_path / "model")
    return tmp_path


def importance(files: Path, sites: str, *options: str) -> int:
    words = [str(files / "model"), str(files / sites), "-o", str(files / "out"), *options]
    return main(["importance", *words])


def test_training_sites_are_judged_by_models_of_folds(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--folds", "2", "--repeats", "2", "--json", "--group", "both=warmth,noise")
    assert importance(files, "sites.nc", *options) == 0
    printed = capsys.readouterr()
    assert "model 2 judged" in printed.err
    found = json.loads(printed.out)
    assert set(found["groups"]) == {"both", "Land_Cover", "forcing summaries"}
    assert found["groups"]["both"]["inputs"] == ["cov_noise", "cov_warmth"]
    assert {"nse", "log_nse", "stock_nse"} == set(found["scores"])
    assert found["parameters"]["tau_cwd"]["nse_loss"] == 0.0
    assert found["parameters"]["tau_s2"]["log_nse_loss"] != 0.0
    assert "cov_warmth" in found["soc_gradients"]["stock 0-1 m"]
    assert json.loads((files / "out" / "importance.json").read_text()) == found
    names = {path.name for path in (files / "out").iterdir()}
    assert {"importance.nc", "importance.json", "importance.png", "gradients.png"} <= names


def test_other_sites_judge_the_model_itself(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert importance(files, "other.nc", "--repeats", "1") == 0
    printed = capsys.readouterr()
    assert "none of these sites was trained on" in printed.err
    assert "loss when shuffled" in printed.out
    assert "parameter shuffled" in printed.out
    assert "tau_cwd" not in printed.out
    assert importance(files, "other.nc") == 2
    assert "exists already" in capsys.readouterr().err


def test_a_group_that_cannot_be_read_is_explained(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert importance(files, "other.nc", "--group", "soil") == 2
    assert "--group soil: must read NAME=PATTERN,PATTERN" in capsys.readouterr().err
    assert not (files / "out").exists()


def test_a_killed_command_goes_on_from_the_fold_it_had_come_to(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--folds", "2", "--repeats", "1", "--json", "--workers", "1")
    assert importance(files, "sites.nc", *options) == 0
    whole = (files / "out" / "importance.json").read_text()
    epochs: list[int] = []
    one_epoch = training._Run.one_epoch

    def killed_in_second_fold(run: training._Run) -> None:
        epochs.append(run.epoch)
        if len(epochs) > QUICK.epochs + 1:
            raise KeyboardInterrupt
        one_epoch(run)

    monkeypatch.setattr(training._Run, "one_epoch", killed_in_second_fold)
    assert importance(files, "sites.nc", *options, "--overwrite") == 130
    assert (files / ".out.training").is_dir()
    epochs.clear()
    assert importance(files, "sites.nc", *options, "--overwrite") == 0
    assert len(epochs) <= QUICK.epochs
    assert (files / "out" / "importance.json").read_text() == whole
    assert not (files / ".out.training").exists()


def test_a_second_run_to_the_same_output_is_refused_at_once(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with training_directory(files / "out") as work:
        assert importance(files, "sites.nc", "--folds", "2") == 2
        assert "another run is working on" in capsys.readouterr().err
        assert work.is_dir()
    assert not work.exists()
    assert importance(files, "other.nc", "--repeats", "1") == 0
