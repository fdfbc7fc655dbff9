"""Posterior prediction of the observations: modelled values, and intervals with errors.

An observation lies within an interval of probability p where its rank among replicates (modelled
values of the draws, with errors drawn from the likelihood) is in the middle p of all ranks. The same
observations have been fitted, so that a sound posterior covers them at least as often as p says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.assimilation.likelihood import Likelihood
from ctsm_socnn.model import Columns, soil_carbon

__all__ = ["INTERVALS", "modelled_observations", "predictive_coverage"]

INTERVALS: Final[Mapping[str, float]] = {"coverage_50": 0.5, "coverage_90": 0.9}
"""Variable of the posterior file -> probability of the interval."""

_REPLICATES: Final = 5
"""Errors drawn for each draw of the parameters: the ends of the intervals rest on more of them."""


def modelled_observations(
    columns: Columns, draws: NDArray[np.float64], likelihood: Likelihood
) -> NDArray[np.float64]:
    """Model the observations with each draw.

    Parameters
    ----------
    columns : Columns
    draws : ndarray, shape (site, draw, parameter), in the registry's units
    likelihood : Likelihood
        Of the same sites.

    Returns
    -------
    ndarray, shape (draw, m), gC m-3
    """
    n_sites, n_draws, n_parameters = draws.shape
    site = np.repeat(np.arange(n_sites), n_draws)
    soc = soil_carbon(columns, draws.reshape(-1, n_parameters), site, threads=1)
    by_draw = np.moveaxis(soc.reshape(n_sites, n_draws, -1), 1, 0)
    return np.array([likelihood.modelled(of_draw) for of_draw in by_draw])


def predictive_coverage(
    likelihood: Likelihood,
    modelled: NDArray[np.float64],
    generators: Sequence[np.random.Generator],
) -> dict[str, NDArray[np.float64]]:
    """Share of the observations of each site that lie within each of `INTERVALS`.

    Parameters
    ----------
    likelihood : Likelihood
    modelled : ndarray, shape (draw, m), gC m-3
        Of draws from the posterior.
    generators : sequence of Generator
        One a site.

    Returns
    -------
    dict of str to ndarray, shape (site,), 1
        NaN where a site has no observation.
    """
    operator = likelihood.operator
    replicates = likelihood.replicate(np.tile(modelled, (_REPLICATES, 1)), generators)
    below = (replicates < operator.values).sum(axis=0)
    place = (below + 0.5) / (len(replicates) + 1)
    count = np.bincount(operator.site, minlength=operator.n_sites)
    shares = {}
    for name, probability in INTERVALS.items():
        inside = np.abs(place - 0.5) < 0.5 * probability
        covered = np.bincount(operator.site, weights=inside, minlength=operator.n_sites)
        with np.errstate(invalid="ignore"):
            shares[name] = covered / count
    return shares
