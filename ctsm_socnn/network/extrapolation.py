"""How similar a cell is to the sites on which a model was trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ctsm_socnn.network.inputs import Inputs

__all__ = ["TrainingDomain"]

_QUANTILE: Final = 0.99
_NEIGHBOURS: Final = 5
_FREE: Final = 1.5
"""Up to this multiple of the limit nothing changes; single unusual sites lie that far."""
_STEEPNESS: Final = 4
_FARTHEST: Final = 1e6
"""Scaled values beyond this, including infinity, are clipped to it."""


@dataclass(frozen=True)
class TrainingDomain:
    """Scaled numeric inputs of the training sites, and their typical distance.

    Attributes
    ----------
    points : ndarray, shape (site, numeric inputs), scaled
    limit : float
        Distance to the nearest training sites beyond which a cell is out of the domain.
    """

    points: NDArray[np.float64]
    limit: float

    @classmethod
    def fit(cls, inputs: Inputs) -> TrainingDomain:
        """Take the limit from the training sites' distances to each other.

        The distance is the mean over the five nearest sites, so that a single unusual training site
        does not extend the domain; the limit is its 99th percentile over the training sites. Where
        nearly all sites share their inputs with five others, as profiles in a few cells of the
        model's grid do, these count as one site: the limit would otherwise be 0 and exclude every
        other place.
        """
        points = _within_reach(inputs.numeric[inputs.usable])
        if len(points) < 2 or points.shape[1] == 0:
            return cls(points, float("inf"))
        limit = _limit(points)
        if limit == 0.0 and len(unlike := np.unique(points, axis=0)) > 1:
            return cls(unlike, _limit(unlike))
        return cls(points, limit)

    def distance(self, inputs: Inputs) -> NDArray[np.float64]:
        """Mean distance to the five nearest training sites, shape (n,), scaled inputs.

        Classes have no distance: without numeric inputs every distance is 0.
        """
        if self.points.shape[1] == 0:
            return np.zeros(len(inputs))
        neighbours = min(_NEIGHBOURS, len(self.points))
        distance, _ = cKDTree(self.points).query(_within_reach(inputs.numeric), k=neighbours)
        return np.asarray(np.reshape(distance, (len(inputs), neighbours)).mean(axis=1))

    def nearness(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """1 up to one and a half times the limit, then falling with the distance, shape (n,)."""
        free = _FREE * self.limit
        share = np.ones_like(distance)
        np.divide(free, distance, out=share, where=distance > free)
        return share**_STEEPNESS

    def outside(self, distance: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each row lies beyond the limit, shape (n,)."""
        return np.asarray(distance > self.limit)


def _limit(points: NDArray[np.float64]) -> float:
    """99th percentile over points of the mean distance to the five nearest others."""
    neighbours = min(_NEIGHBOURS, len(points) - 1)
    distance, _ = cKDTree(points).query(points, k=neighbours + 1)
    return float(np.quantile(np.asarray(distance)[:, 1:].mean(axis=1), _QUANTILE))


def _within_reach(numeric: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(numeric, -_FARTHEST, _FARTHEST)
