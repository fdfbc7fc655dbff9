"""Files of parameter and soil-carbon maps, written while they are computed.

Only one block of cells is in memory at a time, so that a grid may have any size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model.observation import LARGEST_SOC
from ctsm_socnn.netcdf import written_in_pieces
from ctsm_socnn.network.grid_cells import CellBlock, GridCells
from ctsm_socnn.network.input_check import InputCheck
from ctsm_socnn.network.land_area import LandArea
from ctsm_socnn.network.model import Model
from ctsm_socnn.network.nearest_forcing import FARTHEST_KM
from ctsm_socnn.network.prediction import (
    PredictedCells,
    map_attributes,
    parameter_maps,
    predict_blocks,
    spread_over_members,
)
from ctsm_socnn.network.soil_carbon import STOCKS, EnsembleCarbon, ensemble_carbon
from ctsm_socnn.parameters import PARAMETER_NAMES, SPLITS, lower_bounds, upper_bounds

__all__ = ["MapSummary", "write_maps"]

_ROUNDING: Final = 1e-9
_GRAMS_IN_PETAGRAM: Final = 1e15


@dataclass
class MapSummary:
    """Summary of maps: counts, totals and what looks wrong.

    Attributes
    ----------
    inputs : InputCheck
        Of the covariates of the grid.
    cells, extrapolated : int
        Cells with parameters, and those of them outside the training domain.
    without_forcing : int or None
        Cells with covariates but no forcing nearby; None if the grid has no forcing at all.
    with_forcing : int
        Cells with parameters and forcing.
    lost : tuple of str
        What is missing at cells without forcing.
    cells_with_carbon : int
    broken : Counter
        Cells that violate a physical limit, by limit.
    land_km2 : float
        Land area of the cells with soil carbon.
    totals : dict of str to ndarray, shape (1 + member,), PgC
        By stock: the total over land, of the centre and of each member.
    area_source : str or None
        Where the areas come from; None if the grid has none.
    """

    inputs: InputCheck
    cells: int = 0
    extrapolated: int = 0
    without_forcing: int | None = None
    with_forcing: int = 0
    lost: tuple[str, ...] = ()
    cells_with_carbon: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    land_km2: float = 0.0
    totals: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    area_source: str | None = None

    def add_parameters(self, predicted: PredictedCells) -> None:
        """Count the cells of a block and check their parameters."""
        self.inputs.add(predicted.block.cells)
        known = np.isfinite(predicted.centre).all(axis=1)
        self.cells += int(known.sum())
        self.extrapolated += int(predicted.extrapolated.sum())
        if self.without_forcing is not None:
            self.without_forcing += int(predicted.without_forcing.sum())
            self.with_forcing += int((known & ~predicted.without_forcing).sum())
        self._check_parameters(predicted.centre[known])

    def add_carbon(self, carbon: EnsembleCarbon, land: NDArray[np.float64] | None) -> None:
        """Check the carbon of a block and add it up over land (m2, shape (cell,))."""
        self.cells_with_carbon += int(carbon.known.sum())
        possible = (carbon.centre >= 0.0) & np.isfinite(carbon.centre)
        self._count_broken("soil carbon negative or not finite", ~possible)
        too_much = f"soil carbon above {LARGEST_SOC:.0f} gC m-3"
        self._count_broken(too_much, carbon.centre > LARGEST_SOC)
        if land is None:
            return
        square_metres = land[carbon.known]
        self.land_km2 += float(square_metres.sum()) / 1e6
        every = np.concatenate([carbon.centre[np.newaxis], carbon.members])
        for name, depth in STOCKS.items():
            total = carbon.stock(every, depth) @ square_metres / _GRAMS_IN_PETAGRAM
            self.totals[name] = self.totals.get(name, np.zeros(len(every))) + total

    def warnings(self) -> list[str]:
        """Describe what is odd about covariates and forcing, and which limits are violated."""
        limits = [f"{count} cells: {limit}" for limit, count in self.broken.items()]
        return [*self.inputs.warnings(), *self._of_forcing(), *limits]

    def as_json(self) -> dict[str, Any]:
        """Return the numbers under fixed names; totals in PgC."""
        result: dict[str, Any] = {
            "cells": self.cells,
            "cells_extrapolated": self.extrapolated,
            "cells_with_soil_carbon": self.cells_with_carbon,
            "broken_limits": dict(self.broken),
            **self.inputs.as_json(),
            "warnings": [*self.inputs.warnings(), *self._of_forcing()],
        }
        if self.without_forcing is not None:
            result["cells_without_forcing"] = self.without_forcing
        if self.area_source is not None:
            result["land_km2"] = self.land_km2
            result["totals_pgc"] = {
                name: {"total": float(values[0]), "sd": float(spread_over_members(values[1:]))}
                for name, values in self.totals.items()
            }
        return result

    def _of_forcing(self) -> list[str]:
        if not self.without_forcing or not self.lost:
            return []
        return [
            f"{self.without_forcing} cells with covariates have no forcing within "
            f"{FARTHEST_KM:.0f} km: {', '.join(self.lost)}; give forcing that covers them"
        ]

    def _check_parameters(self, parameters: NDArray[np.float64]) -> None:
        slack = _ROUNDING * (upper_bounds() - lower_bounds())
        outside = (parameters < lower_bounds() - slack) | (parameters > upper_bounds() + slack)
        self._count_broken("parameters outside their bounds", outside)
        for pair in SPLITS:
            columns = [PARAMETER_NAMES.index(name) for name in pair]
            total = parameters[:, columns].sum(axis=1, keepdims=True)
            self._count_broken(f"{' + '.join(pair)} not below 1", total >= 1.0)

    def _count_broken(self, limit: str, wrong: NDArray[np.bool_]) -> None:
        """Count the cells (rows) in which anything is wrong."""
        count = int(wrong.any(axis=1).sum())
        if count:
            self.broken[limit] += count


def write_maps(
    model: Model,
    covariates: xr.Dataset,
    maps: Path | None = None,
    *,
    forcing: xr.Dataset | None = None,
    soil_carbon: Path | None = None,
    attributes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> MapSummary:
    """Write parameter maps, the soil carbon modelled with them, or both.

    Parameters
    ----------
    model : Model
    covariates : xarray.Dataset
        As for `predict_maps`; may be read lazily from a file.
    maps : Path, optional
        For the variables of `predict_maps`.
    forcing : xarray.Dataset, optional
        Monthly climatology on a grid of its own.
    soil_carbon : Path, optional
        For `soc` (layer) in gC m-3, the stocks `STOCKS` in gC m-2, their spreads `_sd` and, where
        the model is calibrated, the ends `_low` and `_high` of 90 % intervals.
    attributes : mapping, optional
        Global attributes to add.
    overwrite : bool

    Raises
    ------
    NetworkError
        Naming what the grid or the forcing lacks; also if no cell has enough covariates, or
        forcing is needed and no cell has any.
    FileError
        If a file exists or cannot be written. No file appears then, nor after any other error.
    """
    grid = GridCells.from_dataset(covariates, model.transform.covariates, forcing)
    if soil_carbon is not None and grid.forcing is None:
        raise NetworkError("soil carbon needs the forcing of the grid; give it")
    area = LandArea.from_grid(covariates, grid.dimensions) if soil_carbon is not None else None
    summary = MapSummary(
        InputCheck(model.transform),
        without_forcing=None if grid.forcing is None else 0,
        lost=_lost_without_forcing(model, soil_carbon is not None),
        area_source=None if area is None else area.source,
    )
    stamp = dict(attributes or {})
    with ExitStack() as files:
        write_parameters = _opened(files, maps, grid, overwrite)
        write_carbon = _opened(files, soil_carbon, grid, overwrite)
        for predicted in predict_blocks(model, grid):
            summary.add_parameters(predicted)
            block = predicted.block
            if write_parameters is not None:
                write_parameters(block, parameter_maps(model, predicted).assign_attrs(stamp))
            if write_carbon is not None:
                carbon = ensemble_carbon(block.cells, predicted.centre, predicted.members)
                of_block = carbon.maps(predicted, model.intervals)
                write_carbon(block, of_block.assign_attrs(map_attributes(model) | stamp))
                summary.add_carbon(carbon, None if area is None else area.of_cells(block.place))
        if summary.lost and summary.without_forcing and not summary.with_forcing:
            raise NetworkError(
                f"none of the {summary.without_forcing} cells with covariates has forcing within "
                f"{FARTHEST_KM:.0f} km: {', '.join(summary.lost)}; give forcing of the same region"
            )
        if not summary.cells:
            raise NetworkError(
                "no cell of the grid has half of the model's covariates, so that there is nothing to "
                f"predict; the grid must hold values of {', '.join(model.transform.covariates)}"
            )
    return summary


def _lost_without_forcing(model: Model, carbon: bool) -> tuple[str, ...]:
    """List what is missing at cells without forcing."""
    lost = {
        "training medians stand in for it among the inputs": model.transform.needs_forcing,
        "parameters are not refined": model.refinement is not None,
        "no soil carbon": carbon,
    }
    return tuple(words for words, true in lost.items() if true)


def _opened(
    files: ExitStack, path: Path | None, grid: GridCells, overwrite: bool
) -> Callable[[CellBlock, xr.Dataset], None] | None:
    """Open a file of the size of the grid; return the function that writes a block to it."""
    if path is None:
        return None
    sizes = dict(zip(grid.dimensions, grid.shape, strict=True))
    put = files.enter_context(written_in_pieces(sizes, path, overwrite=overwrite))
    return lambda block, part: put(part, dict(zip(block.dimensions, block.place, strict=True)))
