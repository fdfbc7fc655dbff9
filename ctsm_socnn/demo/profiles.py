"""A table of soil profiles of the synthetic region, as a laboratory would provide it.

Carbon densities come from the kernel under the true parameters, and are turned into organic
carbon, bulk density and coarse fragments: what was measured is what the reader has to convert.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.model import SOIL_GRID, Columns, steady_state
from ctsm_socnn.model.observation import ObservationOperator

__all__ = ["COLUMNS", "draw_layers", "measured_table"]

Array = NDArray[np.float64]

COLUMNS: Final = (
    "profile_id",
    "lon",
    "lat",
    "top_cm",
    "bottom_cm",
    "oc_g_per_kg",
    "bulk_density_g_per_cm3",
    "coarse_fragments_percent",
)
"""Columns of the table, in order."""

_HORIZON_BOTTOMS: Final = np.array([0.05, 0.15, 0.30, 0.50, 0.75, 1.0, 1.4, 2.0])
_DEEPEST: Final = (0.75, 2.0)
# Organic matter holds 1/1.9 of carbon and packs to 0.224 g cm-3; mineral soil to 1.6 g cm-3.
_ORGANIC_PER_CARBON: Final = 1.9
_ORGANIC_DENSITY: Final = 0.224
_MINERAL_DENSITY: Final = 1.6
_DENSEST_CARBON: Final = 0.11


def draw_layers(n_profiles: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Tops and bottoms of the horizons of each profile.

    Returns
    -------
    tops, bottoms : ndarray, shape (profile, horizon), m
        NaN beyond the deepest horizon of a profile.
    """
    stretch = np.exp(0.12 * rng.standard_normal((n_profiles, _HORIZON_BOTTOMS.size)))
    thickness = np.diff(_HORIZON_BOTTOMS, prepend=0.0) * stretch
    bottoms = np.round(np.cumsum(thickness, axis=1), 2)
    tops = np.concatenate([np.zeros((n_profiles, 1)), bottoms[:, :-1]], axis=1)
    beyond = bottoms > rng.uniform(*_DEEPEST, size=(n_profiles, 1))
    return np.where(beyond, np.nan, tops), np.where(beyond, np.nan, bottoms)


def measured_table(
    forcing: xr.Dataset, parameters: Array, noise: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Run the kernel, sample its carbon by horizon, add noise, and convert to what is measured.

    Parameters
    ----------
    forcing : xarray.Dataset
        Forcing at the profiles with `profile_id`, `lon`, `lat` (site).
    parameters : ndarray, shape (site, parameter)
        True parameters, in the registry's units.
    noise : float, 1
        Standard deviation of the logarithm of each measured value.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        One row a horizon, columns `COLUMNS`.
    """
    tops, bottoms = draw_layers(forcing.sizes["site"], rng)
    horizons = forcing.assign(
        soc=(("site", "obs"), np.where(np.isnan(tops), np.nan, 1.0)),
        soc_top=(("site", "obs"), tops),
        soc_bottom=(("site", "obs"), bottoms),
    )
    above_bedrock = bottoms <= SOIL_GRID.interface_depth[forcing["nbedrock"].values][:, np.newaxis]
    horizons["soc"] = horizons["soc"].where(above_bedrock)
    operator = ObservationOperator.from_sites(horizons, below_bedrock="drop")
    density = operator.apply(steady_state(Columns.from_sites(forcing), parameters).soc)
    density = density * np.exp(noise * rng.standard_normal(density.size))
    fragments = np.round(rng.uniform(0.0, 12.0, density.size), 0)
    carbon, bulk_density = _laboratory_values(density / (1.0 - fragments / 100.0))
    site, obs = operator.site, operator.obs
    values = (
        forcing["profile_id"].values[site],
        forcing["lon"].values[site],
        forcing["lat"].values[site],
        np.round(100.0 * tops[site, obs], 0),
        np.round(100.0 * bottoms[site, obs], 0),
        np.round(carbon, 3),
        np.round(bulk_density, 4),
        fragments,
    )
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))


def _laboratory_values(density: Array) -> tuple[Array, Array]:
    """Organic carbon (g/kg) and bulk density (g cm-3) whose product is the carbon density.

    Bulk density follows organic matter as in a mixture of two packings, 1/b = m/b_o + (1 - m)/b_m
    with m = 1.9 c; with b c = density this is linear in 1/c.
    """
    carbon_density = np.minimum(density * 1e-6, _DENSEST_CARBON)
    looseness = _ORGANIC_PER_CARBON * (1.0 / _ORGANIC_DENSITY - 1.0 / _MINERAL_DENSITY)
    fraction = 1.0 / (_MINERAL_DENSITY * (1.0 / carbon_density - looseness))
    return 1000.0 * fraction, carbon_density / fraction
