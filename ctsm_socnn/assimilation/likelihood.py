r"""Likelihoods: the negative log density of observations, given modelled SOC by layer.

With :math:`o_i` the observations of a profile and :math:`m_i` what the model has there:

``published``
    :math:`C = \sum_i w_i (m_i - o_i)^2 / (2 (0.6\,o_i)^2)`, where :math:`m_i` comes from pchip
    interpolation between node depths and the weights :math:`w_i \in [1, 10]` favour observations
    far from the profile's mean carbon and mean depth (PRODA, `da_cesm2_clm5_cen_vr_v2.m` 279-289).
``lognormal``
    Residuals :math:`r_i = \ln o_i - \ln m_i` are normal with covariance
    :math:`\Sigma_{ij} = \sigma_o^2 \delta_{ij} + \sigma_r^2 \exp(-|z_i - z_j| / L)`:
    an error of measurement, and one of representativeness that is shared down the profile;
    :math:`C = r^T \Sigma^{-1} r / 2`. :math:`m_i` is interpolated linearly to a depth, or the mean
    over the layers of an interval.
``student-t``
    As ``lognormal``, but the whitened residuals :math:`u = L^{-1} r` follow Student's t with
    :math:`\nu` degrees of freedom: :math:`C = \sum_i \frac{\nu+1}{2} \ln(1 + u_i^2/\nu)`, with
    :math:`L L^T = \Sigma` the Cholesky factor of the layers from the top down. A few outliers do
    not dominate the profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse

from ctsm_socnn import _kernel
from ctsm_socnn.assimilation.source_errors import errors_of_sites
from ctsm_socnn.errors import ConfigError
from ctsm_socnn.model.observation import BelowBedrock, ObservationOperator

__all__ = [
    "LIKELIHOODS",
    "PUBLISHED",
    "TINY_SOC",
    "ErrorModel",
    "Likelihood",
    "LogLikelihood",
    "PublishedLikelihood",
    "make_likelihood",
]

TINY_SOC: Final = 1e-30
"""gC m-3: modelled carbon below this is taken as this, so that its logarithm exists."""

_PUBLISHED_RELATIVE_ERROR: Final = 0.6


class Likelihood(Protocol):
    """What a fit needs of a likelihood."""

    @property
    def operator(self) -> ObservationOperator:
        """The observations used, and their linear model."""
        ...

    def costs(self, soc: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Cost of each site and its gradient by layer.

        Parameters
        ----------
        soc : ndarray, shape (site, 20), gC m-3

        Returns
        -------
        cost : ndarray, shape (site,), 1
        soc_bar : ndarray, shape (site, 20), (gC m-3)-1
        """
        ...

    def modelled(self, soc: NDArray[np.float64]) -> NDArray[np.float64]:
        """Modelled values of the observations, shape (m,), gC m-3."""
        ...

    def replicate(
        self, modelled: NDArray[np.float64], generators: Sequence[np.random.Generator]
    ) -> NDArray[np.float64]:
        """Observations as they might have been: modelled values with errors drawn anew.

        Parameters
        ----------
        modelled : ndarray, shape (draw, m), gC m-3
        generators : sequence of Generator
            One a site, so that what a site draws does not depend on its company.

        Returns
        -------
        ndarray, shape (draw, m), gC m-3
        """
        ...


@dataclass(frozen=True)
class ErrorModel:
    """Errors of the log-residuals.

    Attributes
    ----------
    observation_sd : float, 1
        Standard error of ln(observation) where the dataset has no `soc_sd`.
    representativeness_sd : float, 1
        Standard deviation of what makes a profile differ from its grid cell, in ln(SOC).
    correlation_length : float, m
        Depth over which that difference decorrelates.
    degrees_of_freedom : float
        Of Student's t; infinite for the log-normal.
    """

    observation_sd: float = 0.25
    representativeness_sd: float = 0.35
    correlation_length: float = 0.3
    degrees_of_freedom: float = np.inf


class PublishedLikelihood:
    """The cost of the published assimilation."""

    def __init__(self, operator: ObservationOperator) -> None:
        self._operator = operator
        self._first = 1 + operator.first  # as Fortran counts
        self._weights: NDArray[np.float64] = _kernel.published_weights(
            self._first, operator.depth, operator.values
        )

    @property
    def operator(self) -> ObservationOperator:
        """The observations used; their depths are those of pchip interpolation."""
        return self._operator

    @property
    def weights(self) -> NDArray[np.float64]:
        """Weight of each observation, shape (m,), 1 to 10."""
        return self._weights

    def costs(self, soc: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Cost of each site and its gradient by layer; see `Likelihood.costs`."""
        cost, _, soc_bar = self._evaluate(soc)
        return cost, soc_bar

    def modelled(self, soc: NDArray[np.float64]) -> NDArray[np.float64]:
        """Modelled values of the observations by pchip, shape (m,), gC m-3."""
        return self._evaluate(soc)[1]

    def replicate(
        self, modelled: NDArray[np.float64], generators: Sequence[np.random.Generator]
    ) -> NDArray[np.float64]:
        """Observations with normal errors as the cost has them; see `Likelihood.replicate`."""
        deviates = _deviates(self._operator, generators, len(modelled), np.inf)
        sd = _PUBLISHED_RELATIVE_ERROR * self._operator.values / np.sqrt(self._weights)
        return modelled + sd * deviates

    def _evaluate(
        self, soc: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        cost, modelled, soc_bar = _kernel.published_costs(
            soc.T, self._first, self._operator.depth, self._operator.values, self._weights
        )
        return cost, modelled, soc_bar.T


class LogLikelihood:
    """Log-normal or Student-t errors, correlated down the profile."""

    def __init__(
        self,
        operator: ObservationOperator,
        sd: NDArray[np.float64],
        errors: Sequence[ErrorModel],
    ) -> None:
        self._operator = operator
        self._log_values = np.log(operator.values)
        self._factor = _error_factor(operator, sd, errors)
        self._whitening = _inverse_of_blocks(self._factor, operator)
        self._degrees_of_freedom = errors[0].degrees_of_freedom

    @property
    def operator(self) -> ObservationOperator:
        """The observations used, and their linear model."""
        return self._operator

    @property
    def whitening(self) -> sparse.csr_array:
        """Inverse of the factors of the error covariances, one block per site, shape (m, m)."""
        return self._whitening

    @property
    def degrees_of_freedom(self) -> float:
        """Of Student's t; infinite for the log-normal."""
        return self._degrees_of_freedom

    def costs(self, soc: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Cost of each site and its gradient by layer; see `Likelihood.costs`."""
        modelled = np.maximum(self._operator.apply(soc), TINY_SOC)
        whitened = self._whitening @ (self._log_values - np.log(modelled))
        terms, slopes = self._terms(whitened)
        cost = np.zeros(self._operator.n_sites)
        np.add.at(cost, self._operator.site, terms)
        modelled_bar = -(self._whitening.T @ slopes) / modelled
        return cost, self._operator.adjoint(modelled_bar)

    def modelled(self, soc: NDArray[np.float64]) -> NDArray[np.float64]:
        """Modelled values of the observations, shape (m,), gC m-3."""
        return self._operator.apply(soc)

    def replicate(
        self, modelled: NDArray[np.float64], generators: Sequence[np.random.Generator]
    ) -> NDArray[np.float64]:
        """Observations with errors of ln(SOC), correlated down the profile.

        See `Likelihood.replicate`.
        """
        deviates = _deviates(self._operator, generators, len(modelled), self._degrees_of_freedom)
        return np.asarray(modelled * np.exp((self._factor @ deviates.T).T))

    def _terms(
        self, whitened: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Cost of each whitened residual and its derivative."""
        freedom = self._degrees_of_freedom
        if np.isinf(freedom):
            return 0.5 * whitened**2, whitened
        half = 0.5 * (freedom + 1.0)
        terms = half * np.log1p(whitened**2 / freedom)
        return terms, 2.0 * half * whitened / (freedom + whitened**2)


PUBLISHED: Final = "published"

_ERROR_MODELS: Final[Mapping[str, ErrorModel]] = {
    "lognormal": ErrorModel(),
    "student-t": ErrorModel(degrees_of_freedom=4.0),
}

LIKELIHOODS: Final = (PUBLISHED, *_ERROR_MODELS)
"""Names that `make_likelihood` knows."""


def make_likelihood(
    sites: xr.Dataset, name: str, below_bedrock: BelowBedrock = "deepest"
) -> Likelihood:
    """Likelihood of the observations of a sites dataset.

    Parameters
    ----------
    sites : xarray.Dataset
        The sites schema; each of `ERROR_VARIABLES` of `source_errors` that is present replaces the
        usual error of a site.
    name : str
        One of `LIKELIHOODS`.
    below_bedrock : {"deepest", "drop"}
        See `ObservationOperator.from_sites`. The published cost interpolates through bedrock.

    Raises
    ------
    ConfigError
        If there is no likelihood of that name.
    ProfileError
        If an error of a site is not above 0.
    """
    if name not in LIKELIHOODS:
        raise ConfigError(f"unknown likelihood {name!r}; choose from {', '.join(LIKELIHOODS)}")
    operator = ObservationOperator.from_sites(sites, below_bedrock)
    if name == PUBLISHED:
        return PublishedLikelihood(operator)
    usual = _ERROR_MODELS[name]
    return LogLikelihood(operator, _relative_sd(sites, operator), _errors_of_sites(sites, usual))


def _errors_of_sites(sites: xr.Dataset, usual: ErrorModel) -> list[ErrorModel]:
    """Errors of each site: its own where the dataset has them."""
    own = errors_of_sites(sites)
    return [
        replace(usual, **{f: float(v[i]) for f, v in own.items() if np.isfinite(v[i])})
        for i in range(sites.sizes["site"])
    ]


def _relative_sd(sites: xr.Dataset, operator: ObservationOperator) -> NDArray[np.float64]:
    """Give the standard error of ln(observation), shape (m,); NaN where the dataset does not say."""
    if "soc_sd" not in sites:
        return np.full(operator.values.size, np.nan)
    sd = np.asarray(sites["soc_sd"].values, dtype=np.float64)[operator.site, operator.obs]
    relative = np.where(sd > 0.0, sd / operator.values, np.nan)
    return np.asarray(np.sqrt(np.log1p(relative**2)))


def _error_factor(
    operator: ObservationOperator,
    sd: NDArray[np.float64],
    errors: Sequence[ErrorModel],
) -> sparse.csr_array:
    """Cholesky factors of the error covariances, one block per site, shape (m, m).

    From the top down, at one depth from the poorest on, whatever the order of the rows: Student's t
    depends on which comes first.
    """
    blocks = []
    for here, its in zip(operator.of_each_site, errors, strict=True):
        depth = operator.depth[here]
        distance = np.abs(depth[:, np.newaxis] - depth) / its.correlation_length
        covariance = its.representativeness_sd**2 * np.exp(-distance)
        variance = np.where(np.isfinite(sd[here]), sd[here], its.observation_sd) ** 2
        order = np.lexsort((operator.values[here], depth))
        down = np.ix_(order, order)
        factor = np.empty_like(covariance)
        factor[down] = np.linalg.cholesky((covariance + np.diag(variance))[down])
        blocks.append(factor)
    return sparse.csr_array(sparse.block_diag(blocks, format="csr"))


def _inverse_of_blocks(factor: sparse.csr_array, operator: ObservationOperator) -> sparse.csr_array:
    blocks = [np.linalg.inv(factor[here, here].toarray()) for here in operator.of_each_site]
    return sparse.csr_array(sparse.block_diag(blocks, format="csr"))


def _deviates(
    operator: ObservationOperator,
    generators: Sequence[np.random.Generator],
    draws: int,
    freedom: float,
) -> NDArray[np.float64]:
    """Draw standard normal deviates, or Student's t, shape (draw, m)."""
    parts = []
    for here, generator in zip(operator.of_each_site, generators, strict=True):
        shape = (draws, here.stop - here.start)
        normal = np.isinf(freedom)
        parts.append(
            generator.standard_normal(shape) if normal else generator.standard_t(freedom, shape)
        )
    return np.concatenate(parts, axis=1)
