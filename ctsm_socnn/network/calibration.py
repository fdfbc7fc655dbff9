"""Prediction intervals for a trained model, from cross-validation errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.network.cross_validation import fold_models
from ctsm_socnn.network.device import CPU, Device
from ctsm_socnn.network.ensemble_errors import ensemble_errors
from ctsm_socnn.network.error_scale import Errors, coverage, fit_scales, join_errors
from ctsm_socnn.network.folds import location_folds
from ctsm_socnn.network.model import Model
from ctsm_socnn.network.scoring import score_parameters
from ctsm_socnn.parameters import PARAMETER_NAMES

__all__ = ["calibrate"]


def calibrate(
    model: Model,
    sites: xr.Dataset,
    folds: int | NDArray[np.intp],
    *,
    posterior: xr.Dataset | None = None,
    device: Device = CPU,
    work: Path | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Model:
    """Repeat the training without each fold, and fit intervals to the errors in the folds.

    Parameters
    ----------
    model : Model
    sites : xarray.Dataset
        The sites that it was trained on.
    folds : int or ndarray of int, shape (site,)
        Number of folds by location, or the fold of each site.
    posterior : xarray.Dataset, optional
        Of the same sites; needed by the two-step method.
    device : Device
    work : Path, optional
        Directory for resuming; the caller removes it once the result is saved.
    workers : int
        Processes that share the folds, on the CPU. Results do not depend on it.
    progress : callable, optional
        Called with the fold done and the number of folds.

    Returns
    -------
    Model
        With `intervals`; its training record has `out_of_fold`: `scores` of all sites by models
        that had not seen them, `coverage` of intervals fitted to the other folds, and `spread`: by
        quantity, root mean squares of the errors of ln(carbon) and of the members' own spread.

    Raises
    ------
    NetworkError
        As training; also if too few observations are left.
    """
    fold = location_folds(sites, folds, model.seed) if isinstance(folds, int) else np.asarray(folds)
    n_folds = len(np.unique(fold))
    prediction = np.full((sites.sizes["site"], len(PARAMETER_NAMES)), np.nan)
    by_fold: list[dict[str, Errors]] = []
    models = fold_models(
        sites,
        model.method,
        fold,
        model.seed,
        settings=model.settings,
        posterior=posterior,
        device=device,
        work=work,
        workers=workers,
    )
    for tested, other in models:
        here = sites.isel(site=tested)
        prediction[tested] = other.predict_sites(here)
        by_fold.append(ensemble_errors(other, here))
        if progress is not None:
            progress(len(by_fold), n_folds)
    errors = join_errors(by_fold)
    record = {
        "folds": n_folds,
        "scores": score_parameters(sites, prediction, model.settings.below_bedrock),
        "coverage": _coverage_across(by_fold),
        "spread": {
            name: {"errors": _root_mean_square(e.error), "members": _root_mean_square(e.spread)}
            for name, e in errors.items()
        },
    }
    return replace(
        model,
        intervals=fit_scales(errors),
        training={**model.training, "out_of_fold": record},
    )


def _coverage_across(by_fold: list[dict[str, Errors]]) -> dict[str, Any]:
    """Coverage in each fold by intervals fitted to the others, averaged over folds."""
    found: dict[str, list[Mapping[str, float]]] = {}
    for number, errors in enumerate(by_fold):
        others = join_errors([e for i, e in enumerate(by_fold) if i != number])
        for name, shares in coverage(fit_scales(others), errors).items():
            found.setdefault(name, []).append(shares)
    return {name: _weighted(parts) for name, parts in found.items()}


def _weighted(parts: list[Mapping[str, float]]) -> dict[str, float]:
    """Mean of shares, each weighted by its number of observations."""
    total = sum(part["n"] for part in parts)
    levels = [name for name in parts[0] if name != "n"]
    means = {name: sum(p[name] * p["n"] for p in parts) / total for name in levels}
    return {**means, "n": int(total)}


def _root_mean_square(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))
