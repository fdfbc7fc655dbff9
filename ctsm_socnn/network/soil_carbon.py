"""Soil carbon that predicted parameters make on a grid, through the kernel on the grid's forcing.

The centre is the carbon of the ensemble's centre, which is what a case that runs with these maps
would hold. The spread is that of the members, each run through the kernel by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.model import SOIL_GRID, Columns, soil_carbon
from ctsm_socnn.network.prediction import PredictedCells, mark_extrapolation, spread_over_members
from ctsm_socnn.network.site_selection import without_forcing
from ctsm_socnn.parameters import to_physical
from ctsm_socnn.validation.scores import stock

__all__ = ["STOCKS", "CarbonOfCells", "carbon_of_cells"]

STOCKS: Final[Mapping[str, float]] = {
    "soc_stock_30cm": 0.3,
    "soc_stock_100cm": 1.0,
    "soc_stock_200cm": 2.0,
    "soc_stock_column": float(SOIL_GRID.interface_depth[-1]),
}
"""Name -> depth (m) to which carbon is added up."""


class CarbonOfCells:
    """Soil carbon of a block of cells.

    Parameters
    ----------
    known : ndarray of bool, shape (cell,)
        Cells with parameters and forcing; the others have no carbon to tell.
    centre : ndarray, shape (known cells, 20), gC m-3
    members : ndarray, shape (member, known cells, 20), gC m-3
    """

    def __init__(
        self,
        known: NDArray[np.bool_],
        centre: NDArray[np.float64],
        members: NDArray[np.float64],
    ) -> None:
        self.known = known
        self.centre = centre
        self.members = members

    def maps(self, predicted: PredictedCells) -> xr.Dataset:
        """Carbon by layer, stocks, and their spread over members; NaN where not known."""
        depths = {
            "layer": np.arange(1, len(SOIL_GRID.node_depth) + 1),
            "depth": ("layer", SOIL_GRID.node_depth, {"units": "m", "long_name": "node depth"}),
            "thickness": ("layer", SOIL_GRID.thickness, {"units": "m"}),
        }
        maps = xr.Dataset(coords={**predicted.block.positions, **depths})
        every = np.concatenate([self.centre[np.newaxis], self.members])
        self._add(maps, predicted, "soc", np.moveaxis(every, 2, 1), "gC m-3", "")
        for name, depth in STOCKS.items():
            whole = depth == SOIL_GRID.interface_depth[-1]
            reach = " of the whole column" if whole else f" from 0 to {depth:g} m"
            self._add(maps, predicted, name, self.stock(every, depth), "gC m-2", reach)
        return mark_extrapolation(maps, predicted)

    def _add(
        self,
        maps: xr.Dataset,
        predicted: PredictedCells,
        name: str,
        every: NDArray[np.float64],
        units: str,
        reach: str,
    ) -> None:
        """Add a quantity, shape (1 + member, ..., known cell), and its spread, in single precision."""
        meaning = f"soil organic carbon{reach}"
        for suffix, values, meant in (
            ("", every[0], meaning),
            (
                "_sd",
                spread_over_members(every[1:]),
                f"standard deviation over the ensemble of {meaning}",
            ),
        ):
            everywhere = np.full((*values.shape[:-1], len(self.known)), np.nan, dtype=np.float32)
            everywhere[..., self.known] = values
            maps[f"{name}{suffix}"] = predicted.block.map_of(
                everywhere, units=units, long_name=meant
            )

    @staticmethod
    def stock(soc: NDArray[np.float64], depth: float) -> NDArray[np.float64]:
        """Carbon from the surface to a depth (m), gC m-2."""
        return stock(soc, SOIL_GRID.interface_depth, depth)


def carbon_of_cells(predicted: PredictedCells) -> CarbonOfCells:
    """Run the centre and each member through the kernel.

    Parameters
    ----------
    predicted : PredictedCells
        Whose cells hold the forcing.

    Raises
    ------
    KernelError
        If the forcing holds something impossible.
    """
    cells = predicted.block.cells
    known = np.isfinite(predicted.centre).all(axis=1) & ~without_forcing(cells)
    n_members, count = len(predicted.members), int(known.sum())
    if count == 0:
        return CarbonOfCells(known, np.empty((0, 20)), np.empty((n_members, 0, 20)))
    columns = Columns.from_sites(cells.isel(site=np.flatnonzero(known)))
    members = to_physical(predicted.members[:, known]).reshape(n_members * count, -1)
    of_members = soil_carbon(columns, members, np.tile(np.arange(count), n_members))
    return CarbonOfCells(
        known,
        soil_carbon(columns, predicted.centre[known]),
        of_members.reshape(n_members, count, -1),
    )
