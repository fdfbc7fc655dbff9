"""Training an ensemble: code shared by the two methods.

Each member has its own seed, initial weights and validation locations and, with bootstrap, its own
sites. A working directory keeps a checkpoint of each, so that an interrupted training continues and
ends with the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.device import CPU, Device
from ctsm_socnn.network.extrapolation import TrainingDomain
from ctsm_socnn.network.folds import hold_out, location_groups
from ctsm_socnn.network.inputs import Inputs, InputTransform
from ctsm_socnn.network.model import Model, build_network
from ctsm_socnn.network.settings import NetworkSettings
from ctsm_socnn.network.training import Objective, ParameterNetwork, fit_network, seeded
from ctsm_socnn.network.training_key import training_key

__all__ = ["MemberTask", "Progress", "TrainingSet", "train_ensemble"]

Progress = Callable[[int, int, float], None]
"""Called with member, epoch and validation loss."""


@dataclass(frozen=True)
class TrainingSet:
    """Prepared training sites.

    Attributes
    ----------
    sites : xarray.Dataset
        The usable training sites, with everything learnt from them.
    excluded : dict of str to int
        Number of sites left out, by reason.
    transform : InputTransform
    inputs : Inputs
    """

    sites: xr.Dataset
    excluded: dict[str, int]
    transform: InputTransform
    inputs: Inputs

    @classmethod
    def prepare(
        cls, sites: xr.Dataset, reasons: dict[str, NDArray[np.bool_]], settings: NetworkSettings
    ) -> TrainingSet:
        """Leave out unusable sites and fit the inputs to the rest.

        Parameters
        ----------
        sites : xarray.Dataset
        reasons : dict of str to ndarray of bool, shape (site,)
            Sites to leave out; each is counted under the first reason that holds.
        settings : NetworkSettings

        Raises
        ------
        NetworkError
            If fewer than two sites are left.
        """
        used = np.ones(sites.sizes["site"], dtype=bool)
        excluded: dict[str, int] = {}
        covariates = InputTransform.fit(sites, settings.inputs)(sites)
        for reason, mask in {**reasons, "covariates missing": ~covariates.usable}.items():
            count = int((used & mask).sum())
            if count:
                excluded[reason] = count
            used &= ~mask
        if used.sum() < 2:
            listed = ", ".join(f"{count} {reason}" for reason, count in excluded.items())
            raise NetworkError(
                f"{int(used.sum())} of {len(used)} sites can be trained on"
                f"{f' ({listed})' if listed else ''}; a network needs at least two"
            )
        kept = sites.isel(site=np.flatnonzero(used))
        transform = InputTransform.fit(kept, settings.inputs)
        return cls(kept, excluded, transform, transform(kept))


@dataclass(frozen=True)
class MemberTask:
    """What a member learns from.

    Attributes
    ----------
    inputs : Inputs
        Of the rows of the objective: the member's sites, or imagined sites in their place, which
        requires a validation fraction of 0.
    objective : Objective
        Of this member alone, because it may have learnt quantities of its own.
    """

    inputs: Inputs
    objective: Objective


@dataclass(frozen=True)
class _Member:
    """A trained network, its best epoch with its loss, and the rows of its training sites."""

    network: ParameterNetwork
    epoch: int
    loss: float
    sites: NDArray[np.intp]


def train_ensemble(
    method: str,
    training: TrainingSet,
    member_task: Callable[[NDArray[np.intp]], MemberTask],
    settings: NetworkSettings,
    seed: int,
    *,
    start: NDArray[np.float64],
    device: Device = CPU,
    work: Path | None = None,
    progress: Progress | None = None,
) -> Model:
    """Train all members and assemble the model.

    Parameters
    ----------
    method : {"two-step", "end-to-end"}
    training : TrainingSet
    member_task : callable
        Returns a member's task for its rows of the training sites: all in order or, with
        `settings.bootstrap`, those of the locations drawn, some of them repeatedly.
    settings : NetworkSettings
    seed : int
    start : ndarray, shape (21,), 1
        Unit-cube parameters around which bounded members start.
    device : Device
        On which the objectives compute.
    work : Path, optional
        Directory for resuming.
    progress : callable, optional
    """
    seeds = np.random.SeedSequence(seed).spawn(settings.members)
    groups = location_groups(training.sites)
    how = f"{method} {device.name}"
    key = (
        ""
        if work is None
        else training_key(how, training.sites, training.inputs, settings, seed, start)
    )

    def trained(number: int, sequence: np.random.SeedSequence) -> _Member:
        generator = np.random.default_rng(sequence)
        sites = _sites_of_member(groups, settings, sequence)
        given = member_task(sites)
        validation = _validation(groups[sites], len(given.inputs), settings, generator)
        with seeded(int(generator.integers(2**31))):
            network = build_network(training.transform, settings, start)
            curve = fit_network(
                network,
                given.objective,
                given.inputs,
                validation,
                settings,
                device=device,
                checkpoint=_member_file(work, number, key),
                progress=_of_member(progress, number),
            )
        return _Member(network, curve.best_epoch, curve.validation[curve.best_epoch - 1], sites)

    members = [trained(number, sequence) for number, sequence in enumerate(seeds)]
    return Model(
        method=method,
        settings=settings,
        transform=training.transform,
        domain=TrainingDomain.fit(training.inputs),
        members=tuple(member.network for member in members),
        seed=seed,
        training={
            **_record(training, members, bootstrap=settings.bootstrap),
            "device": device.name,
        },
    )


def _sites_of_member(
    groups: NDArray[np.intp], settings: NetworkSettings, sequence: np.random.SeedSequence
) -> NDArray[np.intp]:
    """Rows of the sites that a member learns from, in ascending order."""
    if not settings.bootstrap:
        return np.arange(len(groups))
    # A separate generator, so that members with and without bootstrap start alike.
    generator = np.random.default_rng(sequence.spawn(1)[0])
    n = int(groups.max()) + 1
    times = np.bincount(generator.integers(0, n, n), minlength=n)
    return np.repeat(np.arange(len(groups)), times[groups])


def _validation(
    groups: NDArray[np.intp],
    n_rows: int,
    settings: NetworkSettings,
    generator: np.random.Generator,
) -> NDArray[np.bool_]:
    if settings.validation_fraction == 0.0:
        return np.zeros(n_rows, dtype=bool)
    if settings.preset == "published":
        # Keras' validation_split takes the last tenth of the rows, unshuffled.
        rows = np.arange(len(groups))
        return rows >= round(len(groups) * (1.0 - settings.validation_fraction))
    return hold_out(groups, settings.validation_fraction, generator)


def _of_member(progress: Progress | None, number: int) -> Callable[[int, float], None] | None:
    if progress is None:
        return None
    return lambda epoch, loss: progress(number, epoch, loss)


def _member_file(work: Path | None, number: int, key: str) -> Path | None:
    """Checkpoint of a member; its name holds the key of all that determines its weights."""
    if work is None:
        return None
    work.mkdir(parents=True, exist_ok=True)
    return work / f"member_{number}_{key}.pt"


def _record(
    training: TrainingSet, members: Sequence[_Member], *, bootstrap: bool
) -> dict[str, Any]:
    sites = training.sites
    n = sites.sizes["site"]
    ids = sites["profile_id"].values.tolist() if "profile_id" in sites.variables else []
    record = {
        "sites": n,
        "excluded": training.excluded,
        "profile_id": ids,
        "epochs": [member.epoch for member in members],
        "validation_loss": [member.loss for member in members],
    }
    if bootstrap:
        # How often each member's sample contains each training site.
        record["times_drawn"] = [np.bincount(m.sites, minlength=n).tolist() for m in members]
    return record
