"""Training with torch's own operations, as on a GPU, beside that through the compiled kernel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model import Columns
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.model.torch_observation import TorchObservation
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.network import Model, NetworkSettings, default_settings, end_to_end, train
from ctsm_socnn.network.device import CPU, Device, choose_device
from ctsm_socnn.network.end_to_end import ProfileObjective
from ctsm_socnn.network.inputs import InputTransform
from ctsm_socnn.network.losses import LOSS_NAMES
from ctsm_socnn.network.model import build_network

TORCH = Device("cpu", compiled=False)
SETTINGS = default_settings("end-to-end").with_changes(
    members=1, epochs=4, batch_size=30, imagined_sites=1
)
LARGEST_DIFFERENCE = 1e-5
"""Of unit-cube parameters after a training; weights are in single precision."""


def unit_parameters(model: Model, sites: xr.Dataset) -> np.ndarray:
    return model.predict(model.transform(sites), sites).members


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_trainings_with_and_without_the_compiled_kernel_agree(sites: xr.Dataset) -> None:
    compiled = train(sites, "end-to-end", SETTINGS, 3)
    ours = train(sites, "end-to-end", SETTINGS, 3, device=TORCH)
    difference = unit_parameters(ours, sites) - unit_parameters(compiled, sites)
    assert np.abs(difference).max() < LARGEST_DIFFERENCE
    assert (compiled.training["device"], ours.training["device"]) == ("cpu", "cpu-torch")


def test_the_same_seed_gives_the_same_bits(sites: xr.Dataset) -> None:
    settings = SETTINGS.with_changes(imagined_sites=0)
    one, again = (
        unit_parameters(train(sites, "end-to-end", settings, 3, device=TORCH), sites)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, again)


def test_two_step_does_not_know_the_kernel(sites: xr.Dataset, posterior: xr.Dataset) -> None:
    settings = NetworkSettings(members=1, epochs=5)
    one, other = (
        unit_parameters(train(sites, "two-step", settings, 0, posterior=posterior, device=d), sites)
        for d in (CPU, TORCH)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_losses_and_gradients_agree(sites: xr.Dataset, loss: str) -> None:
    settings = SETTINGS.with_changes(loss=loss)
    operator, columns = ObservationOperator.from_sites(sites), Columns.from_sites(sites)
    rows = np.array([3, 8, 21, 30])
    found = []
    for device in (CPU, TORCH):
        unit = torch.from_numpy(np.random.default_rng(1).uniform(0.2, 0.8, (4, 21)))
        value = ProfileObjective(columns, operator, settings, device=device).loss(
            unit.requires_grad_(), rows
        )
        value.backward()
        assert unit.grad is not None
        found.append((value.item(), unit.grad.numpy()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-12)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-8, atol=1e-13)


def test_observations_are_those_of_the_operator(sites: xr.Dataset) -> None:
    sites["soc_top"] = sites["soc_depth"] * 0.5
    sites["soc_bottom"] = sites["soc_depth"] * 1.6
    operator = ObservationOperator.from_sites(sites)
    soc = np.random.default_rng(0).uniform(1.0, 9e4, (40, 20))
    tensor = torch.from_numpy(soc).requires_grad_()
    seen = TorchObservation(operator.matrix, torch.device("cpu"))(tensor)
    np.testing.assert_allclose(seen.detach().numpy(), operator.apply(soc), rtol=1e-14)
    bar = np.random.default_rng(1).normal(size=seen.shape)
    seen.backward(torch.from_numpy(bar))
    assert tensor.grad is not None
    np.testing.assert_allclose(tensor.grad.numpy(), operator.adjoint(bar), rtol=1e-12, atol=1e-14)


def test_nothing_stays_behind_on_the_cpu(
    sites: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On torch's device without memory, whatever meets a tensor of the CPU is an error."""

    def kernel(_: Columns, parameters: torch.Tensor, index: np.ndarray) -> torch.Tensor:
        assert len(parameters) == len(index)
        return parameters[:, :1].expand(-1, 20)

    monkeypatch.setattr(end_to_end, "torch_soil_carbon", kernel)
    operator, columns = ObservationOperator.from_sites(sites), Columns.from_sites(sites)
    transform = InputTransform.fit(sites, SETTINGS.inputs)
    network = build_network(transform, SETTINGS, np.full(21, 0.5)).to("meta").train()
    inputs = transform(sites)
    numeric, classes = (torch.from_numpy(x).to("meta") for x in (inputs.numeric, inputs.classes))
    for loss in LOSS_NAMES:
        settings = SETTINGS.with_changes(loss=loss)
        meta = Device("meta", compiled=False)
        objective = ProfileObjective(columns, operator, settings, device=meta)
        value = objective.loss(network(numeric, classes), np.arange(40))
        value.backward()
        assert value.device.type == "meta"


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_auto_is_the_cpu() -> None:
    assert choose_device("auto") == CPU
    assert choose_device("cpu-torch") == TORCH
    with pytest.raises(NetworkError, match="unknown device 'tpu'; choose from cpu, cuda"):
        choose_device("tpu")


def test_with_a_gpu_auto_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Model X")
    assert choose_device("auto") == choose_device("cuda")
    assert choose_device("cuda").name == "cuda (Model X)"
    assert choose_device("cpu") == CPU


@pytest.mark.usefixtures("no_gpu")
def test_the_command_refuses_a_device_that_is_not_there(
    sites: xr.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(sites, tmp_path / "sites.nc")
    words = ["train", str(tmp_path / "sites.nc"), "-o", str(tmp_path / "model")]
    words += ["--method", "end-to-end", "--from-profiles", "--members", "1", "--epochs", "2"]
    assert main([*words, "--device", "cuda"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "device cuda was asked for, but torch" in line
    assert not (tmp_path / "model").exists()
    assert main([*words, "--device", "cpu-torch"]) == 0
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    assert description["training"]["device"] == "cpu-torch"
