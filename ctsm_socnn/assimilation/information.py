"""How much profiles constrain parameters, and predictive coverage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import xarray as xr

from ctsm_socnn.assimilation.predictive import INTERVALS
from ctsm_socnn.parameters import PARAMETER_NAMES

__all__ = ["LITTLE_CONTRACTION", "covered_shares", "hardly_narrowed", "without_effect"]

LITTLE_CONTRACTION: Final = 0.1
"""Median contraction below which the profiles have hardly narrowed the prior."""


def covered_shares(posterior: xr.Dataset) -> Mapping[float, float]:
    """Share of all observations of converged sites that lie in their predictive intervals.

    Parameters
    ----------
    posterior : xarray.Dataset
        The posterior schema.

    Returns
    -------
    mapping of float to float, 1
        Probability of the interval -> share; empty where no site has converged.
    """
    good = posterior["converged"].values == 1
    count = np.isfinite(posterior["soc_fit"].values[good]).sum(axis=1)
    if not count.any():
        return {}
    return {
        probability: float(np.average(posterior[name].values[good], weights=count))
        for name, probability in INTERVALS.items()
    }


def without_effect(posterior: xr.Dataset) -> Mapping[str, int]:
    """Parameters on which carbon does not depend at all -> at how many of the sites run."""
    acts = posterior["identifiable"].values[_run(posterior)] == 1
    return {
        name: int(count)
        for name, count in zip(PARAMETER_NAMES, (~acts).sum(axis=0), strict=True)
        if count
    }


def hardly_narrowed(posterior: xr.Dataset) -> list[str]:
    """Name the parameters that have an effect, but that the profiles hardly constrain."""
    run = _run(posterior)
    acts = posterior["identifiable"].values[run] == 1
    contraction = posterior["contraction"].values[run]
    return [
        name
        for j, name in enumerate(PARAMETER_NAMES)
        if acts[:, j].any() and np.median(contraction[acts[:, j], j]) < LITTLE_CONTRACTION
    ]


def _run(posterior: xr.Dataset) -> np.ndarray:
    return np.asarray(np.isfinite(posterior["cost_mean"].values))
