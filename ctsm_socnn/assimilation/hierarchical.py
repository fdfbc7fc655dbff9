r"""Hierarchical assimilation: one parameter vector per class of sites, shrunk towards a common one.

Between one batch and site by site: sites are grouped by a covariate (biome, climate, soil order). In
probits, in which the prior is standard normal (`Prior.from_probit`), class :math:`c` has

.. math:: z_c = z_0 + \tau \circ \epsilon_c, \quad z_0, \epsilon_c \sim N(0, I),

and the least of :math:`C(z)/k + |z_0|^2/2 + \sum_c |\epsilon_c|^2/2` is sought, with the cost and its
scale :math:`k` of one batch (`ctsm_socnn.assimilation.pooled`). How much each parameter may differ
between classes, :math:`\tau_j`, is learnt from the data (empirical Bayes, by expectation and
maximisation): :math:`\tau_j^2` is the mean over classes of :math:`(z_c - z_0)_j^2` plus its variance.
A class with little data stays close to the common vector; an unseen class gets it exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import minimize

from ctsm_socnn.assimilation.one_batch import fit_pooled
from ctsm_socnn.assimilation.one_thread import on_one_thread
from ctsm_socnn.assimilation.pooled import PooledCost, curvature, probit_start
from ctsm_socnn.assimilation.prior import UNIFORM_PRIOR, Prior
from ctsm_socnn.errors import AssimilationError, ConfigError
from ctsm_socnn.model.observation import BelowBedrock
from ctsm_socnn.parameters import PARAMETER_NAMES, TurnoverConvention, to_physical
from ctsm_socnn.provenance import provenance_attributes

__all__ = ["class_labels", "hierarchical", "parameters_by_class"]

Array = NDArray[np.float64]

_WHOLE: Final = -1
"""Place of a site whose class is missing."""
_FIRST_SPREAD: Final = 0.5
_LEAST_SPREAD: Final = 0.02
_ROUNDS: Final = 8
_ITERATIONS: Final = 150


@on_one_thread
def hierarchical(
    sites: xr.Dataset,
    by: str,
    *,
    cost: str = "mixed",
    starts: int = 8,
    seed: int = 0,
    below_bedrock: BelowBedrock = "deepest",
    prior: Prior = UNIFORM_PRIOR,
) -> xr.Dataset:
    """Fit one parameter vector to each class of sites, shrunk to that of the whole.

    Parameters
    ----------
    sites : xarray.Dataset
        The sites schema.
    by : str
        Variable (site) whose values are the classes; a site without a value counts for the whole.
    cost, starts, seed, below_bedrock, prior
        As `ctsm_socnn.assimilation.one_batch`, from whose result the search begins.

    Returns
    -------
    xarray.Dataset
        `parameters` (parameter) of the whole, `class_parameters` (class, parameter), in the
        registry's units; `class_spread` (parameter), the spread between classes in probits;
        `class_sites` (class), how many sites each had. Coordinate `class` holds the values of `by`.

    Raises
    ------
    AssimilationError
        If no site can be used, or there is only one class.
    ConfigError
        If there is no such cost, or no such variable.
    """
    labels = class_labels(sites, by)
    fit = fit_pooled(sites, "hierarchical", cost, starts, seed, below_bedrock, prior)
    known = np.unique(labels[fit.used][labels[fit.used] != ""])
    if known.size < 2:
        raise AssimilationError(
            f"hierarchical: {by} has {known.size} class among the {fit.used.size} usable sites; "
            "it takes two, or use one-batch"
        )
    place = _places(labels[fit.used], known)
    problem = _Problem(fit.cost, prior, place, known.size, fit.posterior.scale)
    whole, classes, spread = _fit(problem, probit_start(prior, fit.parameters))
    return xr.Dataset(
        {
            "parameters": (
                ("parameter",),
                to_physical(prior.from_probit(whole)),
                {"long_name": "parameters of the whole, in the registry's units"},
            ),
            "class_parameters": (
                ("class", "parameter"),
                to_physical(prior.from_probit(classes)),
                {"long_name": "parameters of each class, in the registry's units"},
            ),
            "class_spread": (
                ("parameter",),
                spread,
                {"long_name": "standard deviation between classes, in probits of the prior"},
            ),
            "class_sites": (("class",), np.bincount(place[place >= 0], minlength=known.size)),
        },
        coords={"parameter": list(PARAMETER_NAMES), "class": known.tolist()},
        attrs={
            **provenance_attributes(seed=seed),
            "title": "parameters by class of sites, shrunk to those of the whole",
            "by": by,
            "cost": cost,
            "cost_scale": fit.posterior.scale,
            "prior": prior.description(),
            "sites": f"{fit.used.size} of {sites.sizes['site']} used",
            "turnover_time_convention": str(TurnoverConvention.UNNORMALISED),
        },
    )


def parameters_by_class(fitted: xr.Dataset, sites: xr.Dataset) -> Array:
    """Parameters of sites by their class; those of the whole where the class was not seen.

    Parameters
    ----------
    fitted : xarray.Dataset
        Result of `hierarchical`.
    sites : xarray.Dataset
        With the variable that the classes come from.

    Returns
    -------
    ndarray, shape (site, parameter), in the registry's units

    Raises
    ------
    ConfigError
        If the sites lack that variable.
    """
    known = fitted["class"].values.astype(str)
    place = _places(class_labels(sites, str(fitted.attrs["by"])), known)
    of_class = fitted["class_parameters"].values[place]
    return np.where(place[:, np.newaxis] == _WHOLE, fitted["parameters"].values, of_class)


def class_labels(sites: xr.Dataset, by: str) -> NDArray[np.str_]:
    """Class of each site as text, empty where it is missing, shape (site,).

    Parameters
    ----------
    sites : xarray.Dataset
    by : str
        Variable (site) whose values are the classes.

    Raises
    ------
    ConfigError
        If the sites lack that variable.
    """
    if by not in sites or sites[by].dims != ("site",):
        one_value = [str(n) for n in sites.data_vars if sites[n].dims == ("site",)]
        raise ConfigError(
            f"hierarchical: the sites have no variable {by!r} with one value per site; "
            f"choose from {', '.join(one_value)}"
        )
    values = sites[by].values
    if np.issubdtype(values.dtype, np.number):
        # The shortest text that tells the value from all others: codes of soils have many digits.
        return np.array(
            [np.format_float_positional(v, trim="-") if np.isfinite(v) else "" for v in values]
        )
    return values.astype(str)


def _places(labels: NDArray[np.str_], known: NDArray[np.str_]) -> NDArray[np.int64]:
    order = np.clip(np.searchsorted(known, labels), 0, known.size - 1)
    return np.where(known[order] == labels, order, _WHOLE)


@dataclass(frozen=True)
class _Problem:
    """Cost of the whole and of the classes; the last row of probits is the whole."""

    cost: PooledCost
    prior: Prior
    place: NDArray[np.int64]
    n_classes: int
    scale: float

    def of_rows(self, probit: Array) -> tuple[float, Array]:
        """Scaled cost and its gradient, of probits of shape (class + 1, parameter)."""
        unit = self.prior.from_probit(probit)
        value, by_site = self.cost.of_sites(unit[self.place])
        gradient = np.zeros_like(probit)
        np.add.at(gradient, self.place, by_site)
        return value / self.scale, gradient * self.prior.slope(probit, unit) / self.scale

    def energy(self, variables: Array, spread: Array) -> tuple[float, Array]:
        """Negative log density of the whole and of the standardised deviations of the classes."""
        deviation, whole = np.split(variables.reshape(self.n_classes + 1, -1), [self.n_classes])
        value, gradient = self.of_rows(np.vstack([whole + spread * deviation, whole]))
        of_whole = gradient.sum(axis=0, keepdims=True)
        slope = np.vstack([spread * gradient[:-1], of_whole]).ravel() + variables
        return value + 0.5 * float(variables @ variables), slope


def _fit(problem: _Problem, start: Array) -> tuple[Array, Array, Array]:
    """Probits of the whole and of the classes, and the spread between them."""
    variables = np.zeros((problem.n_classes + 1, start.size))
    variables[-1] = start
    spread = np.full(start.size, _FIRST_SPREAD)
    for _ in range(_ROUNDS):
        found = minimize(
            problem.energy,
            variables.ravel(),
            args=(spread,),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _ITERATIONS, "maxcor": 20},
        )
        variables = found.x.reshape(variables.shape)
        deviation, whole = spread * variables[:-1], variables[-1]
        classes = whole + deviation
        rows = np.vstack([classes, whole])
        hessian = curvature(lambda probit: problem.of_rows(probit)[1], rows)[:-1]
        variance = np.linalg.inv(hessian + np.diag(spread**-2.0))
        variance_by_class = np.diagonal(variance, axis1=1, axis2=2)
        spread = np.sqrt((deviation**2 + variance_by_class).mean(axis=0))
        spread = np.maximum(spread, _LEAST_SPREAD)
        variables[:-1] = deviation / spread
    return whole, classes, spread
