"""Carbon density of a layer from organic carbon, bulk density and coarse fragments."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

__all__ = [
    "BULK_DENSITY_ERROR",
    "CARBON_ERROR",
    "FRAGMENTS_ERROR",
    "carbon_density",
]

CARBON_ERROR: Final = 0.05
"""Relative standard error of a laboratory's organic carbon."""

BULK_DENSITY_ERROR: Final = 0.10
"""Relative standard error of the bulk density of a core."""

FRAGMENTS_ERROR: Final = 5.0
"""Standard error of coarse fragments estimated in the field, percent of volume."""

_GRAMS_PER_CUBIC_METRE: Final = 1000.0
"""g kg-1 times g cm-3 is kg m-3."""


def carbon_density(table: pd.DataFrame) -> pd.DataFrame:
    """Add carbon density and its standard error.

    `soc = oc * bulk_density * 1000 * (1 - fragments / 100)`: bulk density is that of the fine
    earth, fragments hold no carbon. Unknown fragments count as none. Errors are propagated to
    first order, as independent.

    Parameters
    ----------
    table : pandas.DataFrame
        `oc` (g kg-1), `bulk_density` (g cm-3) and, where known, `coarse_fragments` (percent).

    Returns
    -------
    pandas.DataFrame
        With `soc` and `soc_sd`, gC m-3; NaN where carbon or bulk density is unknown.
    """
    fragments = table.get("coarse_fragments", pd.Series(0.0, index=table.index))
    fine = 1.0 - fragments.fillna(0.0).to_numpy() / 100.0
    mass = table["oc"].to_numpy() * table["bulk_density"].to_numpy() * _GRAMS_PER_CUBIC_METRE
    soc = mass * fine
    relative = np.hypot(CARBON_ERROR, BULK_DENSITY_ERROR)
    return table.assign(soc=soc, soc_sd=np.hypot(soc * relative, mass * FRAGMENTS_ERROR / 100.0))
