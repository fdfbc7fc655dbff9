"""Fields of the last months of a run, from any CTSM generation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.forcing.field_names import FIELD_NAME_LENGTH, GENERATIONS, Generation
from ctsm_socnn.forcing.land_grid import LandGrid, read_field
from ctsm_socnn.forcing.months import (
    MonthSample,
    open_history,
    order_months,
    read_months,
)
from ctsm_socnn.units import require_unit

__all__ = ["LAST_MONTHS", "HistoryFields"]

LAST_MONTHS: Final = 24
"""Months of a run that count, from its end."""


class HistoryFields:
    """Fields of the last months of a run, read on demand, shape (month, [20,] cell).

    Parameters
    ----------
    paths : sequence of Path
        Monthly history files of one run.
    last_months : int or None
        How many months count, from the end; all with None.

    Raises
    ------
    ForcingError, FileError
        If they are no monthly history on a grid.

    Attributes
    ----------
    generation : Generation
        How the run spells its pools.
    grid : LandGrid
    samples : list of MonthSample
        The months that are read.
    period : str
        First and last month used.
    """

    def __init__(self, paths: Sequence[Path], last_months: int | None = LAST_MONTHS) -> None:
        samples = order_months(_months(paths))
        self.samples = samples if last_months is None else samples[-last_months:]
        first = self.samples[0].path
        with open_history(first) as dataset:
            self.grid = LandGrid.read(dataset, first)
            self._names = set(dataset.variables)
        self.generation = max(GENERATIONS, key=self._hits)

    def get(self, *names: str, unit: str | None = None) -> list[NDArray[np.float64]] | None:
        """Fields by name, cut as CLM cuts names; None if one is absent.

        Raises
        ------
        ForcingError
            If one is not in the canonical `unit`, where that is given.
        """
        wanted = [name[:FIELD_NAME_LENGTH] for name in names]
        if not set(wanted) <= self._names:
            return None
        return [self._read(name, unit) for name in wanted]

    def _hits(self, generation: Generation) -> int:
        pools = (*generation.litter, *generation.soil)
        names = (*(f"K_{pool}" for pool in pools), *(f"{p}{generation.carbon}_vr" for p in pools))
        return len(self._names.intersection(names))

    def _read(self, name: str, unit: str | None) -> NDArray[np.float64]:
        parts = []
        for path, samples in groupby(self.samples, key=attrgetter("path")):
            indices = [sample.index for sample in samples]
            with open_history(path) as dataset:
                if unit is not None:
                    found = getattr(dataset[name], "units", None)
                    require_unit(found, (unit,), f"{path}: {name}")
                values = read_field(dataset, name, self.grid, slice(0, max(indices) + 1))
            parts.append(values[indices])
        return np.concatenate(parts)


def _months(paths: Sequence[Path]) -> Iterator[MonthSample]:
    for path in paths:
        with open_history(path) as dataset:
            yield from read_months(dataset, path)
