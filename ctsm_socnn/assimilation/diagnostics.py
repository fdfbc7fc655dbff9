"""What chains say of the posterior, and whether they can be believed.

Convergence is judged by `arviz-stats`: rank-normalised R-hat, bulk and tail effective sample size
(Vehtari et al. 2021, doi:10.1214/20-BA1221).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray

from ctsm_socnn.assimilation.screening import SiteStatus
from ctsm_socnn.parameters import PARAMETER_NAMES

__all__ = ["QUANTILES", "Convergence", "Limits", "convergence", "identifiable_parameters"]

QUANTILES: Final = (0.025, 0.25, 0.5, 0.75, 0.975)

_DEEPEST_CRYOTURBATED_THAW: Final = 2.0
_TAIL: Final = (0.05, 0.95)


@dataclass(frozen=True)
class Limits:
    """What a site must meet to count as converged.

    Attributes
    ----------
    rhat : float
        Largest R-hat of an identifiable parameter.
    ess : float
        Smallest bulk effective sample size of an identifiable parameter.
    divergent : float
        Largest share of divergent transitions.
    """

    rhat: float = 1.05
    ess: float = 100.0
    divergent: float = 0.02


@dataclass(frozen=True)
class Convergence:
    """R-hat and effective sample sizes of each parameter, shape (parameter,)."""

    rhat: NDArray[np.float64]
    ess_bulk: NDArray[np.float64]
    ess_tail: NDArray[np.float64]

    def status(
        self, identifiable: NDArray[np.bool_], divergent: float, limits: Limits
    ) -> SiteStatus:
        """Judge a site by its identifiable parameters.

        Parameters
        ----------
        identifiable : ndarray of bool, shape (parameter,)
        divergent : float
            Share of divergent transitions.
        limits : Limits
        """
        if not (self.rhat[identifiable] <= limits.rhat).all():
            return SiteStatus.RHAT_TOO_HIGH
        if not (self.ess_bulk[identifiable] >= limits.ess).all():
            return SiteStatus.TOO_FEW_EFFECTIVE_DRAWS
        if divergent > limits.divergent:
            return SiteStatus.DIVERGENT
        return SiteStatus.CONVERGED


def convergence(draws: NDArray[np.float64]) -> Convergence:
    """Diagnose chains.

    Parameters
    ----------
    draws : ndarray, shape (parameter, chain, draw)
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return Convergence(
            rhat=np.asarray(array_stats.rhat(draws)),
            ess_bulk=np.asarray(array_stats.ess(draws, method="bulk")),
            ess_tail=np.asarray(array_stats.ess(draws, method="tail", prob=_TAIL)),
        )


def identifiable_parameters(sites: xr.Dataset) -> NDArray[np.bool_]:
    """Which parameters the steady state of a site depends on at all.

    The turnover time of coarse woody debris drops out at steady state. Bioturbation acts only in
    months whose active layer is deeper than 2 m, cryoturbation only in those where it is between 0
    and 2 m. Where all input enters the top layer (a month without thaw last year), beta has no
    effect.

    Parameters
    ----------
    sites : xarray.Dataset
        The sites schema.

    Returns
    -------
    ndarray of bool, shape (site, parameter)
    """
    thaw_last_year = np.asarray(sites["ALTMAX_LASTYEAR"].values)
    thaw = np.maximum(np.asarray(sites["ALTMAX"].values), thaw_last_year)
    deep = thaw > _DEEPEST_CRYOTURBATED_THAW
    acts = {
        "tau_cwd": np.zeros(thaw.shape[0], dtype=bool),
        "diffus": deep.any(axis=1),
        "cryo": ((thaw > 0.0) & ~deep).any(axis=1),
        "beta": (thaw_last_year > 0.0).all(axis=1),
    }
    identifiable = np.ones((thaw.shape[0], len(PARAMETER_NAMES)), dtype=bool)
    for name, mask in acts.items():
        identifiable[:, PARAMETER_NAMES.index(name)] = mask
    return identifiable
