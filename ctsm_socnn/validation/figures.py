"""Figures of scores and maps: readable in print, in grey and for the colour-blind."""

from __future__ import annotations

import textwrap
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

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.netcdf import atomic_output
from ctsm_socnn.parameters import parameter
from ctsm_socnn.validation.comparison import Sample, scores_of
from ctsm_socnn.validation.intervals import DEPTH_EDGES
from ctsm_socnn.validation.scores import LOG_FLOOR

__all__ = [
    "MAPPED_PARAMETERS",
    "draw_bias_map",
    "draw_depth_profiles",
    "draw_observed_modelled",
    "draw_parameter_maps",
]

MAPPED_PARAMETERS: Final = ("efolding", "tau_s2", "tau_s3", "beta")
"""Parameters that soil profiles tell most about."""

_COLOURS: Final = "cividis"
_DENSITY_COLOURS: Final = "cividis_r"
"""Dark where there is most, so that paper and few points look alike."""
_TITLE_WIDTH: Final = 36
# Okabe and Ito's colours, and line styles for print in grey.
_LINE_COLOURS: Final = ("#999999", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2")
_LINE_STYLES: Final = (":", "--", "-.", "-", (0, (1, 1)), (0, (5, 1)), (0, (3, 1, 1, 1)))
_KILO: Final = 1000.0
_STYLE: Final[Mapping[str, Any]] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.4,
}
_DPI: Final = 200
_BIAS_LIMIT: Final = 0.6
"""Decades; a factor of four either way."""
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
    with matplotlib.style.context(dict(_STYLE)):
        figure = Figure(figsize=(2.5 * columns + 1.0, 2.75 * rows + 0.7), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        limits = _shared_limits(comparison)
        for axis, method in zip(axes.flat, methods, strict=False):
            density = _density_panel(axis, comparison, method, limits)
        for axis in axes.flat[len(methods) :]:
            axis.set_visible(False)
        figure.supxlabel("observed soil organic carbon (kgC m$^{-3}$)", fontsize=9)
        figure.supylabel("modelled (kgC m$^{-3}$)", fontsize=9)
        figure.colorbar(density, ax=axes, label="observations a cell", shrink=0.8, pad=0.01)
        _save(figure, path, overwrite)


def draw_depth_profiles(comparison: xr.Dataset, path: Path, *, overwrite: bool = False) -> None:
    """Draw medians by depth: what was observed, with its middle half, and what each method gives.

    Parameters
    ----------
    comparison : xarray.Dataset
        Result of `compare_methods`.
    path : Path
    overwrite : bool
    """
    group = np.clip(np.searchsorted(DEPTH_EDGES, comparison["depth"].values, "right") - 1, 0, None)
    levels = np.unique(group)
    depth = [float(np.median(comparison["depth"].values[group == level])) for level in levels]
    with matplotlib.style.context(dict(_STYLE)):
        figure = Figure(figsize=(4.6, 4.4), layout="constrained")
        axis = figure.subplots()
        observed = comparison["observed"].values / _KILO
        low, middle, high = _quartiles(observed, group)
        axis.fill_betweenx(depth, low, high, color="0.85", label="observed, middle half")
        axis.plot(middle, depth, color="black", linewidth=2.0, label="observed, median")
        lines = zip(comparison["method"].values, _LINE_COLOURS, _LINE_STYLES, strict=False)
        for method, colour, line in lines:
            # As in the log scores; a method without carbon at depth must not stretch the axis.
            modelled = np.maximum(_modelled(comparison, str(method)), LOG_FLOOR) / _KILO
            _, middle, _ = _quartiles(modelled, group)
            axis.plot(middle, depth, color=colour, linestyle=line, marker="o", ms=3, label=method)
        axis.invert_yaxis()
        axis.set_xscale("log")
        axis.set_xlabel("soil organic carbon (kgC m$^{-3}$)")
        axis.set_ylabel("depth (m)")
        axis.legend(fontsize=8, frameon=False)
        _save(figure, path, overwrite)


def draw_bias_map(
    comparison: xr.Dataset, method: str, path: Path, *, overwrite: bool = False
) -> None:
    """Draw, for each site, how far modelled carbon lies above or below the observed.

    Parameters
    ----------
    comparison : xarray.Dataset
        Result of `compare_methods` of sites with `lon` and `lat`.
    method : str
    path : Path
    overwrite : bool
    """
    ratio = np.log10(np.maximum(_modelled(comparison, method), LOG_FLOOR))
    ratio -= np.log10(np.maximum(comparison["observed"].values, LOG_FLOOR))
    _, first, site = np.unique(comparison["site"].values, return_index=True, return_inverse=True)
    mean = np.bincount(site, weights=ratio) / np.bincount(site)
    lon, lat = (comparison[name].values[first] for name in ("lon", "lat"))
    with matplotlib.style.context(dict(_STYLE)):
        figure = Figure(figsize=(6.2, 4.2), layout="constrained")
        axis = figure.subplots()
        points = axis.scatter(
            lon,
            lat,
            c=mean,
            cmap="PuOr_r",
            vmin=-_BIAS_LIMIT,
            vmax=_BIAS_LIMIT,
            s=14,
            edgecolors="0.4",
            linewidths=0.3,
        )
        axis.set_aspect(1.0 / np.cos(np.radians(float(lat.mean()))))
        axis.set_xlabel("longitude (degrees east)")
        axis.set_ylabel("latitude (degrees north)")
        label = "log10 of modelled over observed, mean of the profile"
        figure.colorbar(points, ax=axis, label=label, shrink=0.85, extend="both")
        _save(figure, path, overwrite)


def draw_parameter_maps(
    maps: xr.Dataset,
    path: Path,
    *,
    names: Sequence[str] = MAPPED_PARAMETERS,
    overwrite: bool = False,
) -> None:
    """Draw maps of parameters; hatched where the network had to extrapolate.

    Parameters
    ----------
    maps : xarray.Dataset
        In the schema of parameter maps, on `lat, lon`.
    path : Path
    names : sequence of str
        Parameters to draw.
    overwrite : bool

    Raises
    ------
    ValidationError
        If the maps are not on latitude and longitude.
    """
    if not {"lat", "lon"} <= set(maps.dims):
        raise ValidationError(
            f"maps have dimensions {tuple(maps.dims)}; only maps on (lat, lon) can be drawn"
        )
    columns = min(len(names), 2)
    rows = -(-len(names) // columns)
    with matplotlib.style.context(dict(_STYLE)):
        aspect = _aspect(maps)
        figure = Figure(
            figsize=(4.0 * columns, (2.9 / aspect + 0.6) * rows + 0.5), layout="constrained"
        )
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axis, name in zip(axes.flat, names, strict=False):
            _map_panel(axis, maps, name)
        for axis in axes.flat[len(names) :]:
            axis.set_visible(False)
        figure.supxlabel("longitude (degrees east)", fontsize=9)
        figure.supylabel("latitude (degrees north)", fontsize=9)
        if "extrapolated" in maps:
            figure.suptitle("hatched: covariates outside the training range", fontsize=9)
        _save(figure, path, overwrite)


def _density_panel(
    axis: Axes, comparison: xr.Dataset, method: str, limits: tuple[float, float]
) -> Any:
    sample = _best_sample(comparison, method)
    observed = comparison["observed"].values / _KILO
    modelled = np.maximum(_modelled(comparison, method) / _KILO, limits[0])
    extent = tuple(float(value) for value in np.log10([*limits, *limits]))
    density = axis.hexbin(
        observed,
        modelled,
        gridsize=32,
        xscale="log",
        yscale="log",
        extent=(extent[0], extent[1], extent[2], extent[3]),
        norm=LogNorm(vmin=1.0),
        cmap=_DENSITY_COLOURS,
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


def _best_sample(comparison: xr.Dataset, method: str) -> Sample:
    preference: tuple[Sample, ...] = ("out", "in", "run")
    return next(sample for sample in preference if scores_of(comparison, method, sample))


def _modelled(comparison: xr.Dataset, method: str) -> NDArray[np.float64]:
    """Modelled values of the sample that is shown, gC m-3."""
    place = {"method": method, "sample": _best_sample(comparison, method)}
    return np.asarray(comparison["modelled"].loc[place].values)


def _quartiles(values: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Quartiles of each group, shape (3, group)."""
    by_group = [np.percentile(values[group == level], [25, 50, 75]) for level in np.unique(group)]
    return np.array(by_group).T


def _shared_limits(comparison: xr.Dataset) -> tuple[float, float]:
    """Limits (kgC m-3) that hold the observations, and what is modelled of it within reason."""
    observed = comparison["observed"].values / _KILO
    modelled = comparison["modelled"].values / _KILO
    usual = np.nanpercentile(modelled, [1.0, 99.5])
    lower = max(min(float(np.percentile(observed, 0.5)), float(usual[0])), 0.01)
    upper = max(float(observed.max()), float(usual[1]))
    return 0.8 * lower, 1.3 * upper


def _map_panel(axis: Axes, maps: xr.Dataset, name: str) -> None:
    lon, lat = maps["lon"].values, maps["lat"].values
    values = maps[name].transpose("lat", "lon").values
    mesh = axis.pcolormesh(lon, lat, values, cmap=_COLOURS, shading="nearest", rasterized=True)
    if "extrapolated" in maps:
        flag = maps["extrapolated"].transpose("lat", "lon").values
        _hatch(axis, lon, lat, (flag > 0) & np.isfinite(values))
    axis.set_title(textwrap.fill(parameter(name).meaning, _TITLE_WIDTH), fontsize=9)
    axis.set_aspect(1.0 / np.cos(np.radians(float(lat.mean()))))
    unit = parameter(name).units
    label = name if unit == "1" else f"{name} ({unit})"
    figure = axis.get_figure()
    if figure is not None:
        figure.colorbar(mesh, ax=axis, label=label, shrink=0.8)


def _hatch(
    axis: Axes, lon: NDArray[np.float64], lat: NDArray[np.float64], flagged: NDArray[np.bool_]
) -> None:
    if flagged.any():
        axis.contourf(lon, lat, flagged, levels=[0.5, 1.5], colors="none", hatches=["////"])


def _aspect(maps: xr.Dataset) -> float:
    """Width of the map over its height on paper."""
    lon, lat = maps["lon"].values, maps["lat"].values
    height = max(float(np.ptp(lat)), 1e-6)
    return float(np.ptp(lon)) * float(np.cos(np.radians(lat.mean()))) / height


def _save(figure: Figure, path: Path, overwrite: bool) -> None:
    with atomic_output(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=_DPI)
