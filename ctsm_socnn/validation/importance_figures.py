"""Figures of permutation importance and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib.style
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ctsm_socnn.validation.figure_style import DIFFERENCE_COLOURS, LINE_COLOURS, STYLE, save_figure

__all__ = ["draw_gradients", "draw_importance"]

_TITLES: Final = {"nse": "NSE", "log_nse": "NSE of log10", "stock_nse": "NSE of 0-1 m stocks"}
_MOST_INPUTS: Final = 25


def draw_importance(importance: xr.Dataset, path: Path, *, overwrite: bool = False) -> None:
    """Draw by how much each score falls when a group of covariates, or a parameter, is shuffled.

    Parameters
    ----------
    importance : xarray.Dataset
        Result of `permutation_importance`.
    path : Path
    overwrite : bool
    """
    parts = [_moving(importance["loss"]), _moving(importance["parameter_loss"])]
    heights = [max(1, part.shape[0]) for part in parts]
    with matplotlib.style.context(dict(STYLE)):
        figure = Figure(figsize=(7.6, 0.24 * sum(heights) + 1.6), layout="constrained")
        n_scores = importance.sizes["score"]
        rows = figure.subplots(
            2, n_scores, sharex="col", sharey="row", squeeze=False, height_ratios=heights
        )
        for axes, part in zip(rows, parts, strict=True):
            for axis, score in zip(axes, importance["score"].values, strict=True):
                _bars(axis, part.sel(score=score))
        for axis, score in zip(rows[0], importance["score"].values, strict=True):
            base = float(importance["base"].sel(score=score))
            axis.set_title(f"{_TITLES[str(score)]} ({base:.2f})", fontsize=9)
        figure.supxlabel("loss when shuffled between sites; points are single shuffles", fontsize=9)
        save_figure(figure, path, overwrite=overwrite)


def _moving(loss: xr.DataArray) -> xr.DataArray:
    """Rows that lose or gain anything, the largest loss of NSE of log10 last."""
    mean = loss.mean("repeat")
    order = np.argsort(mean.sel(score="log_nse").values)
    return loss[order[np.abs(mean.values[order]).max(axis=1) > 0.0]]


def _bars(axis: Axes, loss: xr.DataArray) -> None:
    """Draw one bar for each row of losses, shape (row, shuffle), and a point for each shuffle."""
    names, values = loss[loss.dims[0]].values, loss.values
    axis.barh(names, values.mean(axis=1), color=LINE_COLOURS[2], height=0.7)
    # The points of single shuffles say how sure a bar is.
    for row, shuffles in enumerate(values):
        axis.plot(shuffles, np.full(shuffles.size, row), "k.", markersize=2)
    axis.axvline(0.0, color="black", linewidth=0.6)


def draw_gradients(gradients: xr.Dataset, path: Path, *, overwrite: bool = False) -> None:
    """Draw mean gradients of soil carbon and of parameters by input.

    Parameters
    ----------
    gradients : xarray.Dataset
        Result of `covariate_gradients`.
    path : Path
    overwrite : bool
    """
    strength = np.abs(gradients["soc_gradient"].values).mean(axis=(0, 1))
    inputs = np.sort(np.argsort(strength)[::-1][:_MOST_INPUTS])
    carbon = gradients["soc_gradient"].mean("site").isel(input=inputs)
    parameters = gradients["parameter_gradient"].mean("site").isel(input=inputs)
    moved = np.abs(parameters.values).max(axis=1) > 0.0
    parameters = parameters.isel(parameter=np.flatnonzero(moved))
    with matplotlib.style.context(dict(STYLE)):
        rows = carbon.sizes["target"] + parameters.sizes["parameter"]
        figure = Figure(figsize=(0.26 * inputs.size + 2.6, 0.24 * rows + 3.0), layout="constrained")
        heights = [carbon.sizes["target"], parameters.sizes["parameter"]]
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=heights)
        _panel(figure, upper, carbon, "ln of carbon")
        _panel(figure, lower, parameters, "fraction of the range")
        names = [str(name).removeprefix("cov_") for name in carbon["input"].values]
        lower.set_xticks(np.arange(len(names)), names, rotation=90, fontsize=7)
        title = "mean change by one standard deviation of an input"
        figure.suptitle(title, fontsize=9)
        save_figure(figure, path, overwrite=overwrite)


def _panel(figure: Figure, axis: Axes, gradient: xr.DataArray, label: str) -> None:
    """Draw one matrix of means, shape (row, input), about zero."""
    values = gradient.values
    limit = float(np.abs(values).max()) or 1.0
    mesh = axis.imshow(values, aspect="auto", cmap=DIFFERENCE_COLOURS, vmin=-limit, vmax=limit)
    names = gradient[str(gradient.dims[0])].values
    axis.set_yticks(np.arange(len(names)), names, fontsize=8)
    figure.colorbar(mesh, ax=axis, label=label, pad=0.01)
