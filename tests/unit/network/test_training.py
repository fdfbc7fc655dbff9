from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network import training
from ctsm_socnn.network.inputs import Inputs
from ctsm_socnn.network.parameter_head import ClippedHead
from ctsm_socnn.network.settings import NetworkSettings, ParameterSettings
from ctsm_socnn.network.training import ParameterNetwork, TrainingCurve, fit_network, seeded

N = 60
SETTINGS = NetworkSettings(epochs=40, patience=40, batch_size=16)
VALIDATION = np.arange(N) % 5 == 0


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2).double()
        self.dropout = nn.Dropout(0.2)

    def forward(self, numeric: Tensor, _classes: Tensor) -> Tensor:
        scores: Tensor = self.layer(self.dropout(numeric))
        return scores


class Target:
    """Square distance to a linear function of the inputs, with an offset to be learnt."""

    def __init__(self, target: np.ndarray) -> None:
        self.target = torch.from_numpy(target)
        self.offset = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.seen: set[int] = set()

    def loss(self, unit: Tensor, rows: np.ndarray) -> Tensor:
        if unit.requires_grad:
            self.seen |= set(rows.tolist())
        return torch.mean((unit + self.offset - self.target[torch.from_numpy(rows)]) ** 2)

    def parameters(self) -> list[nn.Parameter]:
        return [self.offset]


def make_inputs() -> Inputs:
    numeric = np.random.default_rng(0).normal(size=(N, 3))
    return Inputs(numeric, np.zeros((N, 0), dtype=np.int64), np.ones(N, dtype=bool))


def fit(
    settings: NetworkSettings = SETTINGS,
    checkpoint: Path | None = None,
    scale: float = 1.0,
    head: nn.Module | None = None,
) -> tuple[ParameterNetwork, TrainingCurve, Target]:
    inputs = make_inputs()
    objective = Target(scale * inputs.numeric[:, :2])
    with seeded(3):
        network = ParameterNetwork(Linear(), head or nn.Identity())
        curve = fit_network(network, objective, inputs, VALIDATION, settings, checkpoint=checkpoint)
    return network, curve, objective


def weights(network: nn.Module) -> list[Tensor]:
    return list(network.state_dict().values())


def assert_same(one: nn.Module, other: nn.Module) -> None:
    for a, b in zip(weights(one), weights(other), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("averaging", [0.3, 0.98])
def test_what_counts_is_the_running_average_over_epochs(averaging: float) -> None:
    """At most the share `averaging` of the last average is kept, at first 1/10, 2/11, 3/12."""
    with seeded(3):
        average = weights(ParameterNetwork(Linear(), nn.Identity()))
    for epochs in range(1, 6):
        settings = SETTINGS.with_changes(epochs=epochs)
        last, curve, _ = fit(settings.with_changes(averaging=0.0))
        assert curve.best_epoch == epochs
        kept = min(averaging, epochs / (epochs + 9))
        average = [kept * a + (1.0 - kept) * w for a, w in zip(average, weights(last), strict=True)]
        network, curve, _ = fit(settings.with_changes(averaging=averaging))
        assert curve.best_epoch == epochs
        for found, expected in zip(weights(network), average, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=0.0)


def test_the_loss_falls_and_the_best_epoch_is_kept() -> None:
    _, curve, _ = fit()
    assert len(curve.validation) == 40
    assert min(curve.validation) < 0.5 * curve.validation[0]
    assert curve.validation[curve.best_epoch - 1] == min(curve.validation)


def test_validation_rows_are_never_trained_on() -> None:
    _, _, objective = fit()
    assert objective.seen == set(np.flatnonzero(~VALIDATION).tolist())


@pytest.mark.parametrize("never_reached", [1e30, float("inf")])
def test_long_gradients_are_shortened_if_asked(never_reached: float) -> None:
    def fitted(largest: float | None) -> ParameterNetwork:
        return fit(SETTINGS.with_changes(largest_gradient=largest), scale=100.0)[0]

    as_they_are, as_usual = fitted(None), fit(scale=100.0)[0]
    assert_same(as_they_are, fitted(never_reached))
    assert_same(as_usual, fitted(1.0))
    for one, other in zip(weights(as_they_are), weights(as_usual), strict=True):
        assert not torch.equal(one, other)


class Steep(Target):
    """A loss that is finite where its slope is not."""

    def loss(self, unit: Tensor, rows: np.ndarray) -> Tensor:
        return super().loss(unit, rows) + torch.sqrt(self.offset)


@pytest.mark.parametrize("largest", [None, 1.0])
def test_a_gradient_that_is_no_number_ends_the_training(largest: float | None) -> None:
    """Before a step along it makes weights that are none: a kernel would then complain of these."""
    inputs, settings = make_inputs(), SETTINGS.with_changes(largest_gradient=largest)
    network = ParameterNetwork(Linear(), nn.Identity())
    with pytest.raises(NetworkError, match="the gradient of the loss is inf after epoch 1"):
        fit_network(network, Steep(inputs.numeric[:, :2]), inputs, VALIDATION, settings)
    assert all(torch.isfinite(each).all() for each in network.parameters())


def test_a_network_is_judged_by_what_it_is_trained_on_and_not_by_what_is_clipped_later() -> None:
    free, clipped = fit(), fit(head=ClippedHead(ParameterSettings(held=(), bounds={})))
    assert clipped[1] == free[1]
    assert_same(clipped[0].encoder, free[0].encoder)
    inputs = torch.from_numpy(make_inputs().numeric)
    assert float(clipped[0](inputs, torch.zeros(N, 0)).detach().min()) > 0.0


def test_the_same_seed_gives_the_same_bits() -> None:
    assert_same(fit()[0], fit()[0])


def test_torch_keeps_its_own_random_state() -> None:
    before = torch.get_rng_state()
    fit()
    assert torch.equal(before, torch.get_rng_state())


def test_patience_stops_early() -> None:
    settings = SETTINGS.with_changes(patience=3, learning_rate=2.0, epochs=200)
    _, curve, _ = fit(settings)
    assert len(curve.validation) < 200
    assert len(curve.validation) - curve.best_epoch == 3


def test_a_killed_training_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, whole_curve, _ = fit()
    monkeypatch.setattr(training, "_CHECKPOINT_SECONDS", 0.0)
    checkpoint = tmp_path / "member.pt"

    class KilledError(Exception):
        pass

    def kill(epoch: int, _: float) -> None:
        if epoch == 13:
            raise KilledError

    inputs = make_inputs()
    with seeded(3), pytest.raises(KilledError):
        fit_network(
            ParameterNetwork(Linear(), nn.Identity()),
            Target(inputs.numeric[:, :2]),
            inputs,
            VALIDATION,
            SETTINGS,
            checkpoint=checkpoint,
            progress=kill,
        )
    resumed, curve, _ = fit(checkpoint=checkpoint)
    assert curve == whole_curve
    assert_same(resumed, whole)


def test_a_finished_member_is_not_trained_again(tmp_path: Path) -> None:
    checkpoint = tmp_path / "member.pt"
    first, _, _ = fit(checkpoint=checkpoint)
    again, _, objective = fit(checkpoint=checkpoint)
    assert objective.seen == set()
    assert_same(first, again)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.1, 0.5, 0.99], ids=str)
def test_a_state_that_breaks_off_is_trained_anew(
    tmp_path: Path, kept: float, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = tmp_path / "member.pt"
    whole, whole_curve, _ = fit(checkpoint=checkpoint)
    stored = checkpoint.read_bytes()
    checkpoint.write_bytes(stored[: int(kept * len(stored))])
    again, curve, objective = fit(checkpoint=checkpoint)
    assert objective.seen
    assert caplog.messages == [f"{checkpoint} is damaged; this network is trained anew"]
    assert curve == whole_curve
    assert_same(again, whole)
    assert fit(checkpoint=checkpoint)[2].seen == set()


def test_a_file_that_is_no_state_is_trained_anew(tmp_path: Path) -> None:
    checkpoint = tmp_path / "member.pt"
    torch.save({"epoch": 40}, checkpoint)
    assert_same(fit(checkpoint=checkpoint)[0], fit()[0])


def test_a_state_that_runs_code_is_not_run(tmp_path: Path) -> None:
    checkpoint, ran = tmp_path / "member.pt", tmp_path / "ran"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (ran,)

    torch.save({"epoch": Payload()}, checkpoint)
    assert_same(fit(checkpoint=checkpoint)[0], fit()[0])
    assert not ran.exists()


def test_a_loss_that_is_no_number_is_an_error() -> None:
    with pytest.raises(NetworkError, match="the loss is nan after epoch 1"):
        fit(scale=float("nan"))


def test_without_validation_rows_the_last_epoch_is_kept() -> None:
    inputs = make_inputs()
    objective = Target(inputs.numeric[:, :2])
    with seeded(3):
        network = ParameterNetwork(Linear(), nn.Identity())
        curve = fit_network(network, objective, inputs, np.zeros(N, dtype=bool), SETTINGS)
    assert curve.best_epoch == len(curve.validation) == 40
    assert objective.seen == set(range(N))
