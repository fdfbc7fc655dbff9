"""The posterior of one site, as flat arrays for the compiled samplers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.assimilation.likelihood import Likelihood, LogLikelihood, PublishedLikelihood
from ctsm_socnn.assimilation.prior import UNIFORM_PRIOR, Prior
from ctsm_socnn.model import Columns
from ctsm_socnn.parameters import lower_bounds, upper_bounds
from ctsm_socnn.schemas import N_LAYERS

__all__ = ["SiteProblem", "site_problems"]

_FORM_PUBLISHED: Final = 0
_FORM_LOG: Final = 1


@dataclass(frozen=True)
class SiteProblem:
    """Forcing and observations of a site, in the order of the Fortran arguments.

    Attributes
    ----------
    climate, exchange, annual_input : ndarray
        Records of the column (`ctsm_socnn.model.Columns`), axes reversed for Fortran.
    form : int
        0 for the published likelihood, 1 for errors of ln(SOC).
    depth, observed, weights : ndarray, shape (obs,), m, gC m-3, 1
    layers : ndarray, shape (20, obs), 1
        Weights of the layers in each observation.
    whitening : ndarray, shape (obs, obs), 1
        Inverse of the factor of the error covariance.
    degrees_of_freedom : float
        Of Student's t; 0 for the normal.
    prior : Prior
    """

    climate: NDArray[np.float64]
    exchange: NDArray[np.float64]
    annual_input: NDArray[np.float64]
    form: int
    depth: NDArray[np.float64]
    observed: NDArray[np.float64]
    weights: NDArray[np.float64]
    layers: NDArray[np.float64]
    whitening: NDArray[np.float64]
    degrees_of_freedom: float
    prior: Prior = UNIFORM_PRIOR

    @property
    def column(self) -> tuple[object, ...]:
        """Arguments that describe the forcing."""
        return self.climate, self.exchange, self.annual_input

    @property
    def parameters(self) -> tuple[object, ...]:
        """Arguments that say where the parameters may lie."""
        return lower_bounds(), upper_bounds(), self.prior.compiled

    @property
    def profile(self) -> tuple[object, ...]:
        """Arguments that describe the observations and their errors."""
        return (
            self.form,
            self.depth,
            self.observed,
            self.weights,
            self.layers,
            self.whitening,
            self.degrees_of_freedom,
        )


def site_problems(
    sites: xr.Dataset, likelihood: Likelihood, prior: Prior = UNIFORM_PRIOR
) -> Iterator[SiteProblem]:
    """Problems of all sites of a dataset, in order.

    Parameters
    ----------
    sites : xarray.Dataset
        The sites schema; every site can be run (see `screen_sites`).
    likelihood : Likelihood
        Of the same dataset.
    prior : Prior

    Raises
    ------
    KernelError
        If the forcing of a site is outside the kernel's domain.
    """
    columns = Columns.from_sites(sites)
    operator = likelihood.operator
    for site, here in enumerate(operator.of_each_site):
        layers = operator.matrix[here, site * N_LAYERS : (site + 1) * N_LAYERS].toarray()
        form, weights, whitening, freedom = _errors(likelihood, here)
        yield SiteProblem(
            climate=columns.climate[site].T,
            exchange=columns.exchange[site].T,
            annual_input=columns.annual_input[site],
            form=form,
            depth=operator.depth[here],
            observed=operator.values[here],
            weights=weights,
            layers=layers.T,
            whitening=whitening,
            degrees_of_freedom=freedom,
            prior=prior,
        )


def _errors(
    likelihood: Likelihood, here: slice
) -> tuple[int, NDArray[np.float64], NDArray[np.float64], float]:
    """Form, weights, whitening and degrees of freedom; those that the form does not read are 1."""
    n = here.stop - here.start
    if isinstance(likelihood, PublishedLikelihood):
        return _FORM_PUBLISHED, likelihood.weights[here], np.eye(n), 0.0
    if isinstance(likelihood, LogLikelihood):
        freedom = likelihood.degrees_of_freedom
        whitening = likelihood.whitening[here, here].toarray()
        return _FORM_LOG, np.ones(n), whitening, freedom if np.isfinite(freedom) else 0.0
    raise TypeError(f"{type(likelihood).__name__} has no compiled form")
