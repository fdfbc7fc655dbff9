r"""Posterior of parameters shared by all profiles, under a misspecified model.

No parameter vector is true of all profiles, and costs such as ``mixed`` are not log densities. So the
cost :math:`C` is scaled to that of a negative log density by the scatter of what the cells of
the model say about it (magnitude adjustment of composite likelihoods: Pauli, Racugno and Ventura
2011; Ribatet, Cooley and Davison 2012): with :math:`H` its curvature and :math:`J` the covariance of
its gradient over clusters of sites with the same forcing,

.. math:: C/k, \quad k = \mathrm{tr}(A^{-1} J) / \mathrm{tr}(A^{-1} H), \quad A = H + k I .

A draw of the posterior is the mode with random weights of the clusters and a random centre of the
prior (weighted likelihood bootstrap: Newton and Raftery 1994; Lyddon, Holmes and Walker 2019), in
probits of the prior (`Prior.from_probit`), where the prior is standard normal:

.. math:: z = \arg\min \sum_c w_c C_c(z) / k + \tfrac12 |z - \xi|^2, \quad
   w \sim n\,\mathrm{Dirichlet}(1, \ldots, 1), \quad \xi \sim N(0, I) .

Where the cost is smooth, this is normal with the covariance of a misspecified model (Godambe 1960);
where it has kinks, draws settle at different ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import minimize

from ctsm_socnn.assimilation.prior import Prior
from ctsm_socnn.assimilation.progress import progress_bar
from ctsm_socnn.assimilation.soil_models import SoilModel
from ctsm_socnn.model import Columns
from ctsm_socnn.parameters import lower_bounds, to_physical, upper_bounds

__all__ = [
    "CostOfSoc",
    "PooledCost",
    "PooledPosterior",
    "clusters_of",
    "cost_scale",
    "curvature",
    "probit_start",
    "scatter",
]

Array = NDArray[np.float64]

CostOfSoc = Callable[[Array], tuple[Array, Array]]
"""SOC, shape (site, 20), to the share of each site in the cost, and to its gradient."""

_DIFFERENCE_STEP: Final = 0.1
_FARTHEST_START: Final = 2.5
"""Probit."""
_ROUNDS: Final = 2
_LEAST_CLUSTERS: Final = 10
"""A single-point run has one forcing for all profiles, whose scatter tells nothing."""
_ENERGY_TOLERANCE: Final = 1e-6
"""Relative; energies are about as many as there are clusters, and differences of 0.1 mean little."""


class PooledCost:
    """Cost of the profiles of many sites as a function of the parameters.

    Parameters
    ----------
    model : SoilModel
    cost_of_soc : callable
        See `CostOfSoc`.
    cluster : ndarray of int, shape (site,)
        Cluster of each site; see `clusters_of`.
    """

    def __init__(
        self, model: SoilModel, cost_of_soc: CostOfSoc, cluster: NDArray[np.int64]
    ) -> None:
        self._model = model
        self._cost_of_soc = cost_of_soc
        self._width = upper_bounds() - lower_bounds()
        self.cluster = cluster

    def of_sites(self, unit: Array) -> tuple[float, Array]:
        """Cost, and its gradient by the parameters of each site.

        Parameters
        ----------
        unit : ndarray, shape (site, parameter), 0 to 1

        Returns
        -------
        cost : float
        gradient : ndarray, shape (site, parameter)
        """
        parameters = to_physical(unit)
        value, soc_bar = self._cost_of_soc(self._model.soil_carbon(parameters))
        return float(value.sum()), self._model.vjp(parameters, soc_bar) * self._width

    def of_all(self, unit: Array, weight: Array | float = 1.0) -> tuple[float, Array]:
        """Cost, and its gradient, of one vector, shape (parameter,), at all sites.

        Parameters
        ----------
        unit : ndarray, shape (parameter,), 0 to 1
        weight : ndarray, shape (site,), 1, optional
            How much each site counts.
        """
        vector = to_physical(unit)
        soc = self._model.soil_carbon(vector[np.newaxis])
        value, soc_bar = self._cost_of_soc(soc)
        weight = np.broadcast_to(weight, self.cluster.shape)
        gradient = self._model.vjp_of_all(vector, weight[:, np.newaxis] * soc_bar)
        return float((weight * value).sum()), gradient * self._width


def clusters_of(sites: xr.Dataset) -> NDArray[np.int64]:
    """Cluster of each site: those with the same climate and carbon input, shape (site,)."""
    columns = Columns.from_sites(sites)
    climate = columns.climate.reshape(len(columns), -1)
    inputs = columns.annual_input.reshape(len(columns), -1)
    return _clusters(np.hstack([climate, inputs]))


def _clusters(forcing: Array) -> NDArray[np.int64]:
    """Group sites with the same forcing; each for itself where that makes too few groups.

    Parameters
    ----------
    forcing : ndarray, shape (site, any)
    """
    unlike, cluster = np.unique(forcing, axis=0, return_inverse=True)
    return cluster if len(unlike) >= _LEAST_CLUSTERS else np.arange(len(forcing))


def probit_start(prior: Prior, optimum: Array) -> Array:
    """Probits from which a search begins: those of an optimum on a bound lie at infinity."""
    return np.clip(prior.to_probit(optimum), -_FARTHEST_START, _FARTHEST_START)


def curvature(gradient: Callable[[Array], Array], point: Array) -> Array:
    """Hessian from central differences of a gradient, without its negative directions.

    The differences are wide: close by, each kink of the water scalar looks like a peak.

    Parameters
    ----------
    gradient : callable
        Point to gradient; both of shape (..., dimension), the leading axes independent.
    point : ndarray, shape (..., dimension)

    Returns
    -------
    ndarray, shape (..., dimension, dimension)
    """
    columns = []
    for axis in range(point.shape[-1]):
        step = _DIFFERENCE_STEP * (np.arange(point.shape[-1]) == axis)
        difference = gradient(point + step) - gradient(point - step)
        columns.append(difference / (2.0 * _DIFFERENCE_STEP))
    hessian = np.stack(columns, axis=-1)
    values, vectors = np.linalg.eigh(0.5 * (hessian + np.swapaxes(hessian, -1, -2)))
    held = np.maximum(values, 0.0)
    return np.asarray((vectors * held[..., np.newaxis, :]) @ np.swapaxes(vectors, -1, -2))


def scatter(gradient_of_sites: Array, cluster: NDArray[np.int64]) -> Array:
    """Covariance of the summed gradient over clusters, shape (parameter, parameter)."""
    n = int(cluster.max()) + 1
    of_cluster = np.zeros((n, gradient_of_sites.shape[1]))
    np.add.at(of_cluster, cluster, gradient_of_sites)
    deviation = of_cluster - of_cluster.mean(axis=0)
    return np.asarray(deviation.T @ deviation * n / max(1, n - 1))


def cost_scale(hessian: Array, covariance: Array) -> float:
    """Find the number `k` by which a cost is divided to be like a negative log density."""
    identity = np.eye(len(hessian))
    k = float(np.trace(covariance) / np.trace(hessian))
    for _ in range(20):
        both = np.linalg.solve(hessian + k * identity, np.stack([covariance, hessian]))
        k = float(np.trace(both[0]) / np.trace(both[1]))
    return k


class PooledPosterior:
    """What all profiles say of one parameter vector.

    Parameters
    ----------
    cost : PooledCost
    prior : Prior
    optimum : ndarray, shape (parameter,), 0 to 1
        Of the least cost; the search for the mode begins there.

    Attributes
    ----------
    scale : float
        What the cost is divided by.
    """

    def __init__(self, cost: PooledCost, prior: Prior, optimum: Array) -> None:
        self._cost = cost
        self._prior = prior
        self._mode = probit_start(prior, optimum)
        centre = np.zeros(optimum.size)
        for _ in range(_ROUNDS):
            hessian = curvature(self._slope, self._mode)
            self.scale = cost_scale(hessian, scatter(self._slope_of_sites(), cost.cluster))
            self._mode = self._descend(1.0, centre, np.eye(optimum.size))
        hessian = curvature(self._slope, self._mode) / self.scale + np.eye(optimum.size)
        self._axes: Array = np.linalg.inv(np.linalg.cholesky(hessian))

    def draw(self, generator: np.random.Generator, draws: int, *, progress: bool = False) -> Array:
        """Draw parameter vectors, shape (draw, parameter), 0 to 1; show how many are done."""
        cluster = self._cost.cluster
        n_clusters = int(cluster.max()) + 1
        probits = []
        with progress_bar(draws, 0, show=progress, what="draws") as bar:
            for _ in range(draws):
                weight = n_clusters * generator.dirichlet(np.ones(n_clusters))[cluster]
                centre = generator.standard_normal(self._mode.size)
                probits.append(self._descend(weight, centre, self._axes))
                bar.update()
        return self._prior.from_probit(np.array(probits))

    def _of_all(self, probit: Array, weight: Array | float = 1.0) -> tuple[float, Array]:
        unit = self._prior.from_probit(probit)
        value, gradient = self._cost.of_all(unit, weight)
        return value, gradient * self._prior.slope(probit, unit)

    def _slope(self, probit: Array) -> Array:
        return self._of_all(probit)[1]

    def _slope_of_sites(self) -> Array:
        """Gradient of each site at the mode, shape (site, parameter)."""
        unit = self._prior.from_probit(self._mode)
        everywhere = np.broadcast_to(unit, (self._cost.cluster.size, unit.size))
        _, gradient = self._cost.of_sites(everywhere)
        return gradient * self._prior.slope(self._mode, unit)

    def _descend(self, weight: Array | float, centre: Array, axes: Array) -> Array:
        """Find the mode with weighted sites and a prior around `centre`, from the one found last.

        The search goes along `axes`; those of the curvature make it short.
        """
        start = self._mode

        def energy(place: Array) -> tuple[float, Array]:
            probit = start + place @ axes
            value, gradient = self._of_all(probit, weight)
            pull = probit - centre
            slope = gradient / self.scale + pull
            return value / self.scale + 0.5 * float(pull @ pull), axes @ slope

        found = minimize(
            energy,
            np.zeros(start.size),
            jac=True,
            method="L-BFGS-B",
            tol=_ENERGY_TOLERANCE,
        )
        return np.asarray(start + found.x @ axes)
