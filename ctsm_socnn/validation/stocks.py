"""Carbon stocks to several depths, of observed and modelled profiles.

Both are integrals of lines through the observed depths, so that gaps of a profile are no errors of
the model. A profile counts for a depth only if it was sampled nearly that deep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from ctsm_socnn.model.observation import BelowBedrock, ObservationOperator
from ctsm_socnn.network.stocks import SAMPLED_SHARE, deepest_observation, observed_stocks
from ctsm_socnn.validation.comparison import Prediction
from ctsm_socnn.validation.scores import scores

__all__ = [
    "AS_SAMPLED",
    "STOCK_DEPTHS",
    "depth_name",
    "format_stocks",
    "score_stocks",
]

AS_SAMPLED: Final = float("inf")
"""In place of a depth: all of the column that was sampled, whatever its depth."""

STOCK_DEPTHS: Final = (0.3, 1.0, 2.0, AS_SAMPLED)
"""m; the depths to which stocks are usually given, and the whole column that was sampled."""

_LEAST_PROFILES: Final = 3


def score_stocks(
    sites: xr.Dataset,
    predictions: Sequence[Prediction],
    depths: Sequence[float] = STOCK_DEPTHS,
    below_bedrock: BelowBedrock = "deepest",
) -> pd.DataFrame:
    """Score stocks to each depth.

    Parameters
    ----------
    sites : xarray.Dataset
        In the sites schema.
    predictions : sequence of Prediction
    depths : sequence of float, m
    below_bedrock : {"deepest", "drop"}

    Returns
    -------
    pandas.DataFrame
        Columns `method, sample, depth`, `observed` and `modelled` (means, gC m-2) and those of
        `scores`. Depths that fewer than three profiles reach are left out.
    """
    rows = []
    for prediction in predictions:
        known = np.isfinite(prediction.soc).all(axis=1)
        operator = ObservationOperator.from_sites(sites.isel(site=known), below_bedrock)
        modelled = operator.apply(prediction.soc[known])
        deepest = deepest_observation(operator)
        for depth in depths:
            reach = deepest if depth == AS_SAMPLED else np.full(deepest.shape, depth)
            reached = deepest >= SAMPLED_SHARE * reach
            if reached.sum() < _LEAST_PROFILES:
                continue
            seen = observed_stocks(operator, operator.values, reach)[reached]
            made = observed_stocks(operator, modelled, reach)[reached]
            means = {"observed": float(seen.mean()), "modelled": float(made.mean())}
            head = {"method": prediction.method, "sample": prediction.sample, "depth": depth}
            rows.append({**head, **means, **scores(seen, made)})
    return pd.DataFrame(rows, columns=None if rows else ["method", "sample", "depth"])


def depth_name(depth: float) -> str:
    """Name of a depth in tables."""
    return "all" if depth == AS_SAMPLED else f"{depth:g} m"


def format_stocks(table: pd.DataFrame) -> str:
    """Table for the terminal, kgC m-2."""
    if table.empty:
        return f"No stocks: no depth is reached by {_LEAST_PROFILES} profiles."
    width = max(len("method"), *(len(str(name)) for name in table["method"])) + 2
    columns = ("profiles", "observed", "modelled", "NSE", "R²", "RMSE")
    lines = ["method".ljust(width) + f"{'to':>6}" + "".join(f"{name:>10}" for name in columns)]
    for row in table.to_dict("records"):
        cells = f"{int(row['n']):>10}"
        cells += "".join(f"{row[name] / 1000.0:>10.1f}" for name in ("observed", "modelled"))
        cells += f"{row['nse']:>10.2f}{row['r2']:>10.2f}{row['rmse'] / 1000.0:>10.1f}"
        lines.append(f"{row['method']:<{width}}{depth_name(row['depth']):>6}{cells}")
    return "\n".join(
        [
            *lines,
            "Means and RMSE in kgC m-2, of profiles sampled to 80 % of the depth; all: as deep as sampled.",
        ]
    )
