"""One network's training: epochs, early stopping on held-out locations, resuming.

An `Objective` defines what is learnt, this module how. The final weights are a running average over
epochs, which generalises better than the weights of any single epoch. Validation rows decide when
to stop and which average to keep; test folds are never seen here.
"""

from __future__ import annotations

import copy
import logging
import math
import pickle
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.netcdf import atomic_output
from ctsm_socnn.network.device import CPU, Device
from ctsm_socnn.network.inputs import Inputs
from ctsm_socnn.network.settings import NetworkSettings
from ctsm_socnn.network.state_files import save_state

__all__ = [
    "Objective",
    "ParameterNetwork",
    "TrainingCurve",
    "fit_network",
    "one_torch_thread",
    "seeded",
]

_LOG: Final = logging.getLogger(__name__)
_CHECKPOINT_SECONDS: Final = 2.0
_LARGEST_INPUT: Final = 4.0
_EARLY_EPOCHS: Final = 9
_DAMAGE: Final = (
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    struct.error,
    pickle.UnpicklingError,
)
"""Errors raised when a checkpoint is damaged, depending on where it breaks off."""

Progress = Callable[[int, float], None]
"""Called after each epoch with its number and validation loss."""


class ParameterNetwork(nn.Module):
    """An encoder and the head that maps its scores to parameters."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, numeric: Tensor, classes: Tensor, nearness: Tensor | None = None) -> Tensor:
        """Unit-cube parameters, shape (n, 21); inputs are clipped to -4 to 4.

        Scores are multiplied by `nearness` (n,), if given: a score of 0 stands for the value at
        which a bounded network started.
        """
        near = numeric.clamp(-_LARGEST_INPUT, _LARGEST_INPUT)
        precision = next(self.encoder.parameters()).dtype
        scores = self.encoder(near.to(precision), classes)
        if nearness is not None:
            scores = scores * nearness[:, None]
        values: Tensor = self.head(scores)
        return values


class Objective(Protocol):
    """What a network is trained for."""

    def loss(self, unit: Tensor, rows: NDArray[np.intp]) -> Tensor:
        """Loss of the unit-cube parameters `unit` (len(rows), 21) of the sites `rows`."""

    def parameters(self) -> list[nn.Parameter]:
        """Quantities of the objective that are learnt along with the network."""


@dataclass(frozen=True)
class TrainingCurve:
    """Validation loss by epoch (training loss if nothing is held out), and the best epoch."""

    validation: tuple[float, ...]
    best_epoch: int


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's random numbers inside the block and restore their state after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Limit torch to one thread: small layers gain nothing from more, and lose on a busy machine.

    Results then do not depend on the number of processors, either. An objective may run the kernel
    on more.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fit_network(
    network: ParameterNetwork,
    objective: Objective,
    inputs: Inputs,
    validation: NDArray[np.bool_],
    settings: NetworkSettings,
    *,
    device: Device = CPU,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> TrainingCurve:
    """Train a network in place; it ends with the weights of its best epoch.

    Call it inside `seeded`: dropout and the order of batches draw from torch's generator.

    Parameters
    ----------
    network : ParameterNetwork
    objective : Objective
    inputs : Inputs
        Of all training sites, validation rows included.
    validation : ndarray of bool, shape (site,)
        Rows used for early stopping.
    settings : NetworkSettings
    device : Device
        That of the objective. The network is moved back to the CPU at the end.
    checkpoint : Path, optional
        File for resuming; if it exists, training continues from its epoch to the same weights. A
        damaged file is ignored.
    progress : callable, optional

    Raises
    ------
    NetworkError
        If the loss or its gradient is no longer finite.
    """
    run = _Run(network.to(device.place), objective, inputs, validation, settings)
    if checkpoint is not None and checkpoint.exists():
        run.restore(checkpoint)
    saver = _Saver(checkpoint)
    with one_torch_thread(), device.repeatable():
        while run.epoch < settings.epochs and run.epoch - run.best_epoch < settings.patience:
            run.one_epoch()
            saver.maybe(run)
            if progress is not None:
                progress(run.epoch, run.curve[-1])
    saver.save(run)
    network.load_state_dict(run.best_weights)
    network.cpu().eval()
    return TrainingCurve(tuple(run.curve), run.best_epoch)


class _Run:
    """State of one training between epochs."""

    def __init__(
        self,
        network: ParameterNetwork,
        objective: Objective,
        inputs: Inputs,
        validation: NDArray[np.bool_],
        settings: NetworkSettings,
    ) -> None:
        self.network = network
        self.objective = objective
        self.settings = settings
        self.average = copy.deepcopy(network).eval()
        # Validated as trained: clipping in the head is for predictions only.
        self.average.head.train()
        self.place = next(network.parameters()).device
        self.numeric = torch.from_numpy(inputs.numeric).to(self.place)
        self.classes = torch.from_numpy(inputs.classes).to(self.place)
        self.training_rows = np.flatnonzero(~validation)
        self.validation_rows = np.flatnonzero(validation)
        self.learnt = [*network.parameters(), *objective.parameters()]
        self.optimiser = _optimiser(self.learnt, settings)
        self.epoch = 0
        self.best_epoch = 0
        self.best_loss = float("inf")
        self.best_weights = _copy(network.state_dict())
        self.curve: list[float] = []

    def one_epoch(self) -> None:
        """Run through the training rows once, then evaluate the validation rows."""
        self.network.train()
        self.epoch += 1
        losses = []
        for rows in self._batches():
            self.optimiser.zero_grad()
            loss = self._loss(self.network, rows)
            torch.autograd.backward(loss)
            largest = self.settings.largest_gradient or math.inf
            norm = torch.nn.utils.clip_grad_norm_(self.learnt, largest)
            losses.append(float(loss.detach()))
            # A step along such a gradient would leave weights that are not finite.
            self._require_finite("the loss", losses[-1])
            self._require_finite("the gradient of the loss", float(norm))
            self.optimiser.step()
        self._update_average()
        value = self._validation_loss() if self.validation_rows.size else float(np.mean(losses))
        self._require_finite("the loss", value)
        self.curve.append(value)
        # Without validation rows there is no best epoch, and the last one is kept.
        if value < self.best_loss or self.validation_rows.size == 0:
            self.best_loss, self.best_epoch = value, self.epoch
            self.best_weights = _copy(self.average.state_dict())

    def _require_finite(self, what: str, value: float) -> None:
        if not np.isfinite(value):
            raise NetworkError(
                f"{what} is {value} after epoch {self.epoch}; try a smaller learning rate"
            )

    def _validation_loss(self) -> float:
        with torch.no_grad():
            return float(self._loss(self.average, self.validation_rows))

    def _update_average(self) -> None:
        # Shorter at first, so that the initial weights are soon forgotten.
        kept = min(self.settings.averaging, self.epoch / (self.epoch + _EARLY_EPOCHS))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.network.parameters(), strict=True)
            for mean, value in pairs:
                mean.lerp_(value, 1.0 - kept)

    def _loss(self, network: ParameterNetwork, rows: NDArray[np.intp]) -> Tensor:
        selected = torch.from_numpy(rows).to(self.place)
        unit = network(self.numeric[selected], self.classes[selected])
        return self.objective.loss(unit, rows)

    def _batches(self) -> Iterator[NDArray[np.intp]]:
        size = self.settings.batch_size or len(self.training_rows)
        if size >= len(self.training_rows):
            yield self.training_rows
            return
        order = torch.randperm(len(self.training_rows)).numpy()
        for start in range(0, len(order), size):
            yield self.training_rows[np.sort(order[start : start + size])]

    def state(self) -> dict[str, Any]:
        """Return all that is needed to resume."""
        return {
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "best_loss": self.best_loss,
            "best_weights": self.best_weights,
            "curve": self.curve,
            "weights": self.network.state_dict(),
            "average": self.average.state_dict(),
            "objective": [value.detach() for value in self.objective.parameters()],
            "optimiser": self.optimiser.state_dict(),
            "generator": torch.get_rng_state(),
        }

    def restore(self, path: Path) -> None:
        """Resume from the state in `path`; if it is damaged, stay at the start."""
        state = self._read(path)
        if state is None:
            return
        self.epoch, self.best_epoch = state["epoch"], state["best_epoch"]
        self.best_loss, self.best_weights = state["best_loss"], state["best_weights"]
        self.curve = list(state["curve"])
        self.network.load_state_dict(state["weights"])
        self.average.load_state_dict(state["average"])
        for value, stored in zip(self.objective.parameters(), state["objective"], strict=True):
            value.data.copy_(stored)
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["generator"].cpu())

    def _read(self, path: Path) -> dict[str, Any] | None:
        """State in a file; None if the file is incomplete, for example after a full disk."""
        try:
            state = torch.load(path, weights_only=True, map_location=self.place)
        except _DAMAGE:
            state = None
        if isinstance(state, dict) and state.keys() == self.state().keys():
            return state
        _LOG.warning("%s is damaged; this network is trained anew", path)
        return None


class _Saver:
    """Writes a checkpoint every few seconds."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.last = time.monotonic()

    def maybe(self, run: _Run) -> None:
        """Write if enough time has passed."""
        if time.monotonic() - self.last >= _CHECKPOINT_SECONDS:
            self.save(run)

    def save(self, run: _Run) -> None:
        """Write, unless there is no path."""
        if self.path is None:
            return
        with atomic_output(self.path, overwrite=True) as temporary:
            save_state(run.state(), temporary)
        self.last = time.monotonic()


def _optimiser(learnt: list[nn.Parameter], settings: NetworkSettings) -> torch.optim.Optimizer:
    if settings.optimiser == "adadelta":
        # rho and eps of Keras, whose defaults differ from torch's.
        return torch.optim.Adadelta(learnt, lr=settings.learning_rate, rho=0.95, eps=1e-7)
    return torch.optim.AdamW(learnt, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items()}
