r"""What all profiles together say of shared parameters, with honest intervals.

No parameter vector is true of all profiles, and costs such as ``mixed`` are no densities. So the
cost :math:`C` is brought to the scale of a negative log density by the scatter of what the cells of
the model say about it (magnitude adjustment of composite likelihoods: Pauli, Racugno and Ventura
2011; Ribatet, Cooley and Davison 2012): with :math:`H` its curvature and :math:`J` the covariance of
its gradient over clusters of sites with the same forcing,

.. math:: C/k, \quad k = \mathrm{tr}(A^{-1} J) / \mathrm{tr}(A^{-1} H), \quad A = H + k I .

The posterior is Laplace's approximation in probits of the prior (`Prior.from_probit`), where the
prior is standard normal, with the covariance of a misspecified model (Godambe 1960):

.. math:: \Sigma = A'^{-1} B A'^{-1}, \quad A' = H/k + I, \quad B = J/k^2 + I .
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ctsm_socnn.assimilation.prior import Prior
from ctsm_socnn.model import Columns, soil_carbon, steady_state_vjp
from ctsm_socnn.parameters import lower_bounds, to_physical, upper_bounds

__all__ = [
    "CostOfSoc",
    "PooledCost",
    "PooledPosterior",
    "cost_scale",
    "curvature",
    "pooled_posterior",
    "scatter",
]

Array = NDArray[np.float64]

CostOfSoc = Callable[[Array], tuple[float, Array]]
"""SOC, shape (site, 20), to cost and its gradient."""

_COLUMNS_WORTH_THREADS: Final = 1000
"""Below, starting threads takes longer than what they save."""

_DIFFERENCE_STEP: Final = 0.1
_FARTHEST_START: Final = 2.5
"""Probit: an optimum on a bound lies at infinity."""
_ROUNDS: Final = 2


class PooledCost:
    """Cost of the profiles of many sites as a function of the parameters of each.

    Parameters
    ----------
    columns : Columns
    cost_of_soc : callable
        See `CostOfSoc`.
    """

    def __init__(self, columns: Columns, cost_of_soc: CostOfSoc) -> None:
        self._columns = columns
        self._cost_of_soc = cost_of_soc
        self._threads = 1 if len(columns) < _COLUMNS_WORTH_THREADS else None
        self._width = upper_bounds() - lower_bounds()
        climate = columns.climate.reshape(len(columns), -1)
        inputs = columns.annual_input.reshape(len(columns), -1)
        _, self.cluster = np.unique(np.hstack([climate, inputs]), axis=0, return_inverse=True)
        """Cluster of each site, shape (site,): those with the same forcing."""

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
        soc = soil_carbon(self._columns, parameters, threads=self._threads)
        value, soc_bar = self._cost_of_soc(soc)
        _, bar = steady_state_vjp(self._columns, parameters, soc_bar, threads=self._threads)
        return value, bar * self._width

    def of_all(self, unit: Array) -> tuple[float, Array]:
        """Cost, and its gradient, of one vector, shape (parameter,), at all sites."""
        value, gradient = self.of_sites(np.broadcast_to(unit, (len(self._columns), unit.size)))
        return value, gradient.sum(axis=0)


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


@dataclass(frozen=True)
class PooledPosterior:
    """Laplace's approximation of what all profiles say of one parameter vector.

    Attributes
    ----------
    draws : ndarray, shape (draw, parameter), 0 to 1
    scale : float
        What the cost was divided by.
    """

    draws: Array
    scale: float


def pooled_posterior(
    cost: PooledCost, optimum: Array, prior: Prior, generator: np.random.Generator, draws: int
) -> PooledPosterior:
    """Draw from the posterior of one parameter vector for all profiles.

    Parameters
    ----------
    cost : PooledCost
    optimum : ndarray, shape (parameter,), 0 to 1
        Of the least cost; the search for the mode begins there.
    prior : Prior
    generator : Generator
    draws : int
    """

    def of_sites(probit: Array) -> tuple[float, Array]:
        unit = prior.from_probit(probit)
        value, gradient = cost.of_sites(np.broadcast_to(unit, (cost.cluster.size, unit.size)))
        return value, gradient * prior.slope(probit, unit)

    def slope(probit: Array) -> Array:
        return np.asarray(of_sites(probit)[1].sum(axis=0))

    def energy(probit: Array) -> tuple[float, Array]:
        value, gradient = of_sites(probit)
        return value / scale + 0.5 * float(probit @ probit), gradient.sum(axis=0) / scale + probit

    mode = np.clip(prior.to_probit(optimum), -_FARTHEST_START, _FARTHEST_START)
    for _ in range(_ROUNDS):
        scale = cost_scale(curvature(slope, mode), scatter(of_sites(mode)[1], cost.cluster))
        mode = np.asarray(minimize(energy, mode, jac=True, method="L-BFGS-B").x)
    identity = np.eye(mode.size)
    bread = np.linalg.inv(curvature(slope, mode) / scale + identity)
    spread = scatter(of_sites(mode)[1], cost.cluster) / scale**2 + identity
    factor = bread @ np.linalg.cholesky(spread)
    probits = mode + generator.standard_normal((draws, mode.size)) @ factor.T
    return PooledPosterior(prior.from_probit(probits), scale)
