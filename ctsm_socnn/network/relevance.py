"""How much each covariate matters for the similarity of sites, learnt from profiles.

Two sites may differ in twenty covariates that say nothing of carbon and agree in the two that do. A
Gaussian process over sites, with a scale of its own for each covariate, tells them apart by the
likelihood of what the profiles hold: the level and the slope with depth of each ("automatic
relevance determination", Neal 1996, Bayesian Learning for Neural Networks). A prior keeps the
scales near each other, because a few hundred profiles do not say much about fifty of them.
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
"""Standard deviation of the logarithm of a relevance before any profile is seen."""
_MOST_SITES: Final = 1000
"""More sites are represented by so many of them: time grows with the third power."""
_STEPS: Final = 40
"""Steps of the search. The last ones change no relevance that matters."""
_WIDEST: Final = 5.0
"""Bounds of the logarithm of anything unknown. A step of the search beyond would make covariances
that cannot be factored."""
_OF_LINE: Final = 10.0
"""Variance of level and slope of a profile before it is seen."""
_START: Final = ((0.5, 0.1), (0.25, 0.1))
"""Variances of level and slope: of the part that covariates tell, and of the rest."""
_CURVE: Final = 3
"""Degree of the polynomial in log depth that all profiles share."""


@dataclass(frozen=True, eq=False)
class ProfileLines:
    """A straight line in log depth through each profile, after the curve that all share.

    Attributes
    ----------
    values : ndarray, shape (2, n)
        Level and slope of n sites.
    variances : ndarray, shape (2, n)
        What their layers leave unknown of them: of the slope of a single layer, nearly all.
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
    """Learn by what factor each feature should count in distances between sites.

    Parameters
    ----------
    profiles : Profiles
        With features of d columns.
    values : ndarray, shape (m,)
        At the layers, such as logarithms of carbon.
    group : ndarray of int, shape (d,)
        Features of one group, such as the classes of one covariate, have one factor.
    seed : int
        Of the choice of sites, if there are too many.

    Returns
    -------
    ndarray, shape (d,)
        Positive factors; near 1 throughout where profiles say nothing.
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
    """Minus the logarithm of likelihood and prior, and its gradient.

    Unknown are the logarithms of the relevances, and of the scale of distance and the two
    variances of level and slope each.
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
        """Loss of levels or slopes, its gradient by `hyper` and by the squared distances."""
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
