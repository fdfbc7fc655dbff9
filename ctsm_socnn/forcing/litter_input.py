"""Carbon input to each litter pool, from the pool's own budget.

CLM does not write what vegetation gives to the litter pools. It follows from what the pools lose,
what moves vertically and how they change (`dC/dt = input + from CWD + transport - losses`), which
standard history fields hold. `LITFALL`, where present, shows how well the budget closes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import netCDF4
import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.forcing.field_names import LITTER_POOLS, Generation, PoolFields
from ctsm_socnn.forcing.fields import LITTERFALL
from ctsm_socnn.forcing.land_grid import LandGrid, read_field
from ctsm_socnn.forcing.months import MonthSample
from ctsm_socnn.forcing.pool_change import PoolChange
from ctsm_socnn.model import SOIL_GRID

__all__ = [
    "Closure",
    "LitterBudget",
    "column_total",
    "fold_below_bedrock",
    "without_negative_months",
]

_THICKNESS: Final = SOIL_GRID.thickness


@dataclass
class Closure:
    """How the sum of derived inputs compares with `LITFALL`, month by month.

    Attributes
    ----------
    largest : list of float
        Largest relative difference of any cell, one per month.
    median : list of float
        Median over cells, one per month.
    """

    largest: list[float] = field(default_factory=list)
    median: list[float] = field(default_factory=list)

    def add(self, derived: NDArray[np.float64], litterfall: NDArray[np.floating]) -> None:
        """Compare one month.

        Parameters
        ----------
        derived, litterfall : ndarray, shape (cell,), gC m-2 s-1
        """
        falls = litterfall > 0
        if falls.any():
            error = np.abs(derived[falls] / litterfall[falls] - 1.0)
            self.largest.append(float(np.nanmax(error)))
            self.median.append(float(np.nanmedian(error)))

    def attributes(self) -> dict[str, str | float | int]:
        """Global attributes that tell the worst month and the typical one."""
        if not self.largest:
            return {}
        return {
            "litter_closure_largest": max(self.largest),
            "litter_closure_median": float(np.median(self.median)),
        }


@dataclass(frozen=True)
class LitterBudget:
    """Derives inputs month by month.

    Attributes
    ----------
    generation : Generation
        How the fields are spelt.
    grid : LandGrid
    nbedrock : ndarray of int, shape (cell,)
        Deepest layer with soil, from 1.
    change : PoolChange
        Where dC/dt comes from.
    closure : Closure
        Grows as months are derived.
    """

    generation: Generation
    grid: LandGrid
    nbedrock: NDArray[np.int64]
    change: PoolChange
    closure: Closure

    def inputs(
        self, dataset: netCDF4.Dataset, block: Sequence[MonthSample]
    ) -> tuple[list[MonthSample], NDArray[np.float64]]:
        """Input to each pool and layer in months of one file.

        Parameters
        ----------
        dataset : netCDF4.Dataset
            The open file of the block.
        block : sequence of MonthSample
            Neighbours along `time`.

        Returns
        -------
        list of MonthSample
            Months whose dC/dt can be known.
        ndarray, shape (month, 4 pools, 20, cell), gC m-3 s-1
            Their inputs; pools in the order of `LITTER_POOLS`.
        """
        at = slice(block[0].index, block[-1].index + 1)
        pools = [self.generation.pool(pool) for pool in LITTER_POOLS]
        inputs = np.zeros((len(block), len(pools), _THICKNESS.size, self.nbedrock.size))
        for position, pool in enumerate(pools):
            self._add_net_loss(inputs[:, position], dataset, pool, at)
        known = self._add_changes(inputs, block)
        inputs = inputs if len(known) == len(block) else inputs[known]
        if LITTERFALL in dataset.variables:
            litterfall = read_field(dataset, LITTERFALL, self.grid, at)[known]
            for derived, falls in zip(column_total(inputs).sum(axis=1), litterfall, strict=True):
                self.closure.add(derived, falls)
        return [block[position] for position in known], inputs

    def _add_changes(self, inputs: NDArray[np.float64], block: Sequence[MonthSample]) -> list[int]:
        """Add dC/dt of each month; return the positions of those for which it is known."""
        known = []
        for position, sample in enumerate(block):
            change = self.change.over(sample)
            if change is not None:
                inputs[position] += change
                known.append(position)
        return known

    def _add_net_loss(
        self, net: NDArray[np.float64], dataset: netCDF4.Dataset, pool: PoolFields, at: slice
    ) -> None:
        """Add the loss of the pool less its gain from within the soil, shape (month, 20, cell)."""
        optional = [name for name in pool.optional_losses if name in dataset.variables]
        for name in (*pool.losses, *optional):
            net += read_field(dataset, name, self.grid, at)
        for name in pool.gains:
            net -= read_field(dataset, name, self.grid, at)
        if pool.transport is not None:
            moved = read_field(dataset, pool.transport, self.grid, at)
            net -= fold_below_bedrock(moved, self.nbedrock)


def column_total(density: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over layers times thickness, (..., 20, cell) to (..., cell): m-3 becomes m-2."""
    return np.asarray(np.einsum("...lc,l->...c", density, _THICKNESS))


def fold_below_bedrock(
    tendency: NDArray[np.floating], nbedrock: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Move the tendency stored below bedrock into the deepest soil layer.

    SoilBiogeochemLittVertTranspMod puts carbon that diffused below layer `nbedrock` back into that
    layer, after it has stored the tendency.

    Parameters
    ----------
    tendency : ndarray, shape (..., 20, cell), gC m-3 s-1
    nbedrock : ndarray of int, shape (cell,)
        From 1.

    Returns
    -------
    ndarray, shape (..., 20, cell)
        Zero below bedrock, with the same column total.
    """
    below = np.arange(_THICKNESS.size)[:, np.newaxis] >= nbedrock
    moved = np.where(below, tendency, 0.0)
    folded = np.where(below, 0.0, tendency).astype(np.float64)
    cells = np.arange(nbedrock.size)
    folded[..., nbedrock - 1, cells] += column_total(moved) / _THICKNESS[nbedrock - 1]
    return folded


def without_negative_months(inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Set negative months to zero and keep the annual total.

    Rounding of single-precision fields leaves -1e-12 where there is no input, and differences of
    monthly means spread a pulse of litter into the months beside it with either sign.

    Parameters
    ----------
    inputs : ndarray, shape (12, ...), gC m-2 month-1 or gC m-3 month-1

    Returns
    -------
    ndarray, shape (12, ...)
        Not negative; each annual total is unchanged where it was positive, else zero.
    """
    positive = np.maximum(inputs, 0.0)
    wanted = np.maximum(inputs.sum(axis=0), 0.0)
    held = positive.sum(axis=0)
    scale = np.divide(wanted, held, out=np.zeros_like(held), where=held > 0)
    return np.asarray(positive * scale)
