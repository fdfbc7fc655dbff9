"""Confidence intervals of scores.

Layers of a profile share their errors, and so do neighbouring profiles: intervals come from
drawing whole blocks of the map with replacement. All scores are functions of six sums, so that a
replicate costs a product of its block counts with the sums of the blocks.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.validation.comparison import SAMPLES, Sample
from ctsm_socnn.validation.scores import LOG_FLOOR, SCORE_NAMES

__all__ = [
    "INTERVAL_SCORES",
    "LEAST_BLOCKS",
    "answers",
    "block_counts",
    "bootstrap_intervals",
    "map_blocks",
    "replicated_scores",
]

Array = NDArray[np.float64]

LEAST_BLOCKS: Final = 5
"""Fewer blocks of the map give no interval."""
INTERVAL_SCORES: Final = tuple(name for name in SCORE_NAMES if name != "n")
"""Scores that have intervals, in the order of `replicated_scores`."""


def map_blocks(lon: Array, lat: Array, size: float = 2.0) -> NDArray[np.int64]:
    """Give the number of the block of `size` degrees in which each place lies."""
    if size <= 0.0:
        raise ValidationError(f"blocks of {size} degrees were asked for; the size must be positive")
    cells = np.stack([np.floor((lon % 360.0) / size), np.floor((lat + 90.0) / size)], axis=1)
    _, block = np.unique(cells, axis=0, return_inverse=True)
    return np.asarray(block.ravel(), dtype=np.int64)


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
    if n_blocks < LEAST_BLOCKS:
        raise ValidationError(
            f"the observations lie in {n_blocks} blocks; intervals need at least {LEAST_BLOCKS}, "
            "choose smaller blocks"
        )
    counts = block_counts(n_blocks, seed=seed, replicates=replicates)
    methods = [str(name) for name in comparison["method"].values]
    shape = (len(methods), len(SAMPLES), len(INTERVAL_SCORES))
    low, high = np.full(shape, np.nan), np.full(shape, np.nan)
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    observed = comparison["observed"].values
    for sample, method, modelled in answers(comparison):
        replicated = replicated_scores(observed, modelled, block, counts)
        at = methods.index(method), SAMPLES.index(sample)
        low[at], high[at] = np.nanquantile(replicated, tails, axis=0)
    dims = ("method", "sample", "score")
    return xr.Dataset(
        {"low": (dims, low), "high": (dims, high)},
        coords={"method": methods, "sample": list(SAMPLES), "score": list(INTERVAL_SCORES)},
        attrs={"level": level, "replicates": replicates, "blocks": n_blocks, "seed": seed},
    )


def block_counts(n_blocks: int, *, seed: int, replicates: int = 1000) -> NDArray[np.int64]:
    """How often each block is drawn in each replicate, shape (replicate, block)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_blocks, np.full(n_blocks, 1.0 / n_blocks), size=replicates)


def answers(comparison: xr.Dataset) -> list[tuple[Sample, str, Array]]:
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


def replicated_scores(
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
    """NSE, squared correlation, concordance, RMSE and bias from the six sums: (replicate, 5)."""
    n, o, m, oo, mm, om = sums.T
    sst, ssm, covariance = oo - o * o / n, mm - m * m / n, om - o * m / n
    sse = oo + mm - 2.0 * om
    with np.errstate(invalid="ignore", divide="ignore"):
        nse = np.where(sst > 0.0, 1.0 - sse / sst, np.nan)
        r2 = np.where((sst > 0.0) & (ssm > 0.0), covariance**2 / (sst * ssm), np.nan)
        apart = sst + ssm + (m - o) ** 2 / n
        ccc = np.where(apart > 0.0, 2.0 * covariance / apart, np.nan)
    return np.stack([nse, r2, ccc, np.sqrt(np.maximum(sse, 0.0) / n), (m - o) / n], axis=1)
