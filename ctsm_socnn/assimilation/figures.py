"""Figures of a site-by-site run: fits of profiles, posteriors of parameters, maps of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ctsm_socnn.netcdf import atomic_output
from ctsm_socnn.parameters import PARAMETER_NAMES, to_unit

__all__ = [
    "draw_parameter_posteriors",
    "draw_profile_fits",
    "draw_site_maps",
    "representative_sites",
]

_COLUMNS: Final = 3
_TWO_SIDED_90: Final = 1.645


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


def draw_profile_fits(
    posterior: xr.Dataset, sites: xr.Dataset, chosen: Sequence[int], path: Path
) -> None:
    """Draw observed carbon and the 90 % credible band of modelled carbon against depth.

    Parameters
    ----------
    posterior, sites : xarray.Dataset
        Of the same sites.
    chosen : sequence of int
        Places of the sites to draw, one panel each.
    path : Path
        PNG file.
    """
    rows = -(-len(chosen) // _COLUMNS)
    figure = Figure(figsize=(3.2 * _COLUMNS, 3.2 * rows), layout="constrained")
    axes = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axis, site in zip(axes.flat, chosen, strict=False):
        depth, fit, sd, observed = _profile(posterior, sites, site)
        axis.fill_betweenx(
            depth, fit - _TWO_SIDED_90 * sd, fit + _TWO_SIDED_90 * sd, alpha=0.3, linewidth=0
        )
        axis.plot(fit, depth, label="posterior mean, 90 %")
        axis.plot(observed, depth, "k.", label="observed")
        axis.invert_yaxis()
        axis.set_title(f"site {int(posterior['site_index'][site])}", fontsize="medium")
    axes[0, 0].legend(fontsize="small", frameon=False, loc="lower right")
    for axis in axes.flat[len(chosen) :]:
        axis.remove()
    figure.supxlabel("soil organic carbon (kgC m$^{-3}$)")
    figure.supylabel("depth (m)")
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
        label = f"site {int(posterior['site_index'][site])}"
        axis.plot(
            median, offset, "o", color=f"C{place}", markeredgecolor="k", markersize=4, label=label
        )
    axis.set_yticks(row, PARAMETER_NAMES)
    axis.set_xlim(0.0, 1.0)
    axis.invert_yaxis()
    axis.set_xlabel("place between the bounds")
    axis.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    _save(figure, path)


def draw_site_maps(posterior: xr.Dataset, variable: str, path: Path) -> None:
    """Draw `mean` or `contraction` of every parameter at the sites.

    Parameters
    ----------
    posterior : xarray.Dataset
    variable : {"mean", "contraction"}
    path : Path
        PNG file.
    """
    figure = Figure(figsize=(16.0, 8.0), layout="constrained")
    axes = figure.subplots(3, 7, sharex=True, sharey=True)
    known = posterior["converged"].values == 1
    limits = {"vmin": 0.0, "vmax": 1.0} if variable == "contraction" else {}
    for i, (axis, name) in enumerate(zip(axes.flat, PARAMETER_NAMES, strict=True)):
        values = posterior[variable].values[known, i]
        points = axis.scatter(
            posterior["lon"].values[known],
            posterior["lat"].values[known],
            c=values,
            s=3,
            cmap="cividis",
            **limits,
        )
        figure.colorbar(points, ax=axis, shrink=0.8)
        units = str(posterior["parameter_units"].values[i]) if variable == "mean" else "1"
        axis.set_title(f"{name} ({units})", fontsize="medium")
    _save(figure, path)


def _profile(
    posterior: xr.Dataset, sites: xr.Dataset, site: int
) -> tuple[NDArray[np.float64], ...]:
    """Depth (m), fit, its sd and the observation (kgC m-3), from the top down."""
    if "soc_depth" in sites:
        depth = sites["soc_depth"].values[site]
    else:
        depth = 0.5 * (sites["soc_top"].values[site] + sites["soc_bottom"].values[site])
    fit, sd = (posterior[name].values[site] / 1000.0 for name in ("soc_fit", "soc_fit_sd"))
    used = np.flatnonzero(np.isfinite(fit) & np.isfinite(depth))
    used = used[np.argsort(depth[used], kind="stable")]
    return depth[used], fit[used], sd[used], sites["soc"].values[site][used] / 1000.0


def _save(figure: Figure, path: Path) -> None:
    with atomic_output(path, overwrite=True) as temporary:
        figure.savefig(temporary, dpi=150, format="png")
