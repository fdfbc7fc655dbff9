"""A Gaussian process over sites and depths, fitted to profiles.

Trees are piecewise constant in the covariates, a process is smooth; their mean predicts better than
either. A value is the sum of a depth curve common to all sites, a part common to sites with similar
covariates, one common to sites close to each other, one of the profile itself, and noise. Only the
first two are predicted elsewhere; the others ensure that ten layers of one profile, or ten profiles
in one valley, do not count as ten independent observations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

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
"""Variances of the parts. Only their ratios matter; they are near the maximum of the likelihood
for the logarithm of carbon at the north-east profiles. Scores change little within a factor of two."""
_ALIKE_KM: Final = 8.0
"""Distance at which the correlation of the spatial part has fallen to 1/e."""
_ALIKE_DEPTH: Final = 0.8
"""Correlation length in ln(depth)."""
_ALL_DEPTHS: Final = 0.25
"""Share of each part that is constant with depth."""
_SHALLOWEST: Final = 0.03
_NODES: Final = 64
"""Number of depths at which expectations are computed; in between they are interpolated."""
_MOST_LAYERS: Final = 7000
"""With more layers, several processes over random subsets of the sites are averaged: time grows with
the third power of the number of layers and memory with the second."""
_SAMPLE: Final = 2000
"""Number of sites from which the typical distance in covariate space is estimated."""
_ROWS: Final = 512


@dataclass(frozen=True, eq=False)
class Profiles:
    """Layers of sites.

    Attributes
    ----------
    features : ndarray, shape (n, d)
        Scaled covariates of the sites.
    positions : ndarray, shape (n, 3), km
    site : ndarray of int, shape (m,)
        Site of each layer.
    depth : ndarray, shape (m,), m
    """

    features: NDArray[np.float64]
    positions: NDArray[np.float64]
    site: NDArray[np.intp]
    depth: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ProfileProcess:
    """Expectation of several quantities with the same covariance.

    Made by `fit` or `from_arrays`.

    Attributes
    ----------
    nodes : ndarray, shape (nodes,)
        Depths at which expectations are computed, on the scale of `log_depth`.
    scale : float
        Typical distance between two sites in features.
    parts : tuple of Part
    """

    nodes: NDArray[np.float64]
    scale: float
    parts: tuple[Part, ...]

    @classmethod
    def fit(cls, profiles: Profiles, values: NDArray[np.float64], seed: int) -> ProfileProcess:
        """Fit a process.

        Parameters
        ----------
        profiles : Profiles
            With at least two sites.
        values : ndarray, shape (m, k)
            The quantities at the layers.
        seed : int
            Of the subsets of sites, if there are too many for one process.
        """
        n = len(profiles.features)
        order = np.random.default_rng(seed).permutation(n)
        sample = profiles.features[order[:_SAMPLE]]
        middle = float(np.median(cdist(sample, sample)))
        scale = middle if middle > 0.0 else 1.0
        count = min(n, -(-len(values) // _MOST_LAYERS))
        share = order % count
        low, high = log_depth(profiles.depth.min()), log_depth(profiles.depth.max())
        nodes = np.linspace(low, high, _NODES)
        parts = [
            Part.fit(
                _subset(profiles, share == number),
                values[share[profiles.site] == number],
                scale,
                nodes,
            )
            for number in range(count)
        ]
        return cls(nodes, scale, tuple(parts))

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """All that `from_arrays` needs to make the same process."""
        found = {"nodes": self.nodes, "scale": np.array(self.scale)}
        for number, part in enumerate(self.parts):
            found |= {f"{name}_{number}": array for name, array in part._asdict().items()}
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> ProfileProcess:
        """Make the process whose `arrays` these are."""
        count = sum(name.startswith("everywhere_") for name in arrays)
        parts = [
            Part(*(arrays[f"{name}_{number}"] for name in Part._fields)) for number in range(count)
        ]
        return cls(arrays["nodes"], float(arrays["scale"]), tuple(parts))

    def expect(
        self, features: NDArray[np.float64], site: NDArray[np.intp], depth: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Predict the quantities at layers of other sites.

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
        by_node = np.mean([part.at_nodes(features, self.scale) for part in self.parts], axis=0)
        place = np.interp(log_depth(depth), self.nodes, np.arange(_NODES))
        below = np.minimum(place.astype(np.intp), _NODES - 2)
        share = (place - below)[:, None]
        return np.asarray((1.0 - share) * by_node[site, below] + share * by_node[site, below + 1])


class Part(NamedTuple):
    """A process over few enough layers to solve at once, evaluated at the depths of the nodes.

    `features` (n, d) are those of its sites, `by_site` (n, nodes, k) is the contribution of each
    to places similar to it, and `everywhere` (nodes, k) is the depth curve.
    """

    features: NDArray[np.float64]
    by_site: NDArray[np.float64]
    everywhere: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        profiles: Profiles,
        values: NDArray[np.float64],
        scale: float,
        nodes: NDArray[np.float64],
    ) -> Part:
        """Solve for the weights of the layers."""
        depth, mean = log_depth(profiles.depth), values.mean(axis=0)
        factor = cho_factor(
            _covariance(profiles, scale), lower=True, overwrite_a=True, check_finite=False
        )
        weights = cho_solve(factor, values - mean, check_finite=False)
        by_layer = _along_depth(depth, nodes)[:, :, None] * weights[:, None, :]
        by_site = np.zeros((len(profiles.features), *by_layer.shape[1:]))
        np.add.at(by_site, profiles.site, by_layer)
        return cls(profiles.features, by_site, mean + _OF_DEPTH * _curve(nodes, depth) @ weights)

    def at_nodes(self, features: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
        """Predict the quantities at the nodes of sites, shape (p, nodes, k)."""
        alike = _matern(cdist(features, self.features) / scale)
        flat = _OF_COVARIATES * alike @ self.by_site.reshape(len(self.by_site), -1)
        of_covariates = flat.reshape(len(features), *self.by_site.shape[1:])
        return np.asarray(self.everywhere + of_covariates)


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
    """Matérn correlation of smoothness 3/2."""
    scaled = np.sqrt(3.0) * distance
    return np.asarray((1.0 + scaled) * np.exp(-scaled))


def _curve(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation between log depths of the curve common to all sites."""
    return _matern(np.abs(one[:, None] - other) / (1.5 * _ALIKE_DEPTH))


def _along_depth(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation between log depths of the parts that differ between sites."""
    return np.asarray(
        _ALL_DEPTHS + (1.0 - _ALL_DEPTHS) * _matern(np.abs(one[:, None] - other) / _ALIKE_DEPTH)
    )
