"""Parameter maps onto a model grid.

The rules. Parameters are intensive: a target cell gets the mean over the part of it that data
cover, if that is at least `min_fraction`. What remains uncovered on land is filled and flagged.
Classes and flags go by majority. Bounds are kept, and the fractions that leave a pool by two ways
keep a sum below 1.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse

from ctsm_socnn.errors import GridError
from ctsm_socnn.parameters import (
    PARAMETER_NAMES,
    SPLITS,
    TurnoverConvention,
    convert_turnover_times,
    parameter,
)
from ctsm_socnn.regrid.backends import make_weights
from ctsm_socnn.regrid.fill import Fill, FillFlag, FillPlan, plan_fill
from ctsm_socnn.regrid.geometry import FloatArray, Grid, GridKind, unit_vectors
from ctsm_socnn.regrid.grid_files import centre_variables, grid_of
from ctsm_socnn.regrid.masks import SAME_CELL
from ctsm_socnn.regrid.weights import Method, RemapWeights

__all__ = ["LEAST_FRACTION", "data_grid", "regrid_maps"]

LEAST_FRACTION: Final = 0.01
"""Least covered share of a target cell: less is the sliver between two ways of drawing edges."""
_LARGEST_SUM: Final = 1.0 - 1e-6
_NO_CLASS: Final = -1
_SPATIAL: Final = (("lat", "lon"), ("y", "x"), ("lndgrid",), ("gridcell",), ("cell",))
_CONVENTION: Final = "turnover_time_convention"


@dataclass(frozen=True)
class _Operation:
    """From the data grid to the model grid and its gaps."""

    weights: RemapWeights
    plan: FillPlan
    min_fraction: float

    def means(self, fields: FloatArray) -> FloatArray:
        """Intensive fields, shape (source cell, ...) to (target cell, ...)."""
        return self.plan.apply(self.weights.apply(fields, self.min_fraction))

    def majority(self, classes: NDArray[np.integer]) -> NDArray[np.integer]:
        """Class with the largest share, shape (source cell, ...) to (target cell, ...)."""
        reached = self.weights.reached(self.min_fraction)
        result = _majority(self.weights.matrix, classes)
        result[~reached] = _NO_CLASS
        result[self.plan.cells] = _majority(self.plan.donors, result)[self.plan.group]
        return result


def regrid_maps(
    maps: xr.Dataset,
    target: Grid,
    *,
    method: Method = Method.CONSERVATIVE,
    min_fraction: float = LEAST_FRACTION,
    fill: Fill = Fill.NEAREST,
    weights: RemapWeights | None = None,
    source: Grid | None = None,
    biomes: NDArray[np.integer] | None = None,
    backend: str = "auto",
) -> xr.Dataset:
    """Regrid parameter maps to a model grid.

    Parameters
    ----------
    maps : xarray.Dataset
        Fields on (lat, lon), (y, x) or (cell,), further dimensions such as draws allowed: the
        parameters by the registry's names with `valid_min` and `valid_max`, `<name>_sd`,
        flags and classes (integers).
    target : Grid
        The model grid; its mask says what is land.
    method : Method
    min_fraction : float, 1
        Minimum covered fraction of a target cell.
    fill : Fill
    weights : RemapWeights, optional
        Made before for `data_grid(maps)` and `target`; made here otherwise.
    source : Grid, optional
        The grid of the maps, where they do not carry enough of it themselves.
    biomes : ndarray of int, shape (target cell,), optional
        For `Fill.BIOME`.
    backend : {"auto", "esmpy", "own"}

    Returns
    -------
    xarray.Dataset
        The same variables on the dimensions of the target, with `filled` (see `FillFlag`),
        `covered_fraction` and `landmask`. Over sea, fields are NaN and classes -1.

    Raises
    ------
    GridError
        If the grids do not overlap, the weights are for others, or the method is beyond what is
        installed.
    """
    method, fill = Method(method), Fill(fill)
    data = data_grid(maps, source)
    if weights is None:
        weights = make_weights(data, target, method, backend=backend)
    else:
        _require_fit(weights, data, target)
    covered = weights.reached(min_fraction)
    if not covered.any():
        raise GridError(
            f"no cell of {target.name} is covered by {data.name} to at least {min_fraction:g}; "
            "do they cover the same region, and has the mask the right sense?"
        )
    plan = plan_fill(target, covered, fill, biomes)
    operation = _Operation(weights, plan, min_fraction)
    dims = _spatial_dims(maps)
    fields = {
        name: _moved(variable, dims, operation)
        for name, variable in maps.data_vars.items()
        if set(dims) <= set(variable.dims)
    }
    result = xr.Dataset(fields, coords=_coordinates(maps, target), attrs=dict(maps.attrs))
    _keep_bounds(result)
    _keep_sums(result)
    if fill is Fill.DEFAULT:
        _set_defaults(result, _on(target, plan.flag == FillFlag.DEFAULT))
    return _described(result, operation)


def data_grid(maps: xr.Dataset, source: Grid | None = None) -> Grid:
    """Grid of maps, masked to the cells in which every real-valued field is finite.

    Parameters
    ----------
    maps : xarray.Dataset
    source : Grid, optional
        By default what the coordinates of the maps tell.

    Raises
    ------
    GridError
        If the maps do not fit the grid or no cell is complete.
    """
    dims = _spatial_dims(maps)
    grid = source or grid_of(maps, str(maps.encoding.get("source", "the maps")))
    shape = tuple(maps.sizes[d] for d in dims)
    if int(np.prod(shape)) != grid.size:
        raise GridError(
            f"the maps have shape {dict(zip(dims, shape, strict=True))}, "
            f"their grid {grid.name} {grid.shape}"
        )
    if source is not None:
        _require_order(maps, dims, source)
    complete = np.ones(shape, dtype=bool)
    for variable in maps.data_vars.values():
        if _is_field(variable, dims):
            finite = variable.copy(data=np.isfinite(variable.values))
            others = [d for d in variable.dims if d not in dims]
            complete &= finite.all(others).transpose(*dims).values
    mask = grid.mask & complete.reshape(grid.shape)
    if not mask.any():
        raise GridError(f"no cell of {grid.name} has all its values; are the maps empty?")
    return grid.with_mask(mask)


def _require_fit(weights: RemapWeights, data: Grid, target: Grid) -> None:
    for made_for, grid in ((weights.source, data), (weights.target, target)):
        if made_for.checksum() != grid.checksum():
            raise GridError(
                f"the weights were made for {made_for.name}, which differs from {grid.name} in its "
                "cells or its mask; make weights for this grid"
            )


def _require_order(maps: xr.Dataset, dims: tuple[str, ...], source: Grid) -> None:
    """Refuse a grid that has its cells elsewhere than the maps say, where these say it."""
    said = centre_variables(maps)
    if said is None or not {d for axis in said for d in axis.dims} <= set(dims):
        return
    lat, lon = xr.broadcast(said[1], said[0])
    there = unit_vectors(*(axis.transpose(*dims).values.ravel() for axis in (lon, lat)))
    apart = np.linalg.norm(there - unit_vectors(*source.centres()), axis=1)
    if apart.max() > SAME_CELL:
        worst = int(apart.argmax())
        raise GridError(
            f"cell {worst + 1} of the maps lies {np.rad2deg(apart[worst]):.4g} degrees from that of "
            f"{source.name}; the grid of the maps must have their cells in their order"
        )


def _is_field(variable: xr.DataArray, dims: tuple[str, ...]) -> bool:
    return variable.dtype.kind == "f" and set(dims) <= set(variable.dims)


def _spatial_dims(maps: xr.Dataset) -> tuple[str, ...]:
    for dims in _SPATIAL:
        if set(dims) <= set(maps.dims):
            return dims
    raise GridError(
        f"the maps have dimensions {tuple(maps.dims)}; they must have (lat, lon), (y, x) or (cell,)"
    )


def _moved(variable: xr.DataArray, dims: tuple[str, ...], operation: _Operation) -> xr.DataArray:
    target = operation.weights.target
    others = [d for d in variable.dims if d not in dims]
    ordered = variable.transpose(*dims, *others)
    columns = ordered.values.reshape(-1, *(variable.sizes[d] for d in others))
    moved: NDArray[Any]
    if variable.dtype.kind == "f":
        moved = operation.means(columns.astype(np.float64))
    elif variable.dtype.kind in "biu":
        signed = np.promote_types(variable.dtype, np.int8)
        moved = operation.majority(columns.astype(signed))
    else:
        raise GridError(f"{variable.name} holds neither numbers nor classes; drop it from the maps")
    shaped = moved.reshape(*target.shape, *moved.shape[1:])
    result = xr.DataArray(shaped, dims=(*target.dims, *others), attrs=variable.attrs)
    return result.transpose(*others, *target.dims)


def _majority(matrix: sparse.csr_array, classes: NDArray[np.integer]) -> NDArray[np.integer]:
    columns = classes.reshape(classes.shape[0], -1)
    best = np.full((matrix.shape[0], columns.shape[1]), _NO_CLASS, dtype=classes.dtype)
    largest = np.zeros(best.shape)
    for value in np.unique(columns):
        share = np.asarray(matrix @ (columns == value).astype(np.float64))
        # Equal shares, but for rounding, go to the lower class.
        wins = share > largest * (1.0 + 1e-12)
        best[wins], largest[wins] = value, share[wins]
    return best.reshape(-1, *classes.shape[1:])


def _on(target: Grid, values: NDArray[Any]) -> xr.DataArray:
    return xr.DataArray(values.reshape(target.shape), dims=target.dims)


def _coordinates(maps: xr.Dataset, target: Grid) -> dict[Hashable, xr.DataArray]:
    axes: dict[Hashable, xr.DataArray] = {}
    rectilinear = target.kind is GridKind.RECTILINEAR
    for name, values, units in (
        ("lon", target.lon, "degrees_east"),
        ("lat", target.lat, "degrees_north"),
    ):
        dims = (name,) if rectilinear else target.dims
        axes[name] = xr.DataArray(values, dims=dims, attrs={"units": units})
    spatial = set(_spatial_dims(maps))
    kept = {n: c for n, c in maps.coords.items() if not spatial & {n, *c.dims}}
    return kept | axes


def _keep_bounds(result: xr.Dataset) -> None:
    for name, variable in result.data_vars.items():
        low, high = variable.attrs.get("valid_min"), variable.attrs.get("valid_max")
        if variable.dtype.kind == "f" and (low is not None or high is not None):
            result[name] = variable.clip(low, high, keep_attrs=True)


def _keep_sums(result: xr.Dataset) -> None:
    for first, second in SPLITS:
        if {first, second} <= set(result.data_vars):
            total = result[first] + result[second]
            factor = _LARGEST_SUM / total.clip(min=_LARGEST_SUM)
            for name in (first, second):
                result[name] = (result[name] * factor).assign_attrs(result[name].attrs)


def _set_defaults(result: xr.Dataset, cells: xr.DataArray) -> None:
    """Put CLM's defaults into cells; `valid_min` and `valid_max` are widened to hold them."""
    if _CONVENTION not in result.attrs:
        raise GridError(
            f"the maps lack the global attribute {_CONVENTION}, without which CLM's default "
            "turnover times cannot be put beside theirs; add it or use --fill nearest"
        )
    convention = TurnoverConvention(result.attrs[_CONVENTION])
    for name in PARAMETER_NAMES:
        if name in result:
            default = _default(name, convention)
            attributes = dict(result[name].attrs)
            for bound, choose in (("valid_min", min), ("valid_max", max)):
                if bound in attributes and cells.any():
                    attributes[bound] = choose(float(attributes[bound]), default)
            result[name] = result[name].where(~cells, default).assign_attrs(attributes)


def _default(name: str, convention: TurnoverConvention) -> float:
    registered = parameter(name)
    if not registered.is_turnover_time:
        return registered.default
    converted = convert_turnover_times(
        registered.default,
        parameter("q10").default,
        source=TurnoverConvention.UNNORMALISED,
        target=convention,
    )
    return float(converted)


def _described(result: xr.Dataset, operation: _Operation) -> xr.Dataset:
    weights, target = operation.weights, operation.weights.target
    result["filled"] = _on(target, operation.plan.flag).assign_attrs(
        long_name="where the values of the cell come from",
        flag_values=np.array([flag.value for flag in FillFlag], dtype=np.int8),
        flag_meanings=" ".join(flag.name.lower() for flag in FillFlag),
    )
    result["covered_fraction"] = _on(target, weights.covered).assign_attrs(
        long_name="share of the cell that data cover", units="1"
    )
    result["landmask"] = _on(target, target.mask.astype(np.int8)).assign_attrs(
        long_name="1 on land of the model grid", units="1"
    )
    counts = {
        f"cells_{flag.name.lower()}": np.int32((operation.plan.flag == flag).sum())
        for flag in FillFlag
    }
    return result.assign_attrs(
        regrid_method=str(weights.method),
        regrid_backend=weights.backend,
        regrid_min_fraction=operation.min_fraction,
        regrid_source=weights.source.name,
        regrid_target=target.name,
        regrid_weights_key=weights.key(),
        **counts,
    )
