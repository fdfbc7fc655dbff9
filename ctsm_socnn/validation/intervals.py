"""Scores by group of observations, and how sure they are.

Layers of a profile share their errors, and so do neighbouring profiles: intervals come from
drawing whole blocks of the map with replacement. All scores are functions of six sums, so that a
replicate costs a product of its block counts with the sums of the blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.validation.comparison import SAMPLES
from ctsm_socnn.validation.scores import LOG_FLOOR, scores

__all__ = ["DEPTH_EDGES", "bootstrap_intervals", "depth_groups", "grouped_scores", "map_blocks"]

Array = NDArray[np.float64]

DEPTH_EDGES: Final = (0.0, 0.1, 0.3, 0.6, 1.0, 2.0, 10.0)
"""m; limits of the depth intervals of tables."""

_LEAST_BLOCKS: Final = 5
_INTERVAL_SCORES: Final = ("nse", "r2", "rmse", "bias", "log_nse", "log_r2", "log_rmse", "log_bias")


def depth_groups(depth: Array, edges: Sequence[float] = DEPTH_EDGES) -> NDArray[np.str_]:
    """Name of the interval in which each depth (m) lies, such as `0.1-0.3 m`."""
    names = np.array([f"{top:g}-{bottom:g} m" for top, bottom in pairwise(edges)])
    return names[np.clip(np.searchsorted(edges, depth, side="right") - 1, 0, names.size - 1)]


def map_blocks(lon: Array, lat: Array, size: float = 2.0) -> NDArray[np.int64]:
    """Give the number of the block of `size` degrees in which each place lies."""
    if size <= 0.0:
        raise ValidationError(f"blocks of {size} degrees were asked for; the size must be positive")
    cells = np.stack([np.floor((lon % 360.0) / size), np.floor((lat + 90.0) / size)], axis=1)
    _, block = np.unique(cells, axis=0, return_inverse=True)
    return np.asarray(block.ravel(), dtype=np.int64)


def grouped_scores(comparison: xr.Dataset, group: NDArray[np.str_]) -> pd.DataFrame:
    """Scores of every method within groups of observations.

    Parameters
    ----------
    comparison : xarray.Dataset
        Result of `compare_methods`.
    group : ndarray of str, shape (observation,)

    Returns
    -------
    pandas.DataFrame
        Columns `sample, method, group` and those of `scores`; groups are sorted.

    Raises
    ------
    ValidationError
        If the groups do not fit the observations.
    """
    if group.shape != (comparison.sizes["observation"],):
        raise ValidationError(
            f"{group.size} groups were given for {comparison.sizes['observation']} observations"
        )
    observed = comparison["observed"].values
    rows = []
    for sample, method, modelled in _answers(comparison):
        for name in np.unique(group):
            inside = group == name
            found = scores(observed[inside], modelled[inside])
            rows.append({"sample": sample, "method": method, "group": str(name), **found})
    return pd.DataFrame(rows)


def bootstrap_intervals(
    comparison: xr.Dataset,
    block: NDArray[np.int64],
    *,
    seed: int,
    replicates: int = 1000,
    level: float = 0.95,
) -> xr.Dataset:
    """Intervals of the scores from resampling blocks of the map.

    All methods are scored on the same resampled blocks.

    Parameters
    ----------
    comparison : xarray.Dataset
        Result of `compare_methods`.
    block : ndarray of int, shape (observation,)
        Block of each observation, from 0, as `map_blocks` gives it.
    seed : int
    replicates : int
    level : float, 1
        Probability within the interval.

    Returns
    -------
    xarray.Dataset
        `low`, `high` (method, sample, score), NaN where a method lacks a sample.

    Raises
    ------
    ValidationError
        If there are fewer than five blocks.
    """
    n_blocks = int(block.max()) + 1
    if n_blocks < _LEAST_BLOCKS:
        raise ValidationError(
            f"the observations lie in {n_blocks} blocks; intervals need at least {_LEAST_BLOCKS}, "
            "choose smaller blocks"
        )
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n_blocks, np.full(n_blocks, 1.0 / n_blocks), size=replicates)
    methods = [str(name) for name in comparison["method"].values]
    shape = (len(methods), len(SAMPLES), len(_INTERVAL_SCORES))
    low, high = np.full(shape, np.nan), np.full(shape, np.nan)
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    observed = comparison["observed"].values
    for sample, method, modelled in _answers(comparison):
        replicated = _replicated_scores(observed, modelled, block, counts)
        at = methods.index(method), SAMPLES.index(sample)
        low[at], high[at] = np.nanquantile(replicated, tails, axis=0)
    dims = ("method", "sample", "score")
    return xr.Dataset(
        {"low": (dims, low), "high": (dims, high)},
        coords={"method": methods, "sample": list(SAMPLES), "score": list(_INTERVAL_SCORES)},
        attrs={"level": level, "replicates": replicates, "blocks": n_blocks, "seed": seed},
    )


def _answers(comparison: xr.Dataset) -> list[tuple[str, str, Array]]:
    """Sample, method and modelled values, of the samples that each method has."""
    return [
        (sample, str(method), values)
        for sample in SAMPLES
        for method, values in zip(
            comparison["method"].values,
            comparison["modelled"].loc[{"sample": sample}].values,
            strict=True,
        )
        if np.isfinite(values).all()
    ]


def _replicated_scores(
    observed: Array, modelled: Array, block: NDArray[np.int64], counts: NDArray[np.int64]
) -> Array:
    """Scores of each replicate, shape (replicate, score)."""
    plain = _scores_of_sums(counts @ _block_sums(observed, modelled, block))
    o, m = (np.log10(np.maximum(values, LOG_FLOOR)) for values in (observed, modelled))
    return np.concatenate([plain, _scores_of_sums(counts @ _block_sums(o, m, block))], axis=1)


def _block_sums(observed: Array, modelled: Array, block: NDArray[np.int64]) -> Array:
    """Sum over each block, shape (block, 6), about the overall means, which keeps digits."""
    o, m = observed - observed.mean(), modelled - observed.mean()
    terms = (np.ones_like(o), o, m, o * o, m * m, o * m)
    return np.stack([np.bincount(block, weights=term) for term in terms], axis=1)


def _scores_of_sums(sums: Array) -> Array:
    """NSE, squared correlation, RMSE and bias from the six sums, shape (replicate, 4)."""
    n, o, m, oo, mm, om = sums.T
    sst, ssm, covariance = oo - o * o / n, mm - m * m / n, om - o * m / n
    sse = oo + mm - 2.0 * om
    with np.errstate(invalid="ignore", divide="ignore"):
        nse = np.where(sst > 0.0, 1.0 - sse / sst, np.nan)
        r2 = np.where((sst > 0.0) & (ssm > 0.0), covariance**2 / (sst * ssm), np.nan)
    return np.stack([nse, r2, np.sqrt(np.maximum(sse, 0.0) / n), (m - o) / n], axis=1)
