"""Figures of modelled versus observed carbon."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib.style
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ctsm_socnn.model import SOIL_GRID
from ctsm_socnn.validation.carbon_times import CarbonTimes
from ctsm_socnn.validation.comparison import Sample, scores_of
from ctsm_socnn.validation.figure_style import (
    DENSITY_COLOURS,
    STYLE,
    hide_unused,
    line_styles,
    save_figure,
)
from ctsm_socnn.validation.groups import DEPTH_EDGES
from ctsm_socnn.validation.scores import LOG_FLOOR

__all__ = [
    "best_sample",
    "draw_carbon_times",
    "draw_depth_profiles",
    "draw_observed_modelled",
    "shown_values",
]

_HANDLE_WIDTH: Final = 0.5
_LETTER_WIDTH: Final = 0.07
"""Inches, of a legend in 8 points."""
_KILO: Final = 1000.0
_MOST_PANELS: Final = 9
_DEEPEST_SHOWN: Final = 3.0
"""m; below it profiles tell nothing."""
_SAMPLE_NOTES: Final[Mapping[Sample, str]] = {"in": "in sample", "out": "out of sample", "run": ""}


def draw_observed_modelled(comparison: xr.Dataset, path: Path, *, overwrite: bool = False) -> None:
    """Draw modelled against observed carbon with the density of points, one panel a method.

    Out of sample where a method has that, otherwise in sample; the panel says which.

    Parameters
    ----------
    comparison : xarray.Dataset
        Result of `compare_methods`.
    path : Path
        The suffix decides the format (png, pdf, svg).
    overwrite : bool
    """
    methods = [str(name) for name in comparison["method"].values]
    columns = min(len(methods), 4)
    rows = -(-len(methods) // columns)
    with matplotlib.style.context(dict(STYLE)):
        figure = Figure(figsize=(2.5 * columns + 1.0, 2.75 * rows + 0.7), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        limits = _shared_limits(comparison)
        for axis, method in zip(axes.flat, methods, strict=False):
            density = _density_panel(axis, comparison, method, limits)
        hide_unused(axes, len(methods))
        figure.supxlabel("observed soil organic carbon (kgC m$^{-3}$)", fontsize=9)
        figure.supylabel("modelled (kgC m$^{-3}$)", fontsize=9)
        figure.colorbar(density, ax=axes, label="observations per hexagon", shrink=0.8, pad=0.01)
        save_figure(figure, path, overwrite=overwrite)


def draw_depth_profiles(
    comparison: xr.Dataset,
    path: Path,
    *,
    group: NDArray[np.str_] | None = None,
    overwrite: bool = False,
) -> None:
    """Draw medians by depth: what was observed, with its middle half, and what each method gives.

    Parameters
    ----------
    comparison : xarray.Dataset
        Result of `compare_methods`.
    path : Path
    group : ndarray of str, shape (observation,), optional
        Such as the biome: one panel each for the nine groups with most observations.
    overwrite : bool
    """
    shown = _panels(comparison, group)
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    alone = len(shown) == 1
    size = (7.0, 4.4) if alone else (2.9 * columns, 2.7 * rows + 0.6)
    with matplotlib.style.context(dict(STYLE)):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axis, (title, inside) in zip(axes.flat, shown, strict=False):
            _depth_panel(axis, comparison, inside)
            axis.set_title(title, fontsize=9)
        hide_unused(axes, len(shown))
        first = axes.flat[0]
        deepest = 1.1 * float(np.nanpercentile(comparison["depth"].values, 99.0))
        first.set_ylim(min(deepest, _DEEPEST_SHOWN), 0.0)
        first.set_xscale("log")
        figure.supxlabel("soil organic carbon (kgC m$^{-3}$)", fontsize=9)
        figure.supylabel("depth (m)", fontsize=9)
        handles, labels = first.get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            fontsize=8,
            frameon=False,
            loc="outside right upper" if alone else "outside upper center",
            ncols=1 if alone else _legend_columns(size[0], labels),
        )
        save_figure(figure, path, overwrite=overwrite)


def draw_carbon_times(
    times: Mapping[str, CarbonTimes], path: Path, *, overwrite: bool = False
) -> None:
    """Draw turnover times and ages of soil organic carbon by depth, medians and interquartile ranges.

    Parameters
    ----------
    times : mapping of str to CarbonTimes
        By method, of the same sites.
    path : Path
    overwrite : bool
    """
    shown = SOIL_GRID.node_depth <= _DEEPEST_SHOWN
    with matplotlib.style.context(dict(STYLE)):
        figure = Figure(figsize=(7.2, 4.6), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        styles = line_styles(times)
        for method, found in times.items():
            transit = f"{method} (transit time {np.nanmedian(found.transit):.0f} yr)"
            for axis, values, label in (
                (axes[0], found.turnover, method),
                (axes[1], found.age, transit),
            ):
                low, middle, high = _layer_quartiles(values[:, shown])
                depth = SOIL_GRID.node_depth[shown]
                axis.fill_betweenx(
                    depth, low, high, color=styles[method]["color"], alpha=0.2, linewidth=0.0
                )
                axis.plot(middle, depth, **styles[method], marker="o", ms=3, label=label)
        for axis, title in zip(axes, ("turnover time (yr)", "mean age (yr)"), strict=True):
            axis.set_xscale("log")
            axis.set_xlabel(title)
        axes[0].set_ylabel("depth (m)")
        axes[0].set_ylim(_DEEPEST_SHOWN, 0.0)
        handles, labels = axes[1].get_legend_handles_labels()
        across = min(2, _legend_columns(7.2, labels))
        figure.legend(
            handles, labels, fontsize=8, frameon=False, loc="outside lower center", ncols=across
        )
        save_figure(figure, path, overwrite=overwrite)


def _legend_columns(width: float, labels: Sequence[str]) -> int:
    """How many columns of such labels a figure of that width (inches) can take."""
    widest = _HANDLE_WIDTH + _LETTER_WIDTH * max(map(len, labels))
    return max(1, min(3, int(width // widest)))


def _panels(
    comparison: xr.Dataset, group: NDArray[np.str_] | None
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Title and observations of each panel."""
    if group is None:
        return [("", np.ones(comparison.sizes["observation"], dtype=bool))]
    names, counts = np.unique(group, return_counts=True)
    largest = names[np.argsort(-counts, kind="stable")][:_MOST_PANELS]
    return [(f"{name} (n = {(group == name).sum()})", group == name) for name in sorted(largest)]


def _depth_panel(axis: Axes, comparison: xr.Dataset, inside: NDArray[np.bool_]) -> None:
    inside = inside & (comparison["depth"].values <= _DEEPEST_SHOWN)
    depths = comparison["depth"].values[inside]
    interval = np.clip(np.searchsorted(DEPTH_EDGES, depths, "right") - 1, 0, None)
    depth = np.array([np.median(depths[interval == level]) for level in np.unique(interval)])
    observed = comparison["observed"].values[inside] / _KILO
    low, middle, high = _quartiles(observed, interval)
    axis.fill_betweenx(depth, low, high, color="0.85", label="observed, interquartile range")
    axis.plot(middle, depth, color="black", linewidth=2.0, label="observed, median")
    for method, style in line_styles(map(str, comparison["method"].values)).items():
        # As in the log scores; a method without carbon at depth must not stretch the axis.
        modelled = np.maximum(shown_values(comparison, method)[inside], LOG_FLOOR) / _KILO
        _, middle, _ = _quartiles(modelled, interval)
        axis.plot(middle, depth, **style, marker="o", ms=3, label=method)


def _density_panel(
    axis: Axes, comparison: xr.Dataset, method: str, limits: tuple[float, float]
) -> Any:
    sample = best_sample(comparison, method)
    observed = comparison["observed"].values / _KILO
    modelled = np.maximum(shown_values(comparison, method) / _KILO, limits[0])
    extent = tuple(float(value) for value in np.log10([*limits, *limits]))
    density = axis.hexbin(
        observed,
        modelled,
        gridsize=32,
        xscale="log",
        yscale="log",
        extent=(extent[0], extent[1], extent[2], extent[3]),
        norm=LogNorm(vmin=1.0),
        cmap=DENSITY_COLOURS,
        mincnt=1,
        linewidths=0.1,
    )
    axis.plot(limits, limits, color="black", linewidth=0.8)
    found = scores_of(comparison, method, sample)
    text = f"NSE {found['nse']:.2f}   R² {found['r2']:.2f}\nlog NSE {found['log_nse']:.2f}"
    axis.text(0.04, 0.96, text, transform=axis.transAxes, va="top", fontsize=8)
    axis.set_title("\n".join(note for note in (method, _SAMPLE_NOTES[sample]) if note), fontsize=9)
    axis.set_xlim(*limits)
    axis.set_ylim(*limits)
    axis.set_aspect("equal")
    return density


def best_sample(comparison: xr.Dataset, method: str) -> Sample:
    """Sample that is shown of a method: out of sample where there is one."""
    preference: tuple[Sample, ...] = ("out", "in", "run")
    return next(sample for sample in preference if scores_of(comparison, method, sample))


def shown_values(comparison: xr.Dataset, method: str) -> NDArray[np.float64]:
    """Modelled values of the sample that is shown, gC m-3."""
    place = {"method": method, "sample": best_sample(comparison, method)}
    return np.asarray(comparison["modelled"].loc[place].values)


def _quartiles(values: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Quartiles of each group, shape (3, group)."""
    by_group = [np.percentile(values[group == level], [25, 50, 75]) for level in np.unique(group)]
    return np.array(by_group).T


def _layer_quartiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quartiles over rows of each layer, shape (3, layer); NaN where a layer holds nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanpercentile(values, [25, 50, 75], axis=0))


def _shared_limits(comparison: xr.Dataset) -> tuple[float, float]:
    """Limits (kgC m-3) that hold the observations, and what is modelled of it within reason."""
    observed = comparison["observed"].values / _KILO
    modelled = comparison["modelled"].values / _KILO
    usual = np.nanpercentile(modelled, [1.0, 99.5])
    lower = max(min(float(np.percentile(observed, 0.5)), float(usual[0])), 0.01)
    upper = max(float(observed.max()), float(usual[1]))
    return 0.8 * lower, 1.3 * upper
