"""Which sites the kernel can run and which can be compared with observations."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.model.observation import BelowBedrock, ObservationOperator
from ctsm_socnn.schemas import FORCING_DIMENSIONS

__all__ = ["without_forcing", "without_observations"]


def without_forcing(sites: xr.Dataset) -> NDArray[np.bool_]:
    """Sites where some forcing is missing, so that the kernel cannot run; shape (site,).

    Sand is not asked for: the published model does not use it.
    """
    missing = np.zeros(sites.sizes["site"], dtype=bool)
    for name in FORCING_DIMENSIONS.keys() - {"CELLSAND"}:
        values = sites[name].values.reshape(len(missing), -1)
        missing |= ~np.isfinite(values).all(axis=1)
    return missing


def without_observations(sites: xr.Dataset, below_bedrock: BelowBedrock) -> NDArray[np.bool_]:
    """Sites without an observation that may be used; shape (site,)."""
    operator = ObservationOperator.from_sites(sites, below_bedrock)
    counts = np.bincount(operator.site, minlength=sites.sizes["site"])
    return np.asarray(counts == 0)
