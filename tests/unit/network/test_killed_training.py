"""A training that is killed without warning goes on from its last epoch, to the same weights."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.network import training

EPOCHS = 6
KILLED_AT = (1, 4)
"""Member and epoch after which the process is killed."""

KILLED_COMMAND = f"""
import os, signal, sys
import ctsm_socnn.cli.train as command
from ctsm_socnn.cli.main import main
from ctsm_socnn.network import training

training._CHECKPOINT_SECONDS = 0.0

def show(member, epoch, loss):
    if (member, epoch) == {KILLED_AT}:
        os.kill(os.getpid(), signal.SIGKILL)

command._shown_on = lambda *_: show
sys.exit(main(sys.argv[1:]))
"""


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
