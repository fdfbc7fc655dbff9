"""The published cost: weights of observations, interpolation to their depth, and the sum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import xarray as xr

from ctsm_socnn import _kernel
from ctsm_socnn.model.verification.block import Block

__all__ = ["compare_cost"]

COST_LIMIT: Final = 1e-11


def compare_cost(dataset: xr.Dataset) -> Iterator[Block]:
    """Yield a block for weights, carbon at depth and cost, from the published code's carbon."""
    n, per_case = dataset["obs_depth"].shape
    first = 1 + per_case * np.arange(n + 1)
    depth, observed = (dataset[name].values.ravel() for name in ("obs_depth", "obs_soc"))
    weights = _kernel.published_weights(first, depth, observed)
    cost, modelled, _ = _kernel.published_costs(
        dataset["octave_soc"].values.T, first, depth, observed, weights
    )
    for name, values, reference in (
        ("layer_weight", weights, dataset["layer_weight"].values.ravel()),
        ("soc_at_obs", modelled, dataset["octave_soc_at_obs"].values.ravel()),
        ("cost", cost, dataset["octave_cost"].values),
    ):
        scale = np.maximum(np.abs(reference), np.finfo(np.float64).tiny)
        yield Block(name, float(np.max(np.abs(values - reference) / scale)), COST_LIMIT)
