"""Soil carbon on a grid from predicted parameters, through the kernel with the grid's forcing.

The centre is the carbon modelled with the parameters of the ensemble's centre, as a case with these
maps would have it. The spread is that of the members, each run through the kernel separately.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.model import SOIL_GRID, Columns, soil_carbon
from ctsm_socnn.network.error_scale import ErrorScale
from ctsm_socnn.network.prediction import PredictedCells, mark_extrapolation, spread_over_members
from ctsm_socnn.parameters import to_physical
from ctsm_socnn.schemas import N_LAYERS, without_forcing
from ctsm_socnn.validation.scores import LOG_FLOOR, stock

__all__ = ["STOCKS", "EnsembleCarbon", "ensemble_carbon", "log_spread"]

_COLUMN: Final = float(SOIL_GRID.interface_depth[-1])
STOCKS: Final[Mapping[str, float]] = {
    "soc_stock_30cm": 0.3,
    "soc_stock_100cm": 1.0,
    "soc_stock_200cm": 2.0,
    "soc_stock_column": _COLUMN,
}
"""Name -> depth (m) to which carbon is summed."""
MAPPED_LEVEL: Final = 0.9
"""Probability of the intervals on maps."""


@dataclass(frozen=True, eq=False)
class EnsembleCarbon:
    """Soil carbon of cells or sites.

    Attributes
    ----------
    known : ndarray of bool, shape (cell,)
        Places with parameters and forcing; the others have no modelled carbon.
    centre : ndarray, shape (known cells, 20), gC m-3
    members : ndarray, shape (member, known cells, 20), gC m-3
    """

    known: NDArray[np.bool_]
    centre: NDArray[np.float64]
    members: NDArray[np.float64]

    def maps(
        self, predicted: PredictedCells, intervals: Mapping[str, ErrorScale] | None = None
    ) -> xr.Dataset:
        """Carbon by layer and stocks, as maps of a block; NaN where unknown.

        Parameters
        ----------
        predicted : PredictedCells
        intervals : mapping of str to ErrorScale, optional
            Quantities for which `<name>_low` and `<name>_high` are added, ends of 90 % intervals.
        """
        depths = {
            "layer": np.arange(1, N_LAYERS + 1),
            "depth": ("layer", SOIL_GRID.node_depth, {"units": "m", "long_name": "node depth"}),
            "thickness": ("layer", SOIL_GRID.thickness, {"units": "m"}),
        }
        maps: dict[str, xr.DataArray] = {}
        every = np.concatenate([self.centre[np.newaxis], self.members])
        for name, depth in {"soc": None, **STOCKS}.items():
            values = np.moveaxis(every, 2, 1) if depth is None else self.stock(every, depth)
            at = SOIL_GRID.node_depth[:, np.newaxis] if depth is None else np.asarray(depth)
            scale = (intervals or {}).get(name)
            for suffix, meaning, part in _parts(values, at, scale):
                maps[f"{name}{suffix}"] = predicted.block.map_of(
                    self._everywhere(part),
                    units="gC m-3" if depth is None else "gC m-2",
                    long_name=f"{meaning}soil organic carbon{_reach(depth)}",
                )
        whole = xr.Dataset(maps, coords={**predicted.block.positions, **depths})
        return mark_extrapolation(whole, predicted)

    def _everywhere(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Distribute values of known cells, shape (..., known), to all cells."""
        everywhere = np.full((*values.shape[:-1], len(self.known)), np.nan, dtype=np.float32)
        everywhere[..., self.known] = values
        return everywhere

    @staticmethod
    def stock(soc: NDArray[np.float64], depth: float) -> NDArray[np.float64]:
        """Carbon from the surface to a depth (m), gC m-2."""
        return stock(soc, SOIL_GRID.interface_depth, depth)


def _parts(
    every: NDArray[np.float64], depth: NDArray[np.float64], scale: ErrorScale | None
) -> Iterator[tuple[str, str, NDArray[np.float64]]]:
    """Suffix, meaning and values of the maps of a quantity of centre and members (axis 0)."""
    yield "", "", every[0]
    yield "_sd", "standard deviation over the ensemble of ", spread_over_members(every[1:])
    if scale is not None:
        low, high = scale.interval(every[0], log_spread(every[1:]), depth, MAPPED_LEVEL)
        yield "_low", f"lower end of the {MAPPED_LEVEL:.0%} interval of ", low
        yield "_high", f"upper end of the {MAPPED_LEVEL:.0%} interval of ", high


def _reach(depth: float | None) -> str:
    if depth is None:
        return ""
    return " of the whole column" if depth == _COLUMN else f" from 0 to {depth:g} m"


def log_spread(of_members: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation over members (axis 0) of ln(modelled)."""
    return spread_over_members(np.log(np.maximum(of_members, LOG_FLOOR)))


def ensemble_carbon(
    places: xr.Dataset, centre: NDArray[np.float64], members: NDArray[np.float64]
) -> EnsembleCarbon:
    """Run the centre and each member of an ensemble through the kernel.

    Parameters
    ----------
    places : xarray.Dataset
        Sites, or cells in the form of sites, with the forcing.
    centre : ndarray, shape (site, 21), in the registry's units
        NaN where there are none.
    members : ndarray, shape (member, site, 21), unit cube

    Raises
    ------
    KernelError
        If the forcing holds something impossible.
    """
    known = np.isfinite(centre).all(axis=1) & ~without_forcing(places)
    n_members, count = len(members), int(known.sum())
    if count == 0:
        return EnsembleCarbon(known, np.empty((0, N_LAYERS)), np.empty((n_members, 0, N_LAYERS)))
    columns = Columns.from_sites(places.isel(site=np.flatnonzero(known)))
    rows = to_physical(members[:, known]).reshape(n_members * count, -1)
    of_members = soil_carbon(columns, rows, np.tile(np.arange(count), n_members))
    return EnsembleCarbon(
        known, soil_carbon(columns, centre[known]), of_members.reshape(n_members, count, -1)
    )
