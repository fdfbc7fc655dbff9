"""Maps of parameters, biases, and differences between the kernel and a run."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib.style
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.observations.coastline import draw_coastline
from ctsm_socnn.parameters import parameter
from ctsm_socnn.regrid.geometry import edges_between
from ctsm_socnn.validation.figure_style import (
    AMOUNT_COLOURS,
    DIFFERENCE_COLOURS,
    SPREAD_COLOURS,
    STYLE,
    hide_unused,
    save_figure,
)
from ctsm_socnn.validation.figures import shown_values
from ctsm_socnn.validation.scores import LOG_FLOOR

__all__ = [
    "MAPPED_PARAMETERS",
    "draw_bias_map",
    "draw_carbon_maps",
    "draw_kernel_differences",
    "draw_parameter_maps",
]

MAPPED_PARAMETERS: Final = ("efolding", "tau_s2", "tau_s3", "beta")
"""Parameters that soil profiles tell most about."""

_SPREAD: Final = "_sd"
MAPPED_STOCKS: Final = ("soc_stock_100cm", "soc_stock_column")

_GRAMS_IN_KILOGRAM: Final = 1000.0
_TITLE_WIDTH: Final = 36
_BIAS_LIMIT: Final = 0.6
"""Decades; a factor of four either way."""
_KERNEL_LIMIT: Final = 3.0
"""How often the allowed difference the colours of a map of differences reach."""
_HATCHING: Final = (("white", 1.4), ("black", 0.5))
"""Colour and width of the lines: dark ones on light ones are seen on any ground."""
_COLOURED: Final = (1.0, 99.0)
"""Percentiles between which the colours of a map run; a few odd cells would make all others one."""


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
    ratio = np.log10(np.maximum(shown_values(comparison, method), LOG_FLOOR))
    ratio -= np.log10(np.maximum(comparison["observed"].values, LOG_FLOOR))
    _, first, site = np.unique(comparison["site"].values, return_index=True, return_inverse=True)
    mean = np.bincount(site, weights=ratio) / np.bincount(site)
    lon, lat = (comparison[name].values[first] for name in ("lon", "lat"))
    with matplotlib.style.context(dict(STYLE)):
        figure = Figure(figsize=(6.2, 4.2), layout="constrained")
        axis = figure.subplots()
        points = axis.scatter(
            lon,
            lat,
            c=mean,
            cmap=DIFFERENCE_COLOURS,
            vmin=-_BIAS_LIMIT,
            vmax=_BIAS_LIMIT,
            s=14,
            edgecolors="0.4",
            linewidths=0.3,
        )
        axis.set_aspect(1.0 / np.cos(np.radians(float(lat.mean()))))
        draw_coastline(axis)
        axis.set_xlabel("longitude (degrees east)")
        axis.set_ylabel("latitude (degrees north)")
        label = "log10 of modelled / observed, mean over the profile"
        figure.colorbar(points, ax=axis, label=label, shrink=0.85, extend="both")
        save_figure(figure, path, overwrite=overwrite)


def draw_parameter_maps(
    maps: xr.Dataset,
    path: Path,
    *,
    names: Sequence[str] = MAPPED_PARAMETERS,
    overwrite: bool = False,
) -> None:
    """Draw maps of parameters and of their spread; hatched where the network had to extrapolate.

    Parameters
    ----------
    maps : xarray.Dataset
        In the schema of parameter maps, on `lat, lon`. A parameter with `<name>_sd` gets a second
        map, of the spread over the ensemble, unless that is 0 everywhere.
    path : Path
    names : sequence of str
        Parameters to draw.
    overwrite : bool

    Raises
    ------
    ValidationError
        If the maps are not on latitude and longitude.
    """
    shown = [each for name in names for each in (name, f"{name}{_SPREAD}") if _varies(maps, each)]
    _draw_maps([_parameter_map(maps, name) for name in shown], maps, path, overwrite)


def draw_carbon_maps(maps: xr.Dataset, path: Path, *, overwrite: bool = False) -> None:
    """Draw stocks of soil carbon and their spread; hatched where the network had to extrapolate.

    Parameters
    ----------
    maps : xarray.Dataset
        As `ctsm-socnn predict --soil-carbon` writes them, on `lat, lon`.
    path : Path
    overwrite : bool

    Raises
    ------
    ValidationError
        If the maps are not on latitude and longitude.
    """
    names = [each for name in MAPPED_STOCKS for each in (name, f"{name}{_SPREAD}")]
    shown = [name for name in names if _varies(maps, name)]
    _draw_maps([_stock_map(maps, name) for name in shown], maps, path, overwrite)


@dataclass(frozen=True)
class _Map:
    """What one panel shows."""

    values: xr.DataArray
    title: str
    label: str
    colours: str


def _parameter_map(maps: xr.Dataset, name: str) -> _Map:
    """Of a parameter, or of its spread under the name with `_sd`."""
    known = parameter(name.removesuffix(_SPREAD))
    spread = name.endswith(_SPREAD)
    title = f"spread over the ensemble: {known.name}" if spread else known.meaning
    label = name if known.units == "1" else f"{name} ({known.units})"
    return _Map(maps[name], title, label, SPREAD_COLOURS if spread else AMOUNT_COLOURS)


def _stock_map(maps: xr.Dataset, name: str) -> _Map:
    title = str(maps[name].attrs["long_name"])
    colours = SPREAD_COLOURS if name.endswith(_SPREAD) else AMOUNT_COLOURS
    return _Map(maps[name] / _GRAMS_IN_KILOGRAM, title, "kgC m$^{-2}$", colours)


def _draw_maps(panels: Sequence[_Map], maps: xr.Dataset, path: Path, overwrite: bool) -> None:
    if not {"lat", "lon"} <= set(maps.dims):
        raise ValidationError(
            f"maps have dimensions {tuple(maps.dims)}; only maps on (lat, lon) can be drawn"
        )
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    with matplotlib.style.context(dict(STYLE)):
        height = float(np.clip(2.9 / _aspect(maps), 0.8, 4.0)) + 0.6
        figure = Figure(figsize=(4.0 * columns, height * rows + 0.5), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axis, panel in zip(axes.flat, panels, strict=False):
            _map_panel(axis, maps, panel)
        hide_unused(axes, len(panels))
        figure.supxlabel("longitude (degrees east)", fontsize=9)
        figure.supylabel("latitude (degrees north)", fontsize=9)
        if "extrapolated" in maps:
            figure.suptitle("hatched: extrapolated, or without forcing", fontsize=9)
        save_figure(figure, path, overwrite=overwrite)


def draw_kernel_differences(check: xr.Dataset, path: Path, *, overwrite: bool = False) -> None:
    """Draw where the kernel and a run differ: one map per field, in units of what is allowed.

    Parameters
    ----------
    check : xarray.Dataset
        Result of `check_kernel`.
    path : Path
    overwrite : bool
    """
    fields = [str(name) for name in check["field"].values]
    columns = 4
    rows = -(-len(fields) // columns)
    with matplotlib.style.context(dict(STYLE)):
        figure = Figure(figsize=(2.4 * columns + 0.9, 1.75 * rows + 0.6), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axis, name in zip(axes.flat, fields, strict=False):
            row = check.sel(field=name)
            drawn = _difference_panel(axis, check, row["difference"] / row["allowed"])
            draw_coastline(axis)
            axis.set_title(f"{name}\nallowed {float(row['allowed']):.1%}", fontsize=8)
        hide_unused(axes, len(fields))
        label = "kernel minus run, in units of the tolerance"
        figure.colorbar(drawn, ax=axes, label=label, shrink=0.6, extend="both", pad=0.01)
        figure.supxlabel("longitude (degrees east)", fontsize=9)
        figure.supylabel("latitude (degrees north)", fontsize=9)
        save_figure(figure, path, overwrite=overwrite)


def _difference_panel(axis: Axes, check: xr.Dataset, values: xr.DataArray) -> Any:
    colours: dict[str, Any] = {
        "cmap": DIFFERENCE_COLOURS,
        "vmin": -_KERNEL_LIMIT,
        "vmax": _KERNEL_LIMIT,
    }
    lon, lat = check["lon"].values, check["lat"].values
    axis.set_facecolor("0.9")
    if "lndgrid" in values.dims:
        return axis.scatter(lon, lat, c=values.values, s=4, **colours)
    return axis.pcolormesh(lon, lat, values.values, shading="nearest", rasterized=True, **colours)


def _map_panel(axis: Axes, maps: xr.Dataset, panel: _Map) -> None:
    lon, lat = edges_between(maps["lon"].values), edges_between(maps["lat"].values)
    values = panel.values.transpose("lat", "lon").values
    low, high = np.nanpercentile(values, _COLOURED)
    mesh = axis.pcolormesh(
        *(lon, lat, values), cmap=panel.colours, vmin=low, vmax=high, rasterized=True
    )
    if "extrapolated" in maps:
        flag = maps["extrapolated"].transpose("lat", "lon").values
        _hatch(axis, lon, lat, (flag > 0) & np.isfinite(values))
    draw_coastline(axis)
    axis.set_title(textwrap.fill(panel.title, _TITLE_WIDTH), fontsize=9)
    axis.set_aspect(1.0 / np.cos(np.radians(float(lat.mean()))))
    figure = axis.get_figure()
    if figure is not None:
        figure.colorbar(mesh, ax=axis, label=panel.label, shrink=0.8, extend="both")


def _varies(maps: xr.Dataset, name: str) -> bool:
    """Whether there is something to draw: the spread of a single network is 0 everywhere."""
    return name in maps and (not name.endswith(_SPREAD) or float(np.nanmax(maps[name])) > 0.0)


def _hatch(
    axis: Axes, lon: NDArray[np.float64], lat: NDArray[np.float64], flagged: NDArray[np.bool_]
) -> None:
    if flagged.any():
        masked = np.ma.masked_where(~flagged, flagged)
        unseen = ListedColormap(["none"])
        for colour, width in _HATCHING:
            with matplotlib.style.context({"hatch.linewidth": width}):
                cells = axis.pcolor(lon, lat, masked, cmap=unseen, hatch="/////")
                cells.set(edgecolor=colour, linewidth=0.0)


def _aspect(maps: xr.Dataset) -> float:
    """Width of the map over its height on paper."""
    width, height = (float(np.ptp(edges_between(maps[name].values))) for name in ("lon", "lat"))
    return width * float(np.cos(np.radians(maps["lat"].values.mean()))) / height
