"""Which sites an assimilation can use, and why it cannot use the others."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model import Columns
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.schemas import FORCING_DIMENSIONS, INPUT_VARIABLES

__all__ = ["MODEL_FORCING", "SiteStatus", "screen_sites"]

MODEL_FORCING: Final = tuple(name for name in FORCING_DIMENSIONS if name != "CELLSAND")
"""Forcing that the published model reads; sand has no effect in it."""

_SITES_AT_A_TIME: Final = 500


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
    FORCING_OUT_OF_RANGE = 14

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

    Raises
    ------
    KernelError
        If the forcing of every site is out of range: its unit is wrong.
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
    usable = np.flatnonzero(status == SiteStatus.CONVERGED)
    status[_out_of_range(sites, usable)] = SiteStatus.FORCING_OUT_OF_RANGE
    return status


def _out_of_range(sites: xr.Dataset, usable: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sites whose forcing the kernel refuses."""
    refused: list[int] = []
    message: KernelError | None = None
    for some in np.split(usable, range(_SITES_AT_A_TIME, usable.size, _SITES_AT_A_TIME)):
        if some.size == 0 or _refusal(sites, some) is None:
            continue
        for site in some:
            refusal = _refusal(sites, np.array([site]))
            if refusal is not None:
                refused.append(int(site))
                message = refusal
    if message is not None and len(refused) == usable.size:
        raise message
    return np.array(refused, dtype=np.int64)


def _refusal(sites: xr.Dataset, some: NDArray[np.int64]) -> KernelError | None:
    try:
        Columns.from_sites(sites.isel(site=some))
    except KernelError as error:
        return error
    return None


def _by_site(sites: xr.Dataset, name: str) -> NDArray[np.float64]:
    values = np.asarray(sites[name].values, dtype=np.float64)
    return values.reshape(values.shape[0], -1)
