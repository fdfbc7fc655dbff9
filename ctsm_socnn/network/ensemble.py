"""Training an ensemble: what the two methods share.

Each member has its own seed, its own start and its own validation locations. A working directory
keeps a checkpoint of each, so that a killed training goes on and ends with the same weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.extrapolation import TrainingDomain
from ctsm_socnn.network.folds import hold_out, location_groups
from ctsm_socnn.network.inputs import Inputs, InputTransform
from ctsm_socnn.network.model import Model, build_network
from ctsm_socnn.network.settings import NetworkSettings
from ctsm_socnn.network.training import Objective, ParameterNetwork, fit_network, seeded

__all__ = ["Progress", "TrainingSet", "train_ensemble"]

Progress = Callable[[int, int, float], None]
"""Called with member, epoch and validation loss."""


@dataclass(frozen=True)
class TrainingSet:
    """Sites that a method trains on, prepared.

    Attributes
    ----------
    sites : xarray.Dataset
        The usable training sites.
    excluded : dict of str to int
        Sites that were given but not used, by reason.
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
        """Leave out unusable sites and fit the inputs on the rest.

        Parameters
        ----------
        sites : xarray.Dataset
        reasons : dict of str to ndarray of bool, shape (site,)
            Sites to leave out; the first reason that holds is the one counted.
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
                f"{int(used.sum())} of {len(used)} sites can be trained on ({listed})"
            )
        kept = sites.isel(site=np.flatnonzero(used))
        transform = InputTransform.fit(kept, settings.inputs)
        return cls(kept, excluded, transform, transform(kept))


def train_ensemble(
    method: str,
    training: TrainingSet,
    objective: Callable[[], Objective],
    settings: NetworkSettings,
    seed: int,
    *,
    start: NDArray[np.float64],
    learnt: Inputs | None = None,
    work: Path | None = None,
    progress: Progress | None = None,
) -> Model:
    """Train all members and put the model together.

    Parameters
    ----------
    method : {"two-step", "end-to-end"}
    training : TrainingSet
    objective : callable
        Gives a fresh objective for each member.
    settings : NetworkSettings
    seed : int
    start : ndarray, shape (21,), 1
        Unit-cube parameters around which bounded members start.
    learnt : Inputs, optional
        Rows that the objective knows, by default the training sites. Needs a validation fraction
        of 0 where they are others.
    work : Path, optional
        Directory for resuming.
    progress : callable, optional
    """
    seeds = np.random.SeedSequence(seed).spawn(settings.members)
    rows = training.inputs if learnt is None else learnt
    groups = location_groups(training.sites)
    members: list[ParameterNetwork] = []
    epochs: list[int] = []
    losses: list[float] = []
    for number, sequence in enumerate(seeds):
        generator = np.random.default_rng(sequence)
        validation = _validation(groups, len(rows), settings, generator)
        with seeded(int(generator.integers(2**31))):
            network = build_network(training.transform, settings, start)
            curve = fit_network(
                network,
                objective(),
                rows,
                validation,
                settings,
                checkpoint=_member_file(work, number, method, training, settings, seed),
                progress=_of_member(progress, number),
            )
        members.append(network)
        epochs.append(curve.best_epoch)
        losses.append(curve.validation[curve.best_epoch - 1])
    return Model(
        method=method,
        settings=settings,
        transform=training.transform,
        domain=TrainingDomain.fit(training.inputs),
        members=tuple(members),
        seed=seed,
        training=_record(training, epochs, losses),
    )


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


def _member_file(
    work: Path | None,
    number: int,
    method: str,
    training: TrainingSet,
    settings: NetworkSettings,
    seed: int,
) -> Path | None:
    """Checkpoint of a member; its name holds what decides the result, so that none is mixed up."""
    if work is None:
        return None
    work.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(f"{method} {settings.model_dump_json()} {seed}".encode())
    digest.update(training.inputs.numeric.tobytes())
    digest.update(training.sites["soc"].values.tobytes())
    return work / f"member_{number}_{digest.hexdigest()[:16]}.pt"


def _record(training: TrainingSet, epochs: list[int], losses: list[float]) -> dict[str, Any]:
    sites = training.sites
    ids = sites["profile_id"].values.tolist() if "profile_id" in sites.variables else []
    return {
        "sites": sites.sizes["site"],
        "excluded": training.excluded,
        "profile_id": ids,
        "epochs": epochs,
        "validation_loss": losses,
    }
