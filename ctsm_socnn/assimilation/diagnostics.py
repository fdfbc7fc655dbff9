"""Convergence diagnostics of chains.

Convergence is judged by `arviz-stats`: rank-normalised R-hat, bulk and tail effective sample size
(Vehtari et al. 2021, doi:10.1214/20-BA1221). Ranks are taken here, of all parameters at once: R-hat
and bulk size share them, and `arviz-stats` would rank each parameter three times by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray
from scipy.special import ndtri

from ctsm_socnn.assimilation.screening import SiteStatus
from ctsm_socnn.parameters import PARAMETER_NAMES

__all__ = [
    "NOT_CHAINS",
    "QUANTILES",
    "Convergence",
    "Limits",
    "convergence",
    "identifiable_parameters",
]

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


NOT_CHAINS: Final = Convergence(*(np.full(len(PARAMETER_NAMES), np.nan) for _ in range(3)))
"""Of independent draws, of which there is nothing to diagnose."""


def convergence(draws: NDArray[np.float64]) -> Convergence:
    """Diagnose chains; equal to `rhat`, `ess` (bulk) and `ess` (tail) of `arviz-stats`.

    Parameters
    ----------
    draws : ndarray, shape (parameter, chain, draw)
    """
    halves = _half_chains(draws)
    bulk = _normal_scores(halves)
    spread = _normal_scores(np.abs(halves - np.median(halves, axis=(1, 2), keepdims=True)))
    quantiles = np.quantile(draws, _TAIL, axis=(1, 2), keepdims=True)
    tails = [_half_chains((draws <= quantile).astype(np.float64)) for quantile in quantiles]
    with np.errstate(invalid="ignore", divide="ignore"):
        return Convergence(
            rhat=np.maximum(*(array_stats.rhat(z, method="identity") for z in (bulk, spread))),
            ess_bulk=np.asarray(array_stats.ess(bulk, method="identity")),
            ess_tail=np.minimum(*(array_stats.ess(tail, method="identity") for tail in tails)),
        )


def _half_chains(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each chain as two, so that a trend within it shows; shape (parameter, 2 chain, draw / 2)."""
    half = draws.shape[2] // 2
    return np.concatenate([draws[:, :, :half], draws[:, :, -half:]], axis=1)


def _normal_scores(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace draws by normal quantiles of their ranks among all draws of their parameter."""
    pooled = draws.reshape(draws.shape[0], -1)
    size = pooled.shape[1]
    order = np.argsort(pooled, axis=1)
    ordered = np.take_along_axis(pooled, order, axis=1)
    is_new = np.ones(pooled.shape, dtype=bool)
    is_new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    # Equal draws, as of a chain that stands still, share the mean of their ranks.
    first = np.flatnonzero(is_new)
    count = np.diff(first, append=pooled.size)
    ranks = np.empty_like(pooled)
    shared = np.repeat(first % size + 0.5 * (count + 1), count)
    np.put_along_axis(ranks, order, shared.reshape(pooled.shape), axis=1)
    return np.asarray(ndtri((ranks - 0.375) / (size + 0.25))).reshape(draws.shape)


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
