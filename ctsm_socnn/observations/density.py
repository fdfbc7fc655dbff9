"""Carbon density of a layer from organic carbon, bulk density and coarse fragments."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from ctsm_socnn.observations.pedotransfer import pedotransfer

__all__ = [
    "BULK_DENSITY_ERROR",
    "CARBON_ERROR",
    "FRAGMENTS_ERROR",
    "carbon_density",
    "fill_bulk_density",
    "fill_fragments",
]

CARBON_ERROR: Final = 0.05
"""Relative standard error of a laboratory's organic carbon."""

BULK_DENSITY_ERROR: Final = 0.10
"""Relative standard error of the bulk density of a core."""

FRAGMENTS_ERROR: Final = 5.0
"""Standard error of coarse fragments estimated in the field, percent of volume."""

_GRAMS_PER_CUBIC_METRE: Final = 1000.0
"""g kg-1 times g cm-3 is kg m-3."""

_PERCENT_PER_GRAM: Final = 0.1
"""g kg-1 to percent of mass."""

_ROCK_DENSITY: Final = 2.65
"""g cm-3: quartz."""


def fill_bulk_density(table: pd.DataFrame, name: str | None) -> pd.DataFrame:
    """Predict bulk density where it is missing, if a function was chosen.

    Parameters
    ----------
    table : pandas.DataFrame
        `oc` (g kg-1) and `bulk_density` (g cm-3).
    name : str or None
        Name of a pedotransfer function; None leaves gaps.

    Returns
    -------
    pandas.DataFrame
        With `bulk_density_error` (g cm-3) and `bulk_density_predicted` (bool).

    Raises
    ------
    ConfigError
        If the name is unknown.
    """
    error = BULK_DENSITY_ERROR * table["bulk_density"]
    if name is None:
        return table.assign(bulk_density_error=error, bulk_density_predicted=False)
    function = pedotransfer(name)
    missing = table["bulk_density"].isna() & table["oc"].notna()
    predicted = function.predict(_PERCENT_PER_GRAM * table["oc"].to_numpy(np.float64))
    return table.assign(
        bulk_density=table["bulk_density"].where(~missing, predicted),
        bulk_density_error=error.where(~missing, function.error),
        bulk_density_predicted=missing,
    )


def fill_fragments(table: pd.DataFrame) -> pd.DataFrame:
    """Turn coarse fragments by weight into volume where the volume is missing.

    With the weight share w of fragments of density 2.65 in soil whose fine earth has the bulk
    density b, the volume share is (w / 2.65) / (w / 2.65 + (1 - w) / b).

    Parameters
    ----------
    table : pandas.DataFrame
        `bulk_density` (g cm-3); `coarse_fragments` and `coarse_fragments_weight` (percent), where
        known.

    Returns
    -------
    pandas.DataFrame
        With `coarse_fragments` (percent of volume) and `fragments_converted` (bool).
    """
    empty = pd.Series(np.nan, index=table.index)
    volume = table.get("coarse_fragments", empty)
    weight = table.get("coarse_fragments_weight", empty)
    rock = 0.01 * weight / _ROCK_DENSITY
    fine = (1.0 - 0.01 * weight) / table["bulk_density"]
    converted = volume.isna() & weight.notna()
    return table.assign(
        coarse_fragments=volume.where(~converted, 100.0 * rock / (rock + fine)),
        fragments_converted=converted,
    )


def carbon_density(table: pd.DataFrame) -> pd.DataFrame:
    """Add carbon density and its standard error.

    `soc = oc * bulk_density * 1000 * (1 - fragments / 100)`: bulk density is that of the fine
    earth, fragments hold no carbon. Unknown fragments count as none. Errors are propagated to
    first order, as independent.

    Parameters
    ----------
    table : pandas.DataFrame
        `oc` (g kg-1), `bulk_density` and `bulk_density_error` (g cm-3), `coarse_fragments`
        (percent of volume).

    Returns
    -------
    pandas.DataFrame
        With `soc` and `soc_sd`, gC m-3; NaN where carbon or bulk density is unknown.
    """
    fine = 1.0 - 0.01 * table["coarse_fragments"].fillna(0.0)
    mass = table["oc"] * table["bulk_density"] * _GRAMS_PER_CUBIC_METRE
    relative = np.hypot(CARBON_ERROR, table["bulk_density_error"] / table["bulk_density"])
    error = np.hypot(mass * fine * relative, mass * 0.01 * FRAGMENTS_ERROR)
    return table.assign(soc=mass * fine, soc_sd=error)
