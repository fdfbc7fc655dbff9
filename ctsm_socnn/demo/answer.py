"""How well a run recovers the truth of the synthetic region."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from ctsm_socnn.validation.comparison import scores_of

__all__ = ["EXPECTED_ORDER", "is_in_order", "out_of_sample_nse", "rank_correlations"]

EXPECTED_ORDER: Final = ("default", "random sampling", "one batch", "network")
"""From worst to best, as published for North America (Tao et al. 2020)."""


def out_of_sample_nse(comparison: xr.Dataset) -> dict[str, float]:
    """NSE of each method at unseen sites, in the expected order."""
    return {name: scores_of(comparison, name, "out")["nse"] for name in EXPECTED_ORDER}


def is_in_order(nse: Mapping[str, float]) -> bool:
    """Tell whether each method beats the one before it."""
    values = [nse[name] for name in EXPECTED_ORDER]
    return all(worse < better for worse, better in pairwise(values))


def rank_correlations(
    truth: xr.Dataset, maps: xr.Dataset, names: tuple[str, ...]
) -> dict[str, float]:
    """Rank correlation of true and found parameters over the cells that have both.

    Parameters
    ----------
    truth, maps : xarray.Dataset
        Parameter maps on the same grid.
    names : tuple of str
        Parameters to compare.
    """
    found = {}
    for name in names:
        true, made = truth[name].values.ravel(), maps[name].values.ravel()
        both = np.isfinite(true) & np.isfinite(made)
        found[name] = float(spearmanr(true[both], made[both]).statistic)
    return found
