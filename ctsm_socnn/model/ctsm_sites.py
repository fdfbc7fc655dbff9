"""Columns and climatology for a CTSM scheme from a sites dataset.

So that a generation of the model with a parameter file can be run, offline, on the very sites where
parameters were estimated, and its soil carbon be compared with the estimate's.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.ctsm_forcing import CtsmColumns, CtsmForcing
from ctsm_socnn.model.ctsm_parameters import CtsmParameters
from ctsm_socnn.model.grid import SOIL_GRID
from ctsm_socnn.model.simulation import DAYS_OF_MONTHS, SECONDS_PER_DAY
from ctsm_socnn.schemas import INPUT_VARIABLES

__all__ = ["input_profile", "potential_of_water_scalar", "site_climatology", "surface_profile"]

Array = NDArray[np.float64]

CENTIMETRES: Final = 100.0
_LITTER_DECAY: Final = 10.0
"""m-1. CTSM's surfprof_exp."""
_DEEPEST_LITTER: Final = 0.4
"""m. CTSM's zmin_bedrock: deeper layers take nothing of what falls on the ground."""


def site_climatology(
    sites: xr.Dataset,
    *,
    profile: ArrayLike,
    made_with: CtsmParameters | None = None,
    latitude: ArrayLike | None = None,
) -> tuple[CtsmColumns, CtsmForcing]:
    """Columns and twelve monthly records of a sites dataset.

    Nitrogen limits litter wherever the climatology says so; transitions between soil pools follow
    their fixed C:N, as in the model. Input goes to layers above bedrock that thawed last year, all
    of it to the first if none did, as in SoilBiogeochemVerticalProfile. The water scalar is turned into the potential that gives it, so
    that other water parameters act on it; the oxygen scalar is taken as the oxygen ratio. A scheme
    that is to use it needs `CtsmSwitches(use_lch4=True, anoxia=True)`.

    Parameters
    ----------
    sites : xarray.Dataset
        Meets the sites schema.
    profile : (20,) or (4, 20), m-1
        By which input is spread over the layers: one, or those of CWD and of metabolic, cellulose
        and lignin litter. See `input_profile` and `surface_profile`.
    made_with : CtsmParameters, optional
        Under which `W_SCALAR` was made, and whose C:N is used; CLM5's by default.
    latitude : (site,), degrees north, optional
        The sites' own by default.

    Raises
    ------
    KernelError
        Naming the site's column and the value that is impossible.
    """
    source = CtsmParameters() if made_with is None else made_with

    def records(name: str, *dimensions: str) -> Array:
        values: Array = sites[name].transpose("month", "site", *dimensions).values
        return values.astype(np.float64)

    columns = CtsmColumns.from_arrays(
        sites["nbedrock"].values,
        sites["CELLSAND"].transpose("site", "layer").values,
        latitude=sites["lat"].values if latitude is None else latitude,
        donor_cn=(0.0, 0.0, 0.0, 0.0, source.cn_s1, source.cn_s2, source.cn_s3),
    )
    forcing = CtsmForcing.from_arrays(
        records("TSOI", "layer"),
        potential_of_water_scalar(records("W_SCALAR", "layer"), source),
        fpi=np.clip(records("FPI_vr", "layer"), 0.0, 1.0),
        oxygen_unsaturated=records("O_SCALAR", "layer"),
        altmax=records("ALTMAX"),
        altmax_lastyear=records("ALTMAX_LASTYEAR"),
        inputs=_inputs(sites, profile),
    )
    return columns, forcing


def potential_of_water_scalar(scalar: ArrayLike, parameters: CtsmParameters) -> Array:
    """Water potential (MPa) that gives a water scalar under CTSM's logarithmic response.

    Inverse of W = ln(minpsi/psi) / ln(minpsi/maxpsi); a scalar of 0 gives minpsi, of 1 maxpsi.

    Raises
    ------
    KernelError
        If a scalar leaves 0 to 1 by more than single precision's rounding.
    """
    values = np.asarray(scalar, dtype=np.float64)
    wrong = ~((values > -1e-6) & (values < 1.0 + 1e-6))
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise KernelError(
            f"the water scalar is {values[place]} at {place}; it must be finite and within 0 to 1"
        )
    share = np.clip(values, 0.0, 1.0)
    potential: Array = parameters.minpsi_hr * (parameters.maxpsi_hr / parameters.minpsi_hr) ** share
    return np.where(share == 1.0, parameters.maxpsi_hr, potential)


def input_profile(beta: ArrayLike) -> Array:
    """Share of the input per metre of each layer, (..., 20), m-1 (Jackson et al. 1996).

    A layer receives beta**(100 top) - beta**(100 bottom) of the input, over the sum of all layers.
    """
    values = np.asarray(beta, dtype=np.float64)[..., np.newaxis]
    if not ((values > 0.0) & (values < 1.0)).all():
        raise KernelError("beta must be between 0 and 1")
    shares = -np.diff(values ** (CENTIMETRES * SOIL_GRID.interface_depth), axis=-1)
    density: Array = shares / shares.sum(axis=-1, keepdims=True) / SOIL_GRID.thickness
    return density


def surface_profile() -> Array:
    """Share per metre of each layer of what falls on the ground, leaves and stems, (20,), m-1.

    CTSM divides the exponential by the thickness of the layer (SoilBiogeochemVerticalProfile).
    """
    depth, thickness = SOIL_GRID.node_depth, SOIL_GRID.thickness
    reached = depth <= _DEEPEST_LITTER
    density = np.where(reached, np.exp(-_LITTER_DECAY * depth) / thickness, 0.0)
    return np.asarray(density / (density @ thickness))


def _inputs(sites: xr.Dataset, profile: ArrayLike) -> Array:
    """Input by pool and layer (month, site, 7, layer), gC m-3 s-1, from column totals of a month."""
    pools = len(INPUT_VARIABLES)
    totals = np.stack(
        [sites[name].transpose("month", "site").values for name in INPUT_VARIABLES], axis=-1
    )
    seconds = np.array(DAYS_OF_MONTHS) * SECONDS_PER_DAY
    inputs = np.zeros((*totals.shape[:2], 7, len(SOIL_GRID.thickness)))
    share = np.broadcast_to(profile, (pools, inputs.shape[-1])) * _taking(sites)[:, :, np.newaxis]
    share /= (share @ SOIL_GRID.thickness)[..., np.newaxis]
    inputs[:, :, :pools] = (totals / seconds[:, np.newaxis, np.newaxis])[..., np.newaxis] * share
    return inputs


def _taking(sites: xr.Dataset) -> NDArray[np.bool_]:
    """Whether a layer takes litter, shape (month, site, layer)."""
    thaw = sites["ALTMAX_LASTYEAR"].transpose("month", "site").values[..., np.newaxis]
    layer = np.arange(1, len(SOIL_GRID.thickness) + 1)
    above_bedrock = layer <= sites["nbedrock"].values[:, np.newaxis]
    return np.asarray(above_bedrock & ((SOIL_GRID.node_depth <= thaw) | (layer == 1)))
