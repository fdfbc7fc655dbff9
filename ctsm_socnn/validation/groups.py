"""Scores by group of observations: depth interval, biome, climate, soil order, data source.

Any variable of the sites file that has one value per site and few distinct ones makes groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.schemas import COVARIATE_PREFIX
from ctsm_socnn.validation.intervals import (
    INTERVAL_SCORES,
    LEAST_BLOCKS,
    answers,
    block_counts,
    replicated_scores,
)
from ctsm_socnn.validation.scores import scores

__all__ = [
    "DEPTH_EDGES",
    "DEPTH_GROUPING",
    "depth_groups",
    "format_groups",
    "grouped_scores",
    "observation_groups",
]

Array = NDArray[np.float64]
Names = NDArray[np.str_]

DEPTH_EDGES: Final = (0.0, 0.1, 0.3, 0.6, 1.0, 2.0, 10.0)
"""m; limits of the depth intervals of tables."""
DEPTH_GROUPING: Final = "depth"
"""Name of the grouping that is no variable of the sites."""

_MOST_GROUPS: Final = 60
_MISSING: Final = "unknown"
_LEVEL: Final = 0.95
_KILO: Final = 1000.0


def depth_groups(depth: Array, edges: Sequence[float] = DEPTH_EDGES) -> Names:
    """Name of the interval in which each depth (m) lies, such as `0.1-0.3 m`."""
    names = np.array([f"{top:g}-{bottom:g} m" for top, bottom in pairwise(edges)])
    interval = np.searchsorted(edges, depth, side="right") - 1
    found: Names = names[np.clip(interval, 0, names.size - 1)]
    return found


def observation_groups(comparison: xr.Dataset, sites: xr.Dataset, grouping: str) -> Names:
    """Group of each observation.

    Parameters
    ----------
    comparison : xarray.Dataset
        Result of `compare_methods` of these sites.
    sites : xarray.Dataset
        In the sites schema.
    grouping : str
        `depth`, or a variable with one value per site, with or without the prefix `cov_`, in any
        case. `flag_values` and `flag_meanings` name the classes where it has them.

    Raises
    ------
    ValidationError
        If there is no such variable, or it has too many values for classes.
    """
    if grouping == DEPTH_GROUPING:
        return depth_groups(comparison["depth"].values)
    variable = _site_variable(sites, grouping)
    group: Names = _class_names(variable)[comparison["site"].values]
    return group


def grouped_scores(
    comparison: xr.Dataset,
    group: Names,
    block: NDArray[np.int64] | None = None,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Scores of every method within groups of observations.

    Parameters
    ----------
    comparison : xarray.Dataset
        Result of `compare_methods`.
    group : ndarray of str, shape (observation,)
    block : ndarray of int, shape (observation,), optional
        Block of the map of each observation (`map_blocks`); with it come 95 % intervals from
        drawing the blocks that hold the group, NaN where they are fewer than five.
    seed : int

    Returns
    -------
    pandas.DataFrame
        Columns `sample, method, group` and those of `scores`; with `block` also `<score>_low` and
        `<score>_high`. Groups are sorted, depth intervals from the surface down.

    Raises
    ------
    ValidationError
        If the groups do not fit the observations.
    """
    if group.shape != (comparison.sizes["observation"],):
        raise ValidationError(
            f"{group.size} groups were given for {comparison.sizes['observation']} observations"
        )
    observed = comparison["observed"].values
    rows = []
    for sample, method, modelled in answers(comparison):
        for name in np.unique(group):
            inside = group == name
            found = scores(observed[inside], modelled[inside])
            if block is not None:
                found |= _interval(observed[inside], modelled[inside], block[inside], seed)
            rows.append({"sample": sample, "method": method, "group": str(name), **found})
    return pd.DataFrame(rows)


def format_groups(table: pd.DataFrame, grouping: str) -> str:
    """Table for the terminal: NSE with its interval, R², concordance, errors, by group."""
    width = max(len(grouping), *(len(name) for name in table["group"])) + 2
    methods = max(len("method"), *(len(name) for name in table["method"])) + 2
    headings = (
        f"{'n':>6}{'NSE':>7}{'95 %':>17}{'R²':>7}{'CCC':>7}{'RMSE':>8}{'bias':>8}{'log NSE':>9}"
    )
    lines = [f"{grouping:<{width}}{'method':<{methods}}{headings}"]
    for row in table.sort_values(["group", "sample"], kind="stable").to_dict("records"):
        low, high = row.get("nse_low", np.nan), row.get("nse_high", np.nan)
        interval = f"{low:.2f} to {high:.2f}" if np.isfinite(low) else "-"
        lines.append(
            f"{row['group']:<{width}}{row['method']:<{methods}}{int(row['n']):>6}{row['nse']:>7.2f}"
            f"{interval:>17}{row['r2']:>7.2f}{row['ccc']:>7.2f}{row['rmse'] / _KILO:>8.1f}"
            f"{row['bias'] / _KILO:>8.1f}{row['log_nse']:>9.2f}"
        )
    return "\n".join(lines)


def _interval(
    observed: Array, modelled: Array, block: NDArray[np.int64], seed: int
) -> dict[str, float]:
    held, number = np.unique(block, return_inverse=True)
    if held.size < LEAST_BLOCKS:
        limits = np.full((2, len(INTERVAL_SCORES)), np.nan)
    else:
        counts = block_counts(held.size, seed=seed)
        replicated = replicated_scores(observed, modelled, number, counts)
        tails = [(1.0 - _LEVEL) / 2.0, (1.0 + _LEVEL) / 2.0]
        limits = np.nanquantile(replicated, tails, axis=0)
    return {
        f"{score}_{end}": float(value)
        for end, row in zip(("low", "high"), limits, strict=True)
        for score, value in zip(INTERVAL_SCORES, row, strict=True)
    }


def _site_variable(sites: xr.Dataset, grouping: str) -> xr.DataArray:
    per_site = {str(name): sites[name] for name in sites.variables if sites[name].dims == ("site",)}
    wanted = grouping.lower()
    for name, variable in per_site.items():
        if wanted in (name.lower(), name.lower().removeprefix(COVARIATE_PREFIX)):
            return variable
    raise ValidationError(
        f"the sites have no variable {grouping!r} with one value per site; they have "
        f"{', '.join(sorted(per_site))}, and depth can always be grouped by"
    )


def _class_names(variable: xr.DataArray) -> Names:
    """Name of the class of each site."""
    values = variable.values
    names: Names
    if values.dtype.kind not in "iufb":
        names = np.array([str(value) for value in values])
    else:
        known = np.isfinite(values)
        if (values[known] != np.floor(values[known])).any():
            raise ValidationError(f"{variable.name} holds fractions, so it does not name classes")
        meanings = [
            _meaning(variable, int(value)) if finite else _MISSING
            for value, finite in zip(values, known, strict=True)
        ]
        names = np.array(meanings)
    if np.unique(names).size > _MOST_GROUPS:
        raise ValidationError(
            f"{variable.name} has {np.unique(names).size} distinct values at the sites; at most "
            f"{_MOST_GROUPS} make readable groups"
        )
    return names


def _meaning(variable: xr.DataArray, value: int) -> str:
    if {"flag_values", "flag_meanings"} <= set(variable.attrs):
        flags = np.atleast_1d(variable.attrs["flag_values"]).tolist()
        meanings = str(variable.attrs["flag_meanings"]).split()
        named: dict[int, str] = dict(zip(flags, meanings, strict=False))
        return named.get(value, str(value))
    return str(value)
