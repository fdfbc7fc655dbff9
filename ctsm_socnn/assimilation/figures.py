"""Figures of a site-by-site run: fits to profiles, posteriors of parameters, maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from numpy.typing import NDArray

from ctsm_socnn.errors import ConfigError
from ctsm_socnn.model import SOIL_GRID, Columns, steady_state
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.netcdf import atomic_output
from ctsm_socnn.parameters import PARAMETER_NAMES, to_unit

__all__ = [
    "chosen_sites",
    "draw_parameter_posteriors",
    "draw_profile_fits",
    "draw_site_maps",
    "representative_sites",
]

_COLUMNS: Final = 3
_BAND: Final = (0.05, 0.5, 0.95)
_SHALLOWEST_PANEL: Final = 0.3
"""m: a profile of one shallow layer is not drawn over the whole panel."""


def representative_sites(posterior: xr.Dataset, count: int = 6) -> list[int]:
    """Converged sites spread evenly from the best to the worst fit.

    Parameters
    ----------
    posterior : xarray.Dataset
        The posterior schema.
    count : int

    Returns
    -------
    list of int
        At most `count` places.
    """
    converged = np.flatnonzero(posterior["converged"].values == 1)
    ranked = converged[np.argsort(posterior["cost_mean"].values[converged], kind="stable")]
    places = np.linspace(0, ranked.size - 1, min(count, ranked.size)).round().astype(np.int64)
    return [int(site) for site in ranked[places]]


def chosen_sites(posterior: xr.Dataset, wanted: Sequence[int]) -> list[int]:
    """Rows of a posterior, by the places of the sites in the sites file.

    Raises
    ------
    ConfigError
        If a site is not in the posterior, or has not been run.
    """
    row = {int(place): i for i, place in enumerate(posterior["site_index"].values)}
    was_run = np.isfinite(posterior["cost_mean"].values)
    for place in wanted:
        if place not in row or not was_run[row[place]]:
            raise ConfigError(f"site {place} cannot be drawn: it does not exist or was not run")
    return [row[place] for place in wanted]


def draw_profile_fits(
    posterior: xr.Dataset, sites: xr.Dataset, chosen: Sequence[int], path: Path
) -> None:
    """Draw observed carbon, and median and 90 % credible band of modelled carbon, against depth.

    The kernel runs the posterior draws of the chosen sites anew, so that the band covers all of the
    profile and not only the depths with observations.

    Parameters
    ----------
    posterior, sites : xarray.Dataset
        Of the same sites.
    chosen : sequence of int
        Places of the sites to draw, one panel each; they have been run.
    path : Path
        PNG file.
    """
    columns = min(_COLUMNS, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(2.9 * columns, 2.9 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    low, middle, high = _modelled_quantiles(posterior, sites, chosen) / 1000.0
    for panel, (axis, site) in enumerate(zip(axes.flat, chosen, strict=False)):
        depth, observed = _observed(posterior, sites, site)
        deepest = 1.1 * max(depth.max(), _SHALLOWEST_PANEL)
        shown = slice(0, int(np.searchsorted(SOIL_GRID.node_depth, deepest)) + 1)
        nodes = SOIL_GRID.node_depth[shown]
        axis.fill_betweenx(
            nodes,
            low[panel, shown],
            high[panel, shown],
            alpha=0.3,
            linewidth=0,
            label="90 % credible",
        )
        axis.plot(middle[panel, shown], nodes, label="posterior median")
        axis.plot(observed, depth, "k.", label="observed")
        axis.set_xlim(left=0.0)
        axis.set_ylim(deepest, 0.0)
        axis.set_title(_label(posterior, site), fontsize="medium")
    for axis in axes.flat[len(chosen) :]:
        axis.remove()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    figure.supxlabel("soil organic carbon (kgC m$^{-3}$)", fontsize="medium")
    figure.supylabel("depth (m)", fontsize="medium")
    _save(figure, path)


def draw_parameter_posteriors(posterior: xr.Dataset, chosen: Sequence[int], path: Path) -> None:
    """Draw median and central 50 and 95 % of each parameter, between its bounds.

    Parameters
    ----------
    posterior : xarray.Dataset
    chosen : sequence of int
        Places of the sites to draw, one colour each.
    path : Path
        PNG file.
    """
    figure = Figure(figsize=(7.0, 8.0), layout="constrained")
    axis = figure.subplots()
    row = np.arange(len(PARAMETER_NAMES))
    for place, site in enumerate(chosen):
        low, lower, median, upper, high = to_unit(posterior["quantile"].values[site])
        offset = row + 0.7 * (place + 0.5) / len(chosen) - 0.35
        axis.hlines(offset, low, high, color=f"C{place}", linewidth=1)
        axis.hlines(offset, lower, upper, color=f"C{place}", linewidth=3)
        label = _label(posterior, site)
        axis.plot(
            median, offset, "o", color=f"C{place}", markeredgecolor="k", markersize=4, label=label
        )
    axis.set_yticks(row, PARAMETER_NAMES)
    axis.hlines(row[:-1] + 0.5, 0.0, 1.0, color="0.85", linewidth=0.5)
    axis.set_xlim(0.0, 1.0)
    axis.set_ylim(row[-1] + 0.5, -0.5)
    axis.set_xlabel("position between the bounds (point: median; thick: 50 %, thin: 95 %)")
    figure.legend(fontsize="small", frameon=False, loc="outside upper center", ncols=3)
    _save(figure, path)


def draw_site_maps(posterior: xr.Dataset, variable: str, path: Path) -> None:
    """Draw `mean` or `contraction` of every parameter at the sites that have converged.

    A site is left out of the map of a parameter that its carbon does not depend on. Colours of means
    leave out the outermost hundredth on either side.

    Parameters
    ----------
    posterior : xarray.Dataset
    variable : {"mean", "contraction"}
    path : Path
        PNG file.
    """
    converged = posterior["converged"].values == 1
    lon, lat = posterior["lon"].values, posterior["lat"].values
    aspect = 1.0 / np.cos(np.radians(lat.mean()))
    tallness = float(np.clip(aspect * np.ptp(lat) / max(np.ptp(lon), 0.1), 0.4, 1.3))
    rows, columns = (3, 7) if tallness > 1.0 else (7, 3)
    width = 16.0 / columns
    height = rows * (0.75 * width * tallness + 0.6)
    figure = Figure(figsize=(16.0, height), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True)
    shown = posterior[variable].values
    points = None
    for i, (axis, name) in enumerate(zip(axes.flat, PARAMETER_NAMES, strict=True)):
        known = converged & (posterior["identifiable"].values[:, i] == 1)
        units = str(posterior["parameter_units"].values[i])
        axis.set_title(f"{name} ({units})" if variable == "mean" else name, fontsize="medium")
        axis.set_aspect(aspect)
        if not known.any():
            axis.text(0.5, 0.5, "no effect on SOC", transform=axis.transAxes, ha="center")
            continue
        limits = (0.0, 1.0)
        if variable == "mean":
            limits = tuple(np.quantile(shown[known, i], (0.01, 0.99)))
        points = axis.scatter(
            lon[known],
            lat[known],
            c=shown[known, i],
            s=_point_size(lon.size),
            cmap="cividis",
            vmin=limits[0],
            vmax=limits[1],
            linewidths=0,
        )
        if variable == "mean":
            _own_colour_bar(axis, points)
    if variable == "contraction" and points is not None:
        label = "contraction (1 - posterior variance / prior variance)"
        figure.colorbar(points, ax=axes, shrink=0.5, pad=0.01, label=label)
    figure.supxlabel("longitude (degrees)", fontsize="medium")
    figure.supylabel("latitude (degrees)", fontsize="medium")
    _save(figure, path)


def _own_colour_bar(axis: Axes, points: PathCollection) -> None:
    numbers = ScalarFormatter()
    numbers.set_powerlimits((-2, 4))
    bar = axis.figure.colorbar(points, ax=axis, shrink=0.9, extend="both", format=numbers)
    bar.ax.tick_params(labelsize="small")


def _point_size(count: int) -> float:
    """Area of a point, so that many sites do not hide each other."""
    return float(np.clip(16_000.0 / count, 0.8, 16.0))


def _label(posterior: xr.Dataset, site: int) -> str:
    lon = (float(posterior["lon"][site]) + 180.0) % 360.0 - 180.0
    lat = float(posterior["lat"][site])
    east, north = ("E" if lon >= 0.0 else "W"), ("N" if lat >= 0.0 else "S")
    place = f"{abs(lat):.1f}°{north} {abs(lon):.1f}°{east}"
    return f"site {int(posterior['site_index'][site])} ({place})"


def _modelled_quantiles(
    posterior: xr.Dataset, sites: xr.Dataset, chosen: Sequence[int]
) -> NDArray[np.float64]:
    """5, 50 and 95 % of modelled carbon, shape (3, chosen, layer), gC m-3."""
    columns = Columns.from_sites(sites.isel(site=list(chosen)))
    draws = posterior["draws"].isel(site=list(chosen)).values.astype(np.float64)
    index = np.repeat(np.arange(draws.shape[0]), draws.shape[1])
    soc = steady_state(columns, draws.reshape(index.size, -1), index).soc
    return np.quantile(soc.reshape(*draws.shape[:2], -1), _BAND, axis=1)


def _observed(
    posterior: xr.Dataset, sites: xr.Dataset, site: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Depth (m) and carbon (kgC m-3) of the observations that the fit has used."""
    row = sites.isel(site=[site])
    operator = ObservationOperator.from_sites(row)
    used = np.isfinite(posterior["soc_fit"].values[site, operator.obs])
    return operator.depth[used], operator.values[used] / 1000.0


def _save(figure: Figure, path: Path) -> None:
    with atomic_output(path, overwrite=True) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
