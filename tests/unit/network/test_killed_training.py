"""A training that is killed without warning goes on from its last epoch, to the same weights."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.network import default_settings, training

EPOCHS = 6
KILLED_AT = (1, 4)
"""Member and epoch after which the process is killed."""

KILLED_COMMAND = f"""
import os, signal, sys
import ctsm_socnn.cli.train as command
from ctsm_socnn.cli.main import main
from ctsm_socnn.network import default_settings, training

training._CHECKPOINT_SECONDS = 0.0

def show(member, epoch, loss):
    if (member, epoch) == {KILLED_AT}:
        os.kill(os.getpid(), signal.SIGKILL)

command._shown_on = lambda *_: show
sys.exit(main(sys.argv[1:]))
"""


class KilledError(BaseException):
    """Ends a command as a kill would: nothing catches it."""


def trained_epochs(words: list[str], most: int = 1000) -> list[int]:
    """Run a command, which is killed when it has trained so many epochs; list them."""
    epochs: list[int] = []
    honest = training._Run.one_epoch

    def counted(run: training._Run) -> None:
        if len(epochs) == most:
            raise KilledError
        honest(run)
        epochs.append(run.epoch)

    with pytest.MonkeyPatch.context() as patch, suppress(KilledError):
        patch.setattr(training, "_CHECKPOINT_SECONDS", 0.0)
        patch.setattr(training._Run, "one_epoch", counted)
        assert main(words) == 0
    return epochs


def weights(model: Path) -> dict[str, str]:
    checksums: dict[str, str] = json.loads((model / "model.json").read_text())["sha256"]
    return checksums


@pytest.mark.parametrize(
    "method", [("end-to-end",), ("two-step",)], ids=lambda words: " ".join(words)
)
def test_kill_9_and_the_same_command_again_give_the_same_weights(
    sites: xr.Dataset,
    posterior: xr.Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: tuple[str, ...],
) -> None:
    files = [str(tmp_path / name) for name in ("sites.nc", "posterior.nc")]
    write_dataset(sites, tmp_path / "sites.nc")
    write_dataset(posterior, tmp_path / "posterior.nc")
    words = ["train", files[0], "--posterior", files[1], "--method", *method]
    words += ["--members", "2", "--epochs", str(EPOCHS), "-o"]
    whole, model = tmp_path / "whole", tmp_path / "model"
    assert main([*words, str(whole)]) == 0

    killed = subprocess.run(
        [sys.executable, "-c", KILLED_COMMAND, *words, str(model)],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not model.exists()

    epochs: list[int] = []
    honest = training._Run.one_epoch

    def counted(run: training._Run) -> None:
        honest(run)
        epochs.append(run.epoch)

    monkeypatch.setattr(training._Run, "one_epoch", counted)
    assert main([*words, str(model)]) == 0
    assert epochs == list(range(KILLED_AT[1] + 1, EPOCHS + 1))
    assert weights(model) == weights(whole)
    assert not list(tmp_path.glob(".model*"))


def test_a_calibration_goes_on_in_the_fold_where_it_was_killed(
    sites: xr.Dataset, tmp_path: Path
) -> None:
    write_dataset(sites, tmp_path / "sites.nc")
    words = ["train", str(tmp_path / "sites.nc"), "--method", "end-to-end", "--from-profiles"]
    words += ["--members", "2", "--epochs", "3", "--calibrate", "2"]
    words += ["--workers", "1", "-o"]
    whole, model = tmp_path / "whole", tmp_path / "model"
    assert main([*words, str(whole)]) == 0
    # 6 epochs of the whole, 6 of fold 0, 3 of member 0 of fold 1 and 1 of its member 1.
    assert len(trained_epochs([*words, str(model)], most=16)) == 16
    assert not model.exists()
    assert trained_epochs([*words, str(model)]) == [2, 3]
    assert weights(model) == weights(whole)
    found, expected = (json.loads((m / "model.json").read_text()) for m in (model, whole))
    assert found["intervals"] == expected["intervals"]
    assert found["training"] == expected["training"]
    assert not list(tmp_path.glob(".model*"))


def test_an_evaluation_goes_on_in_the_member_where_it_was_killed(
    sites: xr.Dataset, tmp_path: Path
) -> None:
    write_dataset(sites, tmp_path / "sites.nc")
    words = ["evaluate", str(tmp_path / "sites.nc"), "--methods", "end-to-end", "--members", "2"]
    words += ["--folds", "2", "--workers", "1", "-o"]
    assert main([*words, str(tmp_path / "whole")]) == 0
    epochs = default_settings("end-to-end").epochs
    words.append(str(tmp_path / "out"))
    trained_epochs(words, most=3 * epochs + 5)
    # The finished fold is a block; of its networks nothing is left.
    assert len(list((tmp_path / "out.parts").glob("scratch_*"))) == 1
    assert trained_epochs(words) == list(range(6, epochs + 1))
    found, expected = (tmp_path / name / "scores.json" for name in ("out", "whole"))
    assert json.loads(found.read_text())["methods"] == json.loads(expected.read_text())["methods"]
    assert not (tmp_path / "out.parts").exists()
