"""How much each covariate matters for the similarity of sites, learnt from profiles.

Two sites may differ in twenty covariates unrelated to carbon and agree in the two that matter. A
Gaussian process over sites has a length scale for each covariate, fitted by the likelihood of the
level and the slope with depth of each profile (automatic relevance determination; Neal 1996,
Bayesian Learning for Neural Networks). A prior keeps the scales near each other, because a few
hundred profiles hardly constrain fifty of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, lapack
from scipy.optimize import minimize
from scipy.spatial.distance import pdist, squareform

from ctsm_socnn.network.profile_process import OF_LAYER, Profiles, log_depth

__all__ = ["ProfileLines", "relevances"]

_SPREAD: Final = 0.7
"""Prior standard deviation of the logarithm of a relevance."""
_MOST_SITES: Final = 1000
"""Of more sites a random subset of this size is used: time grows with the third power."""
_STEPS: Final = 40
"""Steps of the optimiser; the last ones hardly change any relevance."""
_WIDEST: Final = 5.0
"""Bound on the logarithm of every unknown. Beyond it covariances may be singular."""
_OF_LINE: Final = 10.0
"""Prior variance of the level and slope of a profile."""
_START: Final = ((0.5, 0.1), (0.25, 0.1))
"""Variances of level and slope: of the part explained by covariates, and of the rest."""
_CURVE: Final = 3
"""Degree of the polynomial in log depth common to all profiles."""


@dataclass(frozen=True, eq=False)
class ProfileLines:
    """A straight line in log depth for each profile, relative to the curve common to all.

    Attributes
    ----------
    values : ndarray, shape (2, n)
        Level and slope of n sites.
    variances : ndarray, shape (2, n)
        Their uncertainty, given the layers: the slope of a single layer is almost unknown.
    """

    values: NDArray[np.float64]
    variances: NDArray[np.float64]

    @classmethod
    def through(cls, profiles: Profiles, values: NDArray[np.float64]) -> ProfileLines:
        """Fit lines through the `values` of the layers, shape (m,)."""
        site, depth = profiles.site, log_depth(profiles.depth)
        n_sites = len(profiles.features)
        curve = np.vander(depth, _CURVE + 1)
        rest = values - curve @ np.linalg.lstsq(curve, values, rcond=None)[0]
        basis = np.column_stack([np.ones_like(depth), depth - depth.mean()])
        precision = np.tile(np.eye(2) / _OF_LINE, (n_sites, 1, 1))
        np.add.at(precision, site, basis[:, :, None] * basis[:, None, :] / OF_LAYER)
        moment = np.zeros((n_sites, 2))
        np.add.at(moment, site, basis * rest[:, None] / OF_LAYER)
        covariance = np.linalg.inv(precision)
        lines = np.einsum("nij,nj->in", covariance, moment)
        return cls(lines, np.einsum("nii->in", covariance))


def relevances(
    profiles: Profiles, values: NDArray[np.float64], group: NDArray[np.intp], seed: int
) -> NDArray[np.float64]:
    """Learn the factor of each feature in distances between sites.

    Parameters
    ----------
    profiles : Profiles
        With features of d columns.
    values : ndarray, shape (m,)
        At the layers, for example logarithms of carbon.
    group : ndarray of int, shape (d,)
        Features of one group, such as the classes of one covariate, share a factor.
    seed : int
        Of the random subset of sites, if there are too many.

    Returns
    -------
    ndarray, shape (d,)
        Positive factors; near 1 if the profiles do not constrain them.
    """
    features, lines = profiles.features, ProfileLines.through(profiles, values)
    n = len(features)
    some = np.sort(np.random.default_rng(seed).permutation(n)[:_MOST_SITES])
    likelihood = _Likelihood(features[some], group, lines.values[:, some], lines.variances[:, some])
    found = minimize(
        likelihood,
        likelihood.start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_WIDEST, _WIDEST)] * len(likelihood.start),
        options={"maxiter": _STEPS},
    )
    return np.asarray(np.exp(found.x[: likelihood.n_groups])[group])


class _Likelihood:
    """Negative log of likelihood times prior, and its gradient.

    The unknowns are the logarithms of the relevances and, for level and slope each, of the length
    scale and the two variances.
    """

    def __init__(
        self,
        features: NDArray[np.float64],
        group: NDArray[np.intp],
        values: NDArray[np.float64],
        variances: NDArray[np.float64],
    ) -> None:
        middle = float(np.median(pdist(features))) if len(features) > 1 else 0.0
        centred = features - features.mean(axis=0)
        self._features = centred / (middle if middle > 0.0 else 1.0)
        self._group, self._values, self._variances = group, values, variances
        self.n_groups = int(group.max()) + 1
        hyper = [[0.0, np.log(told), np.log(rest)] for told, rest in _START]
        self.start = np.concatenate([np.zeros(self.n_groups), np.ravel(hyper)])

    def __call__(self, unknown: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Value and gradient at `unknown`."""
        log_relevance = unknown[: self.n_groups]
        scaled = self._features * np.exp(log_relevance)[self._group]
        squared = squareform(pdist(scaled, "sqeuclidean"))
        loss = 0.5 * float(np.sum((log_relevance / _SPREAD) ** 2))
        gradient = np.zeros_like(unknown)
        by_distance = np.zeros_like(squared)
        for line, hyper in enumerate(unknown[self.n_groups :].reshape(2, 3)):
            part, slopes, of_squared = self._line(line, hyper, squared)
            loss += part
            by_distance += of_squared
            first = self.n_groups + 3 * line
            gradient[first : first + 3] = slopes
        # The sum over pairs of weight * (difference of a feature)^2, for each feature.
        pairs = 2.0 * (
            by_distance.sum(axis=0) @ scaled**2
            - np.einsum("ij,ij->j", scaled, by_distance @ scaled)
        )
        of_relevance = 2.0 * np.bincount(self._group, pairs, minlength=self.n_groups)
        gradient[: self.n_groups] = of_relevance + log_relevance / _SPREAD**2
        return loss, gradient

    def _line(
        self, line: int, hyper: NDArray[np.float64], squared: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Loss of levels or slopes, and its derivatives by `hyper` and by the squared distances."""
        scale, told, rest = np.exp(hyper)
        values = self._values[line]
        distance = np.sqrt(3.0 * squared) * scale
        decay = told * np.exp(-distance)
        alike = (1.0 + distance) * decay
        covariance = alike + np.diag(rest + self._variances[line])
        factor, lower = cho_factor(covariance, lower=True, check_finite=False)
        below, _ = lapack.dpotri(factor, lower=lower)
        inverse = np.tril(below) + np.tril(below, -1).T
        weights = inverse @ values
        loss = 0.5 * float(values @ weights) + float(np.log(np.diag(factor)).sum())
        by_covariance = 0.5 * (inverse - np.outer(weights, weights))
        by_squared = by_covariance * (-1.5 * scale**2 * decay)
        slopes = np.array(
            [
                2.0 * np.sum(by_squared * squared),
                np.sum(by_covariance * alike),
                rest * np.trace(by_covariance),
            ]
        )
        return loss, slopes, by_squared
