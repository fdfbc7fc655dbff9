"""Parameters of the cells of a grid, block by block, and maps of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.network.grid_cells import CellBlock, GridCells
from ctsm_socnn.network.model import Model
from ctsm_socnn.parameters import (
    PARAMETERS,
    TurnoverConvention,
    lower_bounds,
    upper_bounds,
)
from ctsm_socnn.provenance import provenance_attributes
from ctsm_socnn.schemas import validate_maps, without_forcing

__all__ = [
    "PredictedCells",
    "map_attributes",
    "mark_extrapolation",
    "parameter_maps",
    "predict_blocks",
    "predict_maps",
    "spread_over_members",
]


@dataclass(frozen=True)
class PredictedCells:
    """A block of cells with the predictions of a model.

    Attributes
    ----------
    block : CellBlock
    members : ndarray, shape (member, cell, 21), unit cube
        NaN where more than half of the inputs are missing.
    centre : ndarray, shape (cell, 21), in the registry's units
    extrapolated : ndarray of int8, shape (cell,)
        1 where a cell lies outside the training domain, or lacks the forcing that is an input.
    without_forcing : ndarray of bool, shape (cell,)
        Cells with at least half of the covariates, but no forcing nearby; False everywhere if the
        grid has no forcing at all.
    """

    block: CellBlock
    members: NDArray[np.float64]
    centre: NDArray[np.float64]
    extrapolated: NDArray[np.int8]
    without_forcing: NDArray[np.bool_]


def predict_blocks(model: Model, grid: GridCells) -> Iterator[PredictedCells]:
    """Predict a grid block by block.

    Raises
    ------
    NetworkError
        If the model takes forcing summaries and there is no forcing.
    """
    for block in grid.blocks():
        inputs = model.transform(block.cells)
        distance = model.domain.distance(inputs)
        predicted = model.predict(inputs, block.cells, distance)
        no_forcing = _without_forcing(model, grid, block)
        outside = model.domain.outside(distance)
        if model.transform.needs_forcing:
            outside |= no_forcing
        yield PredictedCells(
            block,
            predicted.members,
            predicted.centre,
            (outside & inputs.usable).astype(np.int8),
            no_forcing,
        )


def _without_forcing(model: Model, grid: GridCells, block: CellBlock) -> NDArray[np.bool_]:
    """Cells with at least half of the covariates, but no forcing."""
    names = model.transform.covariates
    if grid.forcing is None or not names:
        return np.zeros(block.cells.sizes["site"], dtype=bool)
    lacking = np.sum([np.isnan(block.cells[name].values) for name in names], axis=0)
    return np.asarray((2 * lacking <= len(names)) & without_forcing(block.cells))


def predict_maps(
    model: Model, covariates: xr.Dataset, *, forcing: xr.Dataset | None = None
) -> xr.Dataset:
    """Predict the parameters of every cell that has covariates.

    Parameters
    ----------
    model : Model
    covariates : xarray.Dataset
        The model's covariates on `(lat, lon)` or one dimension of cells, in the units of the
        training sites, with `lat` and `lon`.
    forcing : xarray.Dataset, optional
        Monthly climatology of the forcing, on a grid of its own; needed where the model takes
        forcing summaries (`model.transform.needs_forcing`) or refines.

    Returns
    -------
    xarray.Dataset
        Parameter maps: for each parameter the ensemble's centre and `<name>_sd`, its standard
        deviation over members, in the registry's units, NaN where more than half of the inputs
        are missing; `extrapolated`, 1 where a cell lies outside the training domain, or lacks the
        forcing that is an input.

    Raises
    ------
    NetworkError
        Naming what the grid or the forcing lacks.
    """
    grid = GridCells.from_dataset(covariates, model.transform.covariates, forcing)
    parts = {
        tuple(along.start for along in predicted.block.place): parameter_maps(model, predicted)
        for predicted in predict_blocks(model, grid)
    }
    return validate_maps(_joined(parts, grid.dimensions))


def _joined(parts: dict[tuple[int, ...], xr.Dataset], dimensions: tuple[str, ...]) -> xr.Dataset:
    """Join parts, ordered by where they start along each dimension."""
    for axis, name in reversed(list(enumerate(dimensions))):
        alike: dict[tuple[int, ...], list[xr.Dataset]] = {}
        for start, maps in parts.items():
            alike.setdefault(start[:axis], []).append(maps)
        parts = {
            start: xr.concat(row, dim=name, data_vars="minimal", coords="minimal")
            for start, row in alike.items()
        }
    return parts[()]


def parameter_maps(model: Model, predicted: PredictedCells) -> xr.Dataset:
    """Arrange the parameters of a block on its part of the map."""
    block = predicted.block
    spread = spread_over_members(predicted.members) * (upper_bounds() - lower_bounds())
    maps: dict[str, xr.DataArray] = {}
    for column, known in enumerate(PARAMETERS):
        attributes = {"units": known.units, "long_name": known.meaning}
        bounds = {"valid_min": known.lower, "valid_max": known.upper}
        maps[known.name] = block.map_of(predicted.centre[:, column], **attributes, **bounds)
        attributes["long_name"] = f"standard deviation over the ensemble of {known.meaning}"
        maps[f"{known.name}_sd"] = block.map_of(spread[:, column], **attributes)
    whole = xr.Dataset(maps, coords=block.positions, attrs=map_attributes(model))
    return mark_extrapolation(whole, predicted)


def map_attributes(model: Model) -> dict[str, str]:
    """Return attributes that say how the maps of a model were made."""
    return {
        **provenance_attributes(seed=model.seed),
        "method": model.method,
        "refinement_steps": str(model.settings.refinement_steps if model.refinement else 0),
        "turnover_time_convention": str(TurnoverConvention.UNNORMALISED),
    }


def mark_extrapolation(maps: xr.Dataset, predicted: PredictedCells) -> xr.Dataset:
    """Add the flag of cells outside the training domain, or without the inputs to decide it."""
    flag = predicted.block.map_of(
        predicted.extrapolated,
        units="1",
        long_name="whether the cell's inputs are unlike those of all training sites, or forcing "
        "among them is missing",
        flag_values=np.array([0, 1], dtype=np.int8),
        flag_meanings="inside_training_domain outside_training_domain",
    )
    return maps.assign(extrapolated=flag)


def spread_over_members(members: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation over members (axis 0); 0 for a single member."""
    return np.asarray(members.std(axis=0, ddof=1 if len(members) > 1 else 0))
