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

__all__ = [
    "input_profile",
    "litter_profiles",
    "potential_of_water_scalar",
    "site_climatology",
    "surface_profile",
]

Array = NDArray[np.float64]

CENTIMETRES: Final = 100.0
_LITTER_DECAY: Final = 10.0
"""m-1. CTSM's surfprof_exp."""
_DEEPEST_LITTER: Final = 0.4
"""m. CTSM's zmin_bedrock: deeper layers take nothing of what falls on the ground."""
_ROUNDING: Final = 1e-6
"""Of depths that a history file has in single precision."""


def site_climatology(
    sites: xr.Dataset,
    *,
    beta: float,
    of_roots: ArrayLike = 1.0,
    made_with: CtsmParameters | None = None,
    latitude: ArrayLike | None = None,
) -> tuple[CtsmColumns, CtsmForcing]:
    """Columns and twelve monthly records of a sites dataset.

    Nitrogen limits litter wherever the climatology says so; transitions between soil pools follow
    their fixed C:N, as in the model. Litter is spread as in SoilBiogeochemVerticalProfile: that of
    roots by the rooting profile, the rest on the ground, each above bedrock and within what thawed
    last year, or all in the first layer if nothing did. The water scalar is turned into the
    potential that gives it, so that other water parameters act on it; the oxygen scalar is taken as
    the oxygen ratio. A scheme that is to use it needs `CtsmSwitches(use_lch4=True, anoxia=True)`.

    Parameters
    ----------
    sites : xarray.Dataset
        Meets the sites schema.
    beta : float, 1
        Of the rooting profile; see `input_profile`.
    of_roots : scalar or (4,), 1
        Share of the input that comes from roots: one, or those of CWD and of metabolic, cellulose
        and lignin litter. The rest falls on the ground; see `surface_profile`.
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
        inputs=_inputs(sites, beta, of_roots),
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


def _inputs(sites: xr.Dataset, beta: float, of_roots: ArrayLike) -> Array:
    """Input by pool and layer (month, site, 7, layer), gC m-3 s-1, from column totals of a month."""
    pools = len(INPUT_VARIABLES)
    totals = np.stack(
        [sites[name].transpose("month", "site").values for name in INPUT_VARIABLES], axis=-1
    )
    seconds = np.array(DAYS_OF_MONTHS) * SECONDS_PER_DAY
    inputs = np.zeros((*totals.shape[:2], 7, len(SOIL_GRID.thickness)))
    roots, ground = litter_profiles(sites, beta)
    share = np.broadcast_to(of_roots, pools)[:, np.newaxis]
    profile = share * roots[:, :, np.newaxis] + (1.0 - share) * ground[:, :, np.newaxis]
    inputs[:, :, :pools] = (totals / seconds[:, np.newaxis, np.newaxis])[..., np.newaxis] * profile
    return inputs


def litter_profiles(sites: xr.Dataset, beta: float) -> tuple[Array, Array]:
    """Profiles of the litter of roots and of what falls on the ground, (month, site, layer), m-1.

    As SoilBiogeochemVerticalProfile has them; from `nbedrock` and `ALTMAX_LASTYEAR` of the sites.
    """
    layer = np.arange(1, len(SOIL_GRID.thickness) + 1)
    bedrock = sites["nbedrock"].values[:, np.newaxis]
    above = layer <= bedrock
    thaw = sites["ALTMAX_LASTYEAR"].transpose("month", "site").values[..., np.newaxis]
    # A layer at the freezing point has its node at the active-layer depth, and is not thawed.
    thawed = (SOIL_GRID.node_depth * (1.0 + _ROUNDING) < thaw) | (layer == 1)
    roots = input_profile(beta) * SOIL_GRID.thickness
    # CTSM shares out the roots below bedrock evenly to the layers above (init_vegrootfr).
    shifted = roots + (roots * ~above).sum(axis=1, keepdims=True) / bedrock
    return (
        _normalised(shifted / SOIL_GRID.thickness * above * thawed),
        _normalised(surface_profile() * above * thawed),
    )


def _normalised(profile: Array) -> Array:
    return np.asarray(profile / (profile @ SOIL_GRID.thickness)[..., np.newaxis])
