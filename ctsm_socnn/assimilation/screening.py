"""Which sites an assimilation can use, and why it cannot use the others."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.schemas import FORCING_DIMENSIONS, INPUT_VARIABLES

__all__ = ["MODEL_FORCING", "SiteStatus", "screen_sites"]

MODEL_FORCING: Final = tuple(name for name in FORCING_DIMENSIONS if name != "CELLSAND")
"""Forcing that the published model reads; sand has no effect in it."""


class SiteStatus(IntEnum):
    """What became of a site; the values are those of `status` in a posterior file."""

    CONVERGED = 0
    RHAT_TOO_HIGH = 1
    TOO_FEW_EFFECTIVE_DRAWS = 2
    DIVERGENT = 3
    ABANDONED = 4
    FORCING_INCOMPLETE = 10
    NO_CARBON_INPUT = 11
    NO_DECOMPOSITION = 12
    TOO_FEW_OBSERVATIONS = 13

    @property
    def meaning(self) -> str:
        """The name as a word of `flag_meanings`."""
        return self.name.lower()


def screen_sites(
    sites: xr.Dataset, operator: ObservationOperator, fewest_observations: int
) -> NDArray[np.int8]:
    """Status of each site before anything is run.

    Parameters
    ----------
    sites : xarray.Dataset
        The sites schema.
    operator : ObservationOperator
        The observations used.
    fewest_observations : int
        A site with fewer is left out.

    Returns
    -------
    ndarray of int8, shape (site,)
        `SiteStatus.CONVERGED` (0) where the site can be used, else the reason why not.
    """
    status = np.zeros(sites.sizes["site"], dtype=np.int8)
    count = np.bincount(operator.site, minlength=status.size)
    carbon = sum(_by_site(sites, name).sum(axis=1) for name in INPUT_VARIABLES)
    moisture = _by_site(sites, "W_SCALAR") * _by_site(sites, "O_SCALAR")
    complete = np.all([np.isfinite(_by_site(sites, n)).all(axis=1) for n in MODEL_FORCING], axis=0)
    for reason, mask in (
        (SiteStatus.TOO_FEW_OBSERVATIONS, count < fewest_observations),
        (SiteStatus.NO_DECOMPOSITION, ~(moisture > 0.0).any(axis=1)),
        (SiteStatus.NO_CARBON_INPUT, ~(carbon > 0.0)),
        (SiteStatus.FORCING_INCOMPLETE, ~complete),
    ):
        status[mask] = reason
    return status


def _by_site(sites: xr.Dataset, name: str) -> NDArray[np.float64]:
    values = np.asarray(sites[name].values, dtype=np.float64)
    return values.reshape(values.shape[0], -1)
