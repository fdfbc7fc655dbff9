"""Summary of a set of profiles: counts by flag and source, depth profiles and a map."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ctsm_socnn.netcdf import atomic_output
from ctsm_socnn.observations.coastline import draw_coastline
from ctsm_socnn.observations.profiles import profile_index
from ctsm_socnn.observations.quality import EXCLUDING, REASONS

__all__ = ["draw_depth_profiles", "draw_map", "reason_table", "source_table", "summary"]

_DEPTH_EDGES: Final = np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0])
_QUANTILES: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
_DRAWN: Final = 300
"""Profiles that are drawn one by one behind the quantiles, evenly picked."""

_KILO: Final = 1e-3
_SMALLEST_DRAWN: Final = 0.1
"""kgC m-3: less is below what a laboratory can tell, and would stretch the axis."""


def summary(profiles: xr.Dataset) -> dict[str, int]:
    """Numbers of profiles and samples, all and usable."""
    usable = _usable(profiles)
    return {
        "profiles": profiles.sizes["profile"],
        "profiles_usable": np.unique(profile_index(profiles)[usable]).size,
        "layers": profiles.sizes["sample"],
        "layers_usable": int(usable.sum()),
    }


def reason_table(profiles: xr.Dataset) -> pd.DataFrame:
    """One row a reason that holds for any sample.

    Returns
    -------
    pandas.DataFrame
        `reason`, `kind` (excluded or noted), `layers`, `profiles`, `meaning`; most frequent first
        within each kind.
    """
    flags, index = profiles["flag"].values, profile_index(profiles)
    rows = []
    for reason in REASONS:
        holds = (flags & reason.bit) != 0
        if holds.any():
            kind = "excluded" if reason.excludes else "noted"
            touched = np.unique(index[holds]).size
            rows.append((reason.name, kind, int(holds.sum()), touched, reason.meaning))
    table = pd.DataFrame(rows, columns=["reason", "kind", "layers", "profiles", "meaning"])
    return table.sort_values(["kind", "layers"], ascending=[True, False], ignore_index=True)


def source_table(profiles: xr.Dataset) -> pd.DataFrame:
    """One row a source: `source`, `profiles`, `layers`, `usable` layers."""
    index = profile_index(profiles)
    names = (
        profiles["source"].values.astype(str)
        if "source" in profiles
        else np.full(profiles.sizes["profile"], "unknown")
    )
    layers = pd.DataFrame(
        {"source": names[index], "profiles": index, "layers": 1, "usable": _usable(profiles)}
    )
    return (
        layers.groupby("source")
        .agg({"profiles": "nunique", "layers": "sum", "usable": "sum"})
        .sort_values("layers", ascending=False)
        .reset_index()
    )


def draw_depth_profiles(profiles: xr.Dataset, path: Path, *, overwrite: bool = False) -> None:
    """Draw carbon density against depth: some profiles, and quantiles of all.

    Raises
    ------
    FileError
    """
    figure = Figure(figsize=(5.0, 6.0), layout="constrained")
    axes = figure.subplots()
    usable = _usable(profiles)
    middle, soc = _middle(profiles)[usable], profiles["soc"].values[usable]
    index = profile_index(profiles)[usable]
    for profile in _evenly(np.unique(index), _DRAWN):
        one = index == profile
        label = "single profiles" if profile == index[0] else None
        axes.plot(_KILO * soc[one], middle[one], "0.75", linewidth=0.5, zorder=1, label=label)
    _draw_quantiles(axes, middle, _KILO * soc)
    axes.set(xscale="log", xlabel="organic carbon (kgC m$^{-3}$)", ylabel="depth (m)")
    axes.set_ylim(_DEPTH_EDGES[-1], 0.0)
    axes.set_xlim(left=_SMALLEST_DRAWN)
    _save(figure, path, overwrite)


def draw_map(profiles: xr.Dataset, path: Path, *, overwrite: bool = False) -> None:
    """Draw where the profiles lie, coloured by the mean density of their usable samples.

    Raises
    ------
    FileError
    """
    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    axes = figure.subplots()
    usable, index = _usable(profiles), profile_index(profiles)
    count = np.bincount(index[usable], minlength=profiles.sizes["profile"])
    total = np.bincount(
        index[usable], profiles["soc"].values[usable], minlength=profiles.sizes["profile"]
    )
    good = count > 0
    lon, lat = (profiles[name].values for name in ("lon", "lat"))
    axes.scatter(lon[~good], lat[~good], s=8, marker="x", color="0.6", label="not usable")
    if good.any():
        mean = np.maximum(_KILO * total[good] / count[good], _SMALLEST_DRAWN)
        points = axes.scatter(lon[good], lat[good], s=6, c=mean, cmap="viridis", norm=LogNorm())
        figure.colorbar(points, ax=axes, shrink=0.8, label="mean organic carbon (kgC m$^{-3}$)")
    axes.set(xlabel="longitude (degrees)", ylabel="latitude (degrees)")
    draw_coastline(axes)
    axes.set_aspect(1.0 / np.cos(np.radians(np.nanmean(lat))))
    if (~good).any():
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderpad=0.0)
    _save(figure, path, overwrite)


def _usable(profiles: xr.Dataset) -> NDArray[np.bool_]:
    return np.asarray((profiles["flag"].values & EXCLUDING) == 0)


def _middle(profiles: xr.Dataset) -> NDArray[np.float64]:
    if "depth" in profiles:
        return np.asarray(profiles["depth"].values)
    return np.asarray(0.5 * (profiles["top"].values + profiles["bottom"].values))


def _evenly(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    if values.size <= count:
        return values
    return values[np.linspace(0, values.size - 1, count).astype(np.int64)]


def _draw_quantiles(axes: Axes, depth: NDArray[np.float64], soc: NDArray[np.float64]) -> None:
    bins = np.digitize(depth, _DEPTH_EDGES) - 1
    filled = [b for b in range(_DEPTH_EDGES.size - 1) if (bins == b).any()]
    middles = 0.5 * (_DEPTH_EDGES[:-1] + _DEPTH_EDGES[1:])[filled]
    if not filled:
        return
    table = np.array([np.quantile(soc[bins == b], _QUANTILES) for b in filled])
    axes.fill_betweenx(
        middles, table[:, 0], table[:, 4], color="C0", alpha=0.25, label="10 to 90 %", zorder=2
    )
    axes.fill_betweenx(
        middles, table[:, 1], table[:, 3], color="C0", alpha=0.4, label="25 to 75 %", zorder=3
    )
    axes.plot(table[:, 2], middles, color="C1", linewidth=2, label="median", zorder=4)
    axes.legend(frameon=False, loc="lower right")


def _save(figure: Figure, path: Path, overwrite: bool) -> None:
    with atomic_output(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=150, format=path.suffix.lstrip("."))
