"""Which sites an assimilation can use, and why it cannot use the others."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.assimilation.source_errors import ERROR_VARIABLES, errors_of_sites
from ctsm_socnn.errors import KernelError, ProfileError
from ctsm_socnn.model import Columns
from ctsm_socnn.model.observation import BelowBedrock, ObservationOperator
from ctsm_socnn.schemas import INPUT_VARIABLES, MODEL_FORCING, without_forcing

__all__ = [
    "READ_VARIABLES",
    "SITES_AT_A_TIME",
    "SiteStatus",
    "screen_sites",
    "site_slices",
]


READ_VARIABLES: Final = (
    *MODEL_FORCING,
    "soc",
    "soc_depth",
    "soc_top",
    "soc_bottom",
    "soc_sd",
    "soc_flag",
    *ERROR_VARIABLES.values(),
)
"""All of a sites file that decides the result of a site."""

SITES_AT_A_TIME: Final = 512
"""A multiple of the sites of a block."""


class SiteStatus(IntEnum):
    """What became of a site; the values are those of `status` in a posterior file."""

    CONVERGED = 0
    RHAT_TOO_HIGH = 1
    TOO_FEW_EFFECTIVE_DRAWS = 2
    DIVERGENT = 3
    ABANDONED = 4
    MODE_NOT_FOUND = 5
    FORCING_INCOMPLETE = 10
    NO_CARBON_INPUT = 11
    NO_DECOMPOSITION = 12
    TOO_FEW_OBSERVATIONS = 13
    FORCING_OUT_OF_RANGE = 14

    @property
    def meaning(self) -> str:
        """The name as a word of `flag_meanings`."""
        return self.name.lower()


def site_slices(count: int) -> Iterator[slice]:
    """Places of sites that are read at a time: how many there are in all does not cost memory."""
    return (slice(start, start + SITES_AT_A_TIME) for start in range(0, count, SITES_AT_A_TIME))


def screen_sites(
    sites: xr.Dataset, below_bedrock: BelowBedrock, fewest_observations: int
) -> NDArray[np.int8]:
    """Status of each site before anything is run.

    Parameters
    ----------
    sites : xarray.Dataset
        The sites schema; may be open and not loaded.
    below_bedrock : {"deepest", "drop"}
        See `ObservationOperator.from_sites`.
    fewest_observations : int
        A site with fewer is left out.

    Returns
    -------
    ndarray of int8, shape (site,)
        `SiteStatus.CONVERGED` (0) where the site can be used, else the reason why not.

    Raises
    ------
    KernelError
        If no site can be used and the kernel refuses some: the unit of their forcing is wrong.
    ProfileError
        If there are no sites, or an error of a site is not above 0.
    """
    if sites.sizes["site"] == 0:
        raise ProfileError("the sites file has no sites; see why its profiles were left out")
    errors_of_sites(sites)
    status = np.empty(sites.sizes["site"], dtype=np.int8)
    message: KernelError | None = None
    names = [name for name in READ_VARIABLES if name in sites]
    for places in site_slices(status.size):
        some = sites[names].isel(site=places).load()
        found = _incomplete(some, below_bedrock, fewest_observations)
        refusals = _refusals(some, np.flatnonzero(found == SiteStatus.CONVERGED))
        found[list(refusals)] = SiteStatus.FORCING_OUT_OF_RANGE
        message = next(iter(refusals.values()), message)
        status[places] = found
    if message is not None and not (status == SiteStatus.CONVERGED).any():
        raise message
    return status


def _incomplete(
    sites: xr.Dataset, below_bedrock: BelowBedrock, fewest_observations: int
) -> NDArray[np.int8]:
    """Status by what can be seen without the kernel."""
    status = np.zeros(sites.sizes["site"], dtype=np.int8)
    observed = ObservationOperator.from_sites(sites, below_bedrock).site
    count = np.bincount(observed, minlength=status.size)
    carbon = sum(_by_site(sites, name).sum(axis=1) for name in INPUT_VARIABLES)
    moisture = _by_site(sites, "W_SCALAR") * _by_site(sites, "O_SCALAR")
    for reason, mask in (
        (SiteStatus.TOO_FEW_OBSERVATIONS, count < fewest_observations),
        (SiteStatus.NO_DECOMPOSITION, ~(moisture > 0.0).any(axis=1)),
        (SiteStatus.NO_CARBON_INPUT, ~(carbon > 0.0)),
        (SiteStatus.FORCING_INCOMPLETE, without_forcing(sites)),
    ):
        status[mask] = reason
    return status


def _refusals(sites: xr.Dataset, usable: NDArray[np.int64]) -> dict[int, KernelError]:
    """Sites whose forcing the kernel refuses, and what it says."""
    if usable.size == 0 or _refusal(sites, usable) is None:
        return {}
    each = {int(site): _refusal(sites, np.array([site])) for site in usable}
    return {site: error for site, error in each.items() if error is not None}


def _refusal(sites: xr.Dataset, some: NDArray[np.int64]) -> KernelError | None:
    try:
        Columns.from_sites(sites.isel(site=some))
    except KernelError as error:
        return error
    return None


def _by_site(sites: xr.Dataset, name: str) -> NDArray[np.float64]:
    values = np.asarray(sites[name].values, dtype=np.float64)
    return values.reshape(values.shape[0], -1)
