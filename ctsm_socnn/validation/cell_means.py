"""Runs compared with one mean of the profiles per cell, cells weighted by land area.

Profiles are not spread evenly within a cell: surveys dig where roads and projects are. Before they are
averaged, profiles are declustered: those of one square of 0.1 degrees share the weight of one. Where
the land cover of profiles and cells is known, each class counts with its share of the cell. The
scores over cells are weighted by the land of each cell, so that neither a well-sampled county nor a
small cell near the pole counts for more than its area.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.model.observation import BelowBedrock, ObservationOperator
from ctsm_socnn.network.stocks import SAMPLED_SHARE, deepest_observation, observed_stocks
from ctsm_socnn.validation.intervals import map_blocks
from ctsm_socnn.validation.land_cover import LandCover
from ctsm_socnn.validation.model_runs import RunAtSites
from ctsm_socnn.validation.scores import scores
from ctsm_socnn.validation.stocks import AS_SAMPLED, STOCK_DEPTHS, depth_name

__all__ = ["cell_means", "format_cell_scores", "score_cell_means"]

Array = NDArray[np.float64]

_SQUARE: Final = 0.1
"""Degrees; profiles of one square share a weight."""
_LEAST_CELLS: Final = 3
_KILO: Final = 1000.0


def cell_means(
    sites: xr.Dataset,
    run: RunAtSites,
    depths: Sequence[float] = STOCK_DEPTHS,
    below_bedrock: BelowBedrock = "deepest",
    cover: LandCover | None = None,
) -> pd.DataFrame:
    """Observed and modelled stocks of each cell that holds profiles.

    Parameters
    ----------
    sites : xarray.Dataset
        In the sites schema, with `lon, lat`.
    run : RunAtSites
        Of these sites.
    depths : sequence of float, m
    below_bedrock : {"deepest", "drop"}
    cover : LandCover, optional
        Of these sites in this run's cells.

    Returns
    -------
    pandas.DataFrame
        One row a cell and depth: `run, depth, lon, lat, land` (m2), `profiles`, `squares` that hold
        them, `covered` (share of the cell that is of the profiles' classes, NaN without `cover`),
        `observed` and `modelled` (weighted means, gC m-2) and `standard_error` of the observed mean
        (gC m-2), NaN where no class has two squares.
    """
    known = np.flatnonzero(np.isfinite(run.prediction.soc).all(axis=1))
    operator = ObservationOperator.from_sites(sites.isel(site=known), below_bedrock)
    modelled = operator.apply(run.prediction.soc[known])
    place = known[np.unique(operator.site)]
    deepest = deepest_observation(operator)
    square = map_blocks(sites["lon"].values[place], sites["lat"].values[place], _SQUARE)
    label = np.zeros(place.size) if cover is None else cover.label[place]
    share = np.full(place.size, np.nan) if cover is None else cover.share[place]
    rows: list[dict[str, Any]] = []
    for depth in depths:
        reach = deepest if depth == AS_SAMPLED else np.full(deepest.shape, depth)
        reached = np.flatnonzero(deepest >= SAMPLED_SHARE * reach)
        seen = observed_stocks(operator, operator.values, reach)
        made = observed_stocks(operator, modelled, reach)
        cell = run.cell[place[reached]]
        for number in np.unique(cell):
            inside = reached[cell == number]
            rows.append(
                {
                    "run": run.prediction.method,
                    "depth": depth,
                    "lon": float(run.lon[number]),
                    "lat": float(run.lat[number]),
                    "land": float(run.land[number]),
                    "profiles": inside.size,
                    **_weighted(
                        seen[inside], made[inside], square[inside], label[inside], share[inside]
                    ),
                }
            )
    return pd.DataFrame(rows)


def score_cell_means(means: pd.DataFrame) -> pd.DataFrame:
    """Scores over cells, weighted by their land.

    Parameters
    ----------
    means : pandas.DataFrame
        Result of `cell_means`, of one run or several.

    Returns
    -------
    pandas.DataFrame
        Columns `run, depth, cells, profiles, observed, modelled, standard_error` (means over cells
        by land, the last over cells where it is known) and those of `scores`. Depths that fewer than
        three cells reach are left out.
    """
    rows = []
    for (run, depth), group in means.groupby(["run", "depth"], sort=False):
        if len(group) < _LEAST_CELLS:
            continue
        land = group["land"].to_numpy()
        observed, modelled = (group[name].to_numpy() for name in ("observed", "modelled"))
        rows.append(
            {
                "run": run,
                "depth": depth,
                "cells": len(group),
                "profiles": int(group["profiles"].sum()),
                "observed": float(np.average(observed, weights=land)),
                "modelled": float(np.average(modelled, weights=land)),
                "standard_error": float(group["standard_error"].mean()),
                **scores(observed, modelled, land),
            }
        )
    return pd.DataFrame(rows)


def format_cell_scores(table: pd.DataFrame) -> str:
    """Table for the terminal, kgC m-2."""
    if table.empty:
        return "Cell means: fewer than three cells hold profiles."
    width = max(len("cell means"), *(len(str(name)) for name in table["run"])) + 2
    names = (
        "cells",
        "profiles",
        "observed",
        "modelled",
        "NSE",
        "R²",
        "CCC",
        "RMSE",
        "bias",
        "s.e.",
    )
    lines = ["cell means".ljust(width) + f"{'to':>6}" + "".join(f"{name:>10}" for name in names)]
    for row in table.to_dict("records"):
        cells = f"{row['cells']:>10}{row['profiles']:>10}"
        cells += "".join(f"{row[name] / _KILO:>10.1f}" for name in ("observed", "modelled"))
        cells += "".join(f"{row[name]:>10.2f}" for name in ("nse", "r2", "ccc"))
        cells += "".join(
            f"{row[name] / _KILO:>10.1f}" for name in ("rmse", "bias", "standard_error")
        )
        lines.append(f"{row['run']:<{width}}{depth_name(row['depth']):>6}{cells}")
    return "\n".join(
        [
            *lines,
            "Cells count with their land, profiles of one 0.1-degree square as one, and with --land-cover "
            "each class with its share of the cell; kgC m-2. s.e.: of the observed means.",
        ]
    )


def _weighted(
    observed: Array, modelled: Array, square: NDArray[np.int64], label: Array, share: Array
) -> dict[str, float | int]:
    """Means over squares and classes of land cover, and the standard error of the observed one.

    Profiles whose class is not known, or not that of any pixel in the cell, count only where no
    other does: then all share one class.
    """
    known = share > 0.0
    label = np.where(known, label, np.nan) if known.any() else np.zeros(label.size)
    use = np.flatnonzero(np.isfinite(label))
    _, of_class = np.unique(label[use], return_inverse=True)
    pairs = np.stack([of_class, square[use]])
    (stratum, _), member, count = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    seen = np.bincount(member, weights=observed[use]) / count
    made = np.bincount(member, weights=modelled[use]) / count
    squares = np.bincount(stratum)
    weight = np.ones(1)
    if known.any():
        first = np.unique(of_class, return_index=True)[1]
        weight = share[use][first]
    by_class = weight / weight.sum()
    each = by_class[stratum] / squares[stratum]
    return {
        "squares": int(np.unique(square[use]).size),
        "covered": float(weight.sum()) if known.any() else np.nan,
        "observed": float(each @ seen),
        "modelled": float(each @ made),
        "standard_error": _standard_error(seen, stratum, squares, by_class),
    }


def _standard_error(
    values: Array, stratum: NDArray[np.int64], squares: NDArray[np.int64], by_class: Array
) -> float:
    """Of a stratified mean; the spread within classes is taken to be the same in all."""
    freedom = values.size - squares.size
    if freedom == 0:
        return float("nan")
    centre = np.bincount(stratum, weights=values) / squares
    variance = float(((values - centre[stratum]) ** 2).sum()) / freedom
    return float(np.sqrt((by_class**2 / squares).sum() * variance))
