"""A Gaussian process over sites and depths, fitted on profiles.

Trees cut covariate space into boxes; a process draws smooth surfaces through it, so that the mean
of the two expects better than either. A value is the sum of a curve of depth that all sites share,
a part that sites of like covariates share, one that sites close to each other share, one of the
profile itself, and noise. Only the first two can be expected elsewhere; the others see to it that
ten layers of one profile do not count as ten witnesses, nor ten profiles of one valley.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

__all__ = ["OF_LAYER", "ProfileProcess", "Profiles", "log_depth"]

_OF_DEPTH: Final = 1.0
_OF_COVARIATES: Final = 0.5
_OF_PLACE: Final = 0.1
_OF_PROFILE: Final = 0.25
OF_LAYER: Final = 0.12
"""Variances of the parts. Only their ratios matter; they are near the most likely ones for the
logarithm of carbon at the north-east profiles, where scores hardly change within a factor of two."""
_ALIKE_KM: Final = 8.0
"""Distance at which the correlation of the part of the place has fallen to 1/e."""
_ALIKE_DEPTH: Final = 0.8
"""Scale of correlation in ln(depth)."""
_ALL_DEPTHS: Final = 0.25
"""Share of each part that is the same at all depths of a site."""
_SHALLOWEST: Final = 0.03
_NODES: Final = 64
"""Depths at which expectations are worked out; between them they are interpolated."""
_MOST_LAYERS: Final = 7000
"""A process over more layers is the mean of several over random shares of the sites: time grows
with the third power of their number and memory with the second."""
_SAMPLE: Final = 2000
"""So many sites tell how far apart in covariates two sites commonly are."""
_ROWS: Final = 512


@dataclass(frozen=True, eq=False)
class Profiles:
    """Layers of sites.

    Attributes
    ----------
    features : ndarray, shape (n, d)
        Covariates of the sites, scaled alike.
    positions : ndarray, shape (n, 3), km
    site : ndarray of int, shape (m,)
        Site of each layer.
    depth : ndarray, shape (m,), m
    """

    features: NDArray[np.float64]
    positions: NDArray[np.float64]
    site: NDArray[np.intp]
    depth: NDArray[np.float64]


class ProfileProcess:
    """Expectation of several quantities that have one covariance.

    Parameters
    ----------
    profiles : Profiles
        With at least two sites.
    values : ndarray, shape (m, k)
        The quantities at the layers.
    seed : int
        Of the shares of the sites, if there are too many for one process.
    """

    def __init__(self, profiles: Profiles, values: NDArray[np.float64], seed: int) -> None:
        n = len(profiles.features)
        order = np.random.default_rng(seed).permutation(n)
        sample = profiles.features[order[:_SAMPLE]]
        middle = float(np.median(cdist(sample, sample)))
        scale = middle if middle > 0.0 else 1.0
        parts = min(n, -(-len(values) // _MOST_LAYERS))
        share = order % parts
        low, high = log_depth(profiles.depth.min()), log_depth(profiles.depth.max())
        self._nodes = np.linspace(low, high, _NODES)
        self._parts = [
            _Part(
                _subset(profiles, share == number),
                values[share[profiles.site] == number],
                scale,
                self._nodes,
            )
            for number in range(parts)
        ]

    def expect(
        self, features: NDArray[np.float64], site: NDArray[np.intp], depth: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Expect the quantities at layers of other sites.

        Parameters
        ----------
        features : ndarray, shape (p, d)
        site : ndarray of int, shape (q,)
            Row of `features` of each layer.
        depth : ndarray, shape (q,), m

        Returns
        -------
        ndarray, shape (q, k)
        """
        by_node = np.mean([part.at_nodes(features) for part in self._parts], axis=0)
        place = np.interp(log_depth(depth), self._nodes, np.arange(_NODES))
        below = np.minimum(place.astype(np.intp), _NODES - 2)
        share = (place - below)[:, None]
        return np.asarray((1.0 - share) * by_node[site, below] + share * by_node[site, below + 1])


class _Part:
    """A process over few enough layers to solve at once, asked at the depths of `nodes`."""

    def __init__(
        self,
        profiles: Profiles,
        values: NDArray[np.float64],
        scale: float,
        nodes: NDArray[np.float64],
    ) -> None:
        self._features, self._scale = profiles.features, scale
        depth, mean = log_depth(profiles.depth), values.mean(axis=0)
        factor = cho_factor(
            _covariance(profiles, scale), lower=True, overwrite_a=True, check_finite=False
        )
        weights = cho_solve(factor, values - mean, check_finite=False)
        by_layer = _along_depth(depth, nodes)[:, :, None] * weights[:, None, :]
        self._by_site = np.zeros((len(profiles.features), *by_layer.shape[1:]))
        np.add.at(self._by_site, profiles.site, by_layer)
        self._everywhere = mean + _OF_DEPTH * _curve(nodes, depth) @ weights

    def at_nodes(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expect the quantities at the nodes of sites, shape (p, nodes, k)."""
        alike = _matern(cdist(features, self._features) / self._scale)
        flat = _OF_COVARIATES * alike @ self._by_site.reshape(len(self._by_site), -1)
        of_covariates = flat.reshape(len(features), *self._by_site.shape[1:])
        return np.asarray(self._everywhere + of_covariates)


def _covariance(profiles: Profiles, scale: float) -> NDArray[np.float64]:
    depth, positions = log_depth(profiles.depth), profiles.positions
    of_site = (
        _OF_COVARIATES * _matern(cdist(profiles.features, profiles.features) / scale)
        + _OF_PLACE * np.exp(-cdist(positions, positions) / _ALIKE_KM)
        + _OF_PROFILE * np.eye(len(positions))
    )
    covariance = np.empty((len(depth), len(depth)))
    for first in range(0, len(depth), _ROWS):
        rows = slice(first, first + _ROWS)
        between = of_site[profiles.site[rows]][:, profiles.site]
        covariance[rows] = between * _along_depth(depth[rows], depth)
        covariance[rows] += _OF_DEPTH * _curve(depth[rows], depth)
    covariance[np.diag_indices_from(covariance)] += OF_LAYER
    return covariance


def _subset(profiles: Profiles, chosen: NDArray[np.bool_]) -> Profiles:
    number = np.cumsum(chosen) - 1
    layers = chosen[profiles.site]
    return Profiles(
        profiles.features[chosen],
        profiles.positions[chosen],
        number[profiles.site[layers]],
        profiles.depth[layers],
    )


def log_depth(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale of depth (m) on which correlations are stationary."""
    return np.asarray(np.log(depth + _SHALLOWEST))


def _matern(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matern's correlation of smoothness 3/2."""
    scaled = np.sqrt(3.0) * distance
    return np.asarray((1.0 + scaled) * np.exp(-scaled))


def _curve(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation between log depths of the curve that all sites share."""
    return _matern(np.abs(one[:, None] - other) / (1.5 * _ALIKE_DEPTH))


def _along_depth(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation between log depths of the parts that differ between sites."""
    return np.asarray(
        _ALL_DEPTHS + (1.0 - _ALL_DEPTHS) * _matern(np.abs(one[:, None] - other) / _ALIKE_DEPTH)
    )
