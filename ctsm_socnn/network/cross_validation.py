"""Out-of-fold predictions for every site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import NetworkError, require_at_least
from ctsm_socnn.executors import open_executor, run_tasks
from ctsm_socnn.network.device import CPU, Device
from ctsm_socnn.network.end_to_end import train_end_to_end
from ctsm_socnn.network.ensemble import Progress
from ctsm_socnn.network.folds import location_folds
from ctsm_socnn.network.model import METHODS, Model
from ctsm_socnn.network.settings import NetworkSettings, default_settings
from ctsm_socnn.network.two_step import train_two_step
from ctsm_socnn.parameters import PARAMETER_NAMES

__all__ = ["cross_validate", "fold_models", "train"]


def train(
    sites: xr.Dataset,
    method: str,
    settings: NetworkSettings,
    seed: int,
    *,
    posterior: xr.Dataset | None = None,
    device: Device = CPU,
    work: Path | None = None,
    progress: Progress | None = None,
) -> Model:
    """Train a model by the method of that name.

    Raises
    ------
    NetworkError
        If the method is unknown, or two-step without a posterior.
    """
    if method == "end-to-end":
        return train_end_to_end(sites, settings, seed, device=device, work=work, progress=progress)
    if method != "two-step":
        raise NetworkError(f"unknown method {method!r}; choose from {', '.join(METHODS)}")
    if posterior is None:
        raise NetworkError("the two-step method learns from site posteriors; give a posterior file")
    return train_two_step(
        sites, posterior, settings, seed, device=device, work=work, progress=progress
    )


def cross_validate(
    sites: xr.Dataset,
    method: str,
    folds: int | NDArray[np.intp],
    seed: int,
    *,
    settings: NetworkSettings | None = None,
    posterior: xr.Dataset | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Predict each fold by a model trained on the others.

    Scaling, classes, early stopping and the choice of the best epoch all happen inside the
    training sites of a fold.

    Parameters
    ----------
    sites : xarray.Dataset
        In the sites schema.
    method : {"two-step", "end-to-end"}
    folds : int or ndarray of int, shape (site,)
        Number of folds by location, or the fold of each site.
    seed : int
    settings : NetworkSettings, optional
    posterior : xarray.Dataset, optional
        Of the same sites; needed by the two-step method.
    workers : int
        Processes that share the folds. Results do not depend on it.
    progress : callable, optional
        Called with the fold done and the number of folds.

    Returns
    -------
    xarray.Dataset
        `prediction` (site, parameter) in the registry's units, `fold` (site).

    Raises
    ------
    NetworkError
        As training and prediction.
    """
    fold = location_folds(sites, folds, seed) if isinstance(folds, int) else np.asarray(folds)
    prediction = np.full((sites.sizes["site"], len(PARAMETER_NAMES)), np.nan)
    models = fold_models(
        sites, method, fold, seed, settings=settings, posterior=posterior, workers=workers
    )
    for done, (tested, model) in enumerate(models, start=1):
        prediction[tested] = model.predict_sites(sites.isel(site=tested))
        if progress is not None:
            progress(done, len(np.unique(fold)))
    return xr.Dataset(
        {"prediction": (("site", "parameter"), prediction), "fold": ("site", fold)},
        coords={"parameter": list(PARAMETER_NAMES)},
        attrs={"method": method, "seed": str(seed)},
    )


def fold_models(
    sites: xr.Dataset,
    method: str,
    fold: NDArray[np.intp],
    seed: int,
    *,
    settings: NetworkSettings | None = None,
    posterior: xr.Dataset | None = None,
    device: Device = CPU,
    work: Path | None = None,
    workers: int = 1,
) -> Iterator[tuple[NDArray[np.intp], Model]]:
    """Train a model for each fold on the others; yield the sites of the fold and the model.

    Folds come in order.

    Parameters
    ----------
    sites, method, seed, settings, posterior
        As `cross_validate`.
    fold : ndarray of int, shape (site,)
    device : Device
    work : Path, optional
        Directory for resuming; each fold has a subdirectory of its own.
    workers : int
        Processes that share the folds, on the CPU. Results do not depend on it.

    Raises
    ------
    NetworkError
        As training.
    WorkerError
        If a worker is lost.
    """
    require_at_least(1, workers=workers)
    numbers = [int(number) for number in np.unique(fold)]

    def tasks() -> Iterator[_Fold]:
        for number in numbers:
            known = np.flatnonzero(fold != number)
            yield _Fold(
                number,
                sites.isel(site=known),
                method,
                settings or default_settings(method),
                seed + number,
                None if posterior is None else posterior.isel(site=known),
                device,
                None if work is None else work / f"fold_{number}",
            )

    workers = min(workers, len(numbers)) if device == CPU else 1
    trained: dict[int, Model] = {}
    left = list(numbers)
    with open_executor(workers) as executor:
        for done, model in run_tasks(_train_without, tasks(), executor, workers - 1, here=True):
            trained[done] = model
            while left and left[0] in trained:
                number = left.pop(0)
                yield np.flatnonzero(fold == number), trained.pop(number)


@dataclass(frozen=True)
class _Fold:
    """What is needed to train a model without one fold."""

    number: int
    sites: xr.Dataset
    method: str
    settings: NetworkSettings
    seed: int
    posterior: xr.Dataset | None
    device: Device
    work: Path | None


def _train_without(fold: _Fold) -> tuple[int, Model]:
    model = train(
        fold.sites,
        fold.method,
        fold.settings,
        fold.seed,
        posterior=fold.posterior,
        device=fold.device,
        work=fold.work,
    )
    return fold.number, model
