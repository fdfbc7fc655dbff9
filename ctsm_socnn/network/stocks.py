"""Stocks from profiles with gaps.

The stock is the integral of the linear interpolation between the measured depths, constant above
the first and below the last. Modelled values are integrated over the same depths, so that gaps in a
profile do not count as errors of the model.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.model.observation import ObservationOperator

__all__ = [
    "SAMPLED_SHARE",
    "STOCK_DEPTH",
    "deepest_observation",
    "depth_weights",
    "observed_stocks",
    "stock_weights",
]

STOCK_DEPTH: Final = 1.0
"""m; depth of the stock that is learnt and scored."""

SAMPLED_SHARE: Final = 0.8
"""Share of a depth to which a profile must be sampled to count for its stock."""


def stock_weights(
    operator: ObservationOperator, to_depth: ArrayLike = STOCK_DEPTH
) -> NDArray[np.float64]:
    """Weight (m) of each observation in its profile's stock from 0 to `to_depth` m, shape (m,).

    Observations at one depth share its weight. `to_depth` is one value for all, or one for each
    site with observations, in the order of sites.
    """
    weights = np.empty(len(operator.values))
    observed = [rows for rows in operator.of_each_site if rows.start < rows.stop]
    for rows, reach in zip(observed, np.broadcast_to(to_depth, len(observed)), strict=True):
        depth, place, count = np.unique(
            operator.depth[rows], return_inverse=True, return_counts=True
        )
        weights[rows] = (depth_weights(depth, float(reach)) / count)[place]
    return weights


def observed_stocks(
    operator: ObservationOperator, values: NDArray[np.float64], to_depth: ArrayLike = STOCK_DEPTH
) -> NDArray[np.float64]:
    """Stocks from the surface to a depth (m), or one per site, of the sites with observations.

    Returns
    -------
    ndarray, shape (sites with any,), gC m-2
        In the order of sites.
    """
    _, site = np.unique(operator.site, return_inverse=True)
    weighted = stock_weights(operator, to_depth) * values
    return np.asarray(np.bincount(site, weights=weighted), dtype=np.float64)


def deepest_observation(operator: ObservationOperator) -> NDArray[np.float64]:
    """Depth (m) of the deepest observation of each site that has any, in the order of sites."""
    _, first = np.unique(operator.site, return_index=True)
    return np.asarray(np.maximum.reduceat(operator.depth, first))


def depth_weights(depth: NDArray[np.float64], to_depth: float) -> NDArray[np.float64]:
    """Weights of ascending depths (m) in the integral of their interpolation, 0 to `to_depth`."""
    corners = np.unique(np.concatenate([[0.0, to_depth], depth[depth < to_depth]]))
    units = np.eye(len(depth))
    profiles = np.stack([np.interp(corners, depth, unit) for unit in units])
    return np.asarray(np.trapezoid(profiles, corners, axis=1))
