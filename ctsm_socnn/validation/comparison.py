"""Methods or model runs side by side on the same observations.

A method that has no answer for some site would look better for having left out what is hard.
Therefore all methods are scored on the sites for which every one of them has an answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.model.observation import BelowBedrock, ObservationOperator
from ctsm_socnn.network.scoring import modelled_soc, score_observations

__all__ = [
    "SAMPLES",
    "Prediction",
    "Sample",
    "compare_methods",
    "comparison_json",
    "format_comparison",
    "known_everywhere",
    "scores_of",
    "soc_of_parameters",
]

Sample = Literal["in", "out", "run"]

SAMPLES: Final[tuple[Sample, ...]] = ("in", "out", "run")
"""Fitted to the very sites that are scored, to others only, or a run of CTSM itself."""

_SAMPLE_TITLES: Final[Mapping[Sample, str]] = {
    "in": "In sample",
    "out": "Out of sample",
    "run": "CTSM runs",
}
_KILO: Final = 1000.0

# Score, heading, factor from stored to printed, digits.
_COLUMNS: Final = (
    ("nse", "NSE", 1.0, 2),
    ("r2", "R²", 1.0, 2),
    ("ccc", "CCC", 1.0, 2),
    ("rmse", "RMSE", 1.0 / _KILO, 1),
    ("bias", "bias", 1.0 / _KILO, 1),
    ("log_nse", "log NSE", 1.0, 2),
    ("log_r2", "log R²", 1.0, 2),
    ("log_rmse", "log RMSE", 1.0, 2),
    ("log_bias", "log bias", 1.0, 2),
    ("stock_nse", "stock NSE", 1.0, 2),
)

_NO_ANSWER: Final = "site without an answer from every method"


@dataclass(frozen=True)
class Prediction:
    """Soil carbon of one method at all sites.

    Attributes
    ----------
    method : str
        Name in tables and figures.
    sample : {"in", "out", "run"}
        Whether the method was fitted to the sites themselves, to others only, or is a CTSM run.
    soc : ndarray, shape (site, 20), gC m-3
        NaN at sites for which the method has no answer.
    """

    method: str
    sample: Sample
    soc: NDArray[np.float64]


def soc_of_parameters(sites: xr.Dataset, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Soil carbon that parameters make, NaN where they are NaN.

    Parameters
    ----------
    sites : xarray.Dataset
        In the sites schema.
    parameters : ndarray, shape (site, parameter), in the registry's units

    Returns
    -------
    ndarray, shape (site, 20), gC m-3
    """
    known = np.flatnonzero(np.isfinite(parameters).all(axis=1))
    soc = np.full((sites.sizes["site"], sites.sizes["layer"]), np.nan)
    if known.size:
        soc[known] = modelled_soc(sites.isel(site=known), parameters[known])
    return soc


def compare_methods(
    sites: xr.Dataset,
    predictions: Sequence[Prediction],
    below_bedrock: BelowBedrock = "deepest",
) -> xr.Dataset:
    """Score methods on the same observations.

    Parameters
    ----------
    sites : xarray.Dataset
        In the sites schema.
    predictions : sequence of Prediction
        In the order of the tables; a method may come with one or both samples.
    below_bedrock : {"deepest", "drop"}
        Rule for observations below bedrock, the same as in the fits.

    Returns
    -------
    xarray.Dataset
        `scores` (method, sample, score), NaN where a method lacks a sample; `observed`, `depth`,
        `site`, `lon`, `lat` (observation); `modelled` (method, sample, observation). Units gC m-3,
        m and degrees. The
        attribute `excluded` (JSON) counts what was left out, by reason.

    Raises
    ------
    ValidationError
        If there is nothing to compare, a prediction comes twice or does not fit the sites.
    """
    known = known_everywhere(sites, predictions)
    operator = ObservationOperator.from_sites(sites, below_bedrock)
    rows = np.flatnonzero(known[operator.site])
    if rows.size == 0:
        raise ValidationError("no observation lies at a site for which every method has an answer")
    methods = list(dict.fromkeys(prediction.method for prediction in predictions))
    modelled = np.full((len(methods), len(SAMPLES), rows.size), np.nan)
    for prediction in predictions:
        values = operator.apply(np.where(known[:, np.newaxis], prediction.soc, 0.0))[rows]
        modelled[methods.index(prediction.method), SAMPLES.index(prediction.sample)] = values
    kept = _at_rows(operator, rows)
    places = {
        name: ("observation", sites[name].values[kept.site])
        for name in ("lon", "lat")
        if name in sites
    }
    excluded = dict(operator.excluded)
    if not known.all():
        excluded[_NO_ANSWER] = int((~known).sum())
    return _dataset(methods, modelled, kept, excluded).assign(places)


def scores_of(comparison: xr.Dataset, method: str, sample: Sample) -> dict[str, float]:
    """Scores of one method; empty where it lacks the sample."""
    row = comparison["scores"].loc[{"method": method, "sample": sample}]
    if bool(row.isnull().all()):
        return {}
    return {str(name): float(value) for name, value in zip(row["score"].values, row, strict=True)}


def comparison_json(comparison: xr.Dataset) -> dict[str, Any]:
    """Scores as nested dictionaries: method, sample, score."""
    methods = {
        name: {
            sample: found for sample in SAMPLES if (found := scores_of(comparison, name, sample))
        }
        for name in _methods(comparison)
    }
    return {
        "n_layers": int(comparison.sizes["observation"]),
        "n_sites": _count_sites(comparison),
        "excluded": json.loads(comparison.attrs["excluded"]),
        "units": {"rmse": "gC m-3", "bias": "gC m-3", "stock_rmse": "gC m-2"},
        "methods": methods,
    }


def format_comparison(comparison: xr.Dataset) -> str:
    """Tables for the terminal, one per sample."""
    lines = []
    for sample in SAMPLES:
        found = {name: scores_of(comparison, name, sample) for name in _methods(comparison)}
        rows = {name: row for name, row in found.items() if row}
        if rows:
            count = f"{comparison.sizes['observation']} observations"
            lines.append(f"{_SAMPLE_TITLES[sample]}: {count} at {_count_sites(comparison)} sites")
            lines += [*_table_lines(rows), ""]
    lines.append("RMSE and bias in kgC m-3, of log10 in decades; stock: 0-1 m. R² is the squared")
    lines.append("correlation, NSE is 1 - SSE/SST, CCC concordance; bias is modelled - observed.")
    unanswered = json.loads(comparison.attrs["excluded"]).get(_NO_ANSWER)
    if unanswered:
        lines.append(f"Left out of all: {unanswered} sites for which not every row has an answer.")
    return "\n".join(lines)


def _methods(comparison: xr.Dataset) -> list[str]:
    return [str(name) for name in comparison["method"].values]


def _count_sites(comparison: xr.Dataset) -> int:
    return int(np.unique(comparison["site"].values).size)


def _table_lines(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    width = max(len("method"), *(len(name) for name in rows)) + 2
    lines = ["method".ljust(width) + "".join(f"{heading:>11}" for _, heading, _, _ in _COLUMNS)]
    for name, row in rows.items():
        cells = (f"{row[score] * factor:>11.{digits}f}" for score, _, factor, digits in _COLUMNS)
        lines.append(name.ljust(width) + "".join(cells))
    return lines


def known_everywhere(sites: xr.Dataset, predictions: Sequence[Prediction]) -> NDArray[np.bool_]:
    """Whether every prediction has an answer for a site, shape (site,).

    Raises
    ------
    ValidationError
        If there is none, one comes twice, or one does not fit the sites.
    """
    if not predictions:
        raise ValidationError("there is no prediction to compare")
    shape = (sites.sizes["site"], sites.sizes["layer"])
    seen: set[tuple[str, str]] = set()
    known = np.ones(shape[0], dtype=bool)
    for prediction in predictions:
        key = (prediction.method, prediction.sample)
        if key in seen:
            raise ValidationError(f"method {key[0]!r} is given twice for sample {key[1]!r}")
        seen.add(key)
        if prediction.soc.shape != shape:
            raise ValidationError(
                f"method {prediction.method!r} has soil carbon of shape {prediction.soc.shape}, "
                f"the sites need {shape}; it was made for other sites"
            )
        known &= np.isfinite(prediction.soc).all(axis=1)
    return known


def _at_rows(operator: ObservationOperator, rows: NDArray[np.int64]) -> ObservationOperator:
    return ObservationOperator(
        site=operator.site[rows],
        obs=operator.obs[rows],
        values=operator.values[rows],
        depth=operator.depth[rows],
        matrix=operator.matrix[rows],
        excluded=operator.excluded,
    )


def _dataset(
    methods: Sequence[str],
    modelled: NDArray[np.float64],
    operator: ObservationOperator,
    excluded: Mapping[str, int],
) -> xr.Dataset:
    by_cell = {
        (method, sample): score_observations(operator, values)
        for method, by_sample in zip(methods, modelled, strict=True)
        for sample, values in zip(SAMPLES, by_sample, strict=True)
        if np.isfinite(values).all()
    }
    names = [name for name in next(iter(by_cell.values())) if not name.startswith("n_")]
    table = [
        [
            [by_cell.get((method, sample), {}).get(name, np.nan) for name in names]
            for sample in SAMPLES
        ]
        for method in methods
    ]
    by_observation = ("method", "sample", "observation")
    soc = {"units": "gC m-3"}
    return xr.Dataset(
        {
            "scores": (("method", "sample", "score"), np.array(table)),
            "observed": ("observation", operator.values, soc),
            "modelled": (by_observation, modelled, soc),
            "depth": ("observation", operator.depth, {"units": "m"}),
            "site": ("observation", operator.site),
        },
        coords={"method": list(methods), "sample": list(SAMPLES), "score": names},
        attrs={"excluded": json.dumps(dict(excluded))},
    )
