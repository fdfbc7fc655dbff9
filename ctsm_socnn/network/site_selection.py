"""Which sites have usable observations, and whether a posterior belongs to them."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model.observation import BelowBedrock, ObservationOperator

__all__ = ["require_same_sites", "without_observations"]


def without_observations(sites: xr.Dataset, below_bedrock: BelowBedrock) -> NDArray[np.bool_]:
    """Sites without a usable observation; shape (site,)."""
    operator = ObservationOperator.from_sites(sites, below_bedrock)
    counts = np.bincount(operator.site, minlength=sites.sizes["site"])
    return np.asarray(counts == 0)


def require_same_sites(sites: xr.Dataset, posterior: xr.Dataset) -> None:
    """Make sure that a posterior belongs to the sites.

    Raises
    ------
    NetworkError
        If they differ in the number, names or positions of sites.
    """
    n, m = sites.sizes["site"], posterior.sizes["site"]
    if n != m:
        raise NetworkError(
            f"there are {n} sites but {m} posteriors; give the sites file that was assimilated"
        )
    for name in ("profile_id", "lon", "lat"):
        if name not in sites.variables or name not in posterior.variables:
            continue
        differs = sites[name].values != posterior[name].values
        if differs.any():
            first = int(np.argmax(differs))
            raise NetworkError(
                f"site {first} has {name} {sites[name].values[first]} but its posterior "
                f"{posterior[name].values[first]}; give the sites file that was assimilated"
            )
