"""The history fields that the kernel needs, their units, and which of them a set of files lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import netCDF4

from ctsm_socnn.errors import ForcingError
from ctsm_socnn.forcing.field_names import GENERATIONS, LITTER_POOLS, Generation
from ctsm_socnn.schemas import INPUT_VARIABLES
from ctsm_socnn.shipped import shipped_directory
from ctsm_socnn.units import require_unit

__all__ = [
    "BEDROCK",
    "DENSITY_UNIT",
    "FLUX_UNIT",
    "LITTERFALL",
    "MONTHLY_FIELDS",
    "SAND_NAMES",
    "TOTAL_UNIT",
    "InputSource",
    "find_inputs",
    "require_fields",
    "require_units",
]

MONTHLY_FIELDS: Final[Mapping[str, str]] = {
    "TSOI": "K",
    "W_SCALAR": "1",
    "O_SCALAR": "1",
    "FPI_vr": "1",
    "ALTMAX": "m",
    "ALTMAX_LASTYEAR": "m",
}
"""Fields that every file must hold, with their unit."""

BEDROCK: Final = "nbedrock"
SAND_NAMES: Final = ("CELLSAND", "PCT_SAND")
"""Sand content, percent; CLM writes PCT_SAND into the first file of a run only."""

FLUX_UNIT: Final = "gC m-2 s-1"
TOTAL_UNIT: Final = "gC m-2 month-1"
DENSITY_UNIT: Final = "gC m-3"
_DENSITY_FLUX_UNIT: Final = "gC m-3 s-1"

LITTERFALL: Final = "LITFALL"
"""CLM's total of all litter that leaves vegetation, woody debris included, gC m-2 s-1."""


@dataclass(frozen=True)
class InputSource:
    """Where the carbon input of the litter pools comes from.

    Attributes
    ----------
    generation : Generation or None
        Spelling of the budget fields; None where the files hold the inputs themselves.
    """

    generation: Generation | None


def find_inputs(present: set[str]) -> InputSource | None:
    """How inputs can be had from these fields; None if they cannot."""
    if present.issuperset(INPUT_VARIABLES):
        return InputSource(None)
    complete = [generation for generation in GENERATIONS if not generation.missing(present)]
    return InputSource(complete[0]) if complete else None


def require_fields(
    paths: Sequence[Path], in_all: set[str], in_any: set[str], *, surface: bool
) -> InputSource:
    """Refuse files that lack anything, with one message that lists all of it.

    Parameters
    ----------
    paths : sequence of Path
        For the message.
    in_all, in_any : set of str
        Names that all files, and that at least one file holds.
    surface : bool
        Whether a surface dataset gives bedrock.

    Raises
    ------
    ForcingError
    """
    missing = [name for name in MONTHLY_FIELDS if name not in in_all]
    if not surface and BEDROCK not in in_any:
        missing.append(f"{BEDROCK} (or give the surface dataset with --surface)")
    source = find_inputs(in_all)
    generation = _nearest_generation(in_any)
    if source is None:
        given = [name for name in INPUT_VARIABLES if name not in in_all]
        absent = generation.missing(in_all)
        missing.append(
            f"the litter inputs {', '.join(given)}, or to derive them {', '.join(absent)}"
        )
    if missing:
        raise ForcingError(
            f"{_describe(paths)} lacks {'; '.join(missing)}. Run the case with "
            f"{shipped_directory('usermods')}/forcing_output/{generation.name} "
            f"({generation.versions}), which writes all"
        )
    assert source is not None
    return source


def require_units(dataset: netCDF4.Dataset, source: InputSource, path: Path) -> str:
    """Check the units of all monthly fields of a file that will be read.

    Returns
    -------
    str
        Unit of the inputs: a flux or a monthly total.

    Raises
    ------
    ForcingError
    """

    def unit(name: str, *accepted: str) -> str:
        return require_unit(getattr(dataset[name], "units", None), accepted, f"{path}: {name}")

    for name, wanted in MONTHLY_FIELDS.items():
        unit(name, wanted)
    if source.generation is None:
        found = {unit(name, FLUX_UNIT, TOTAL_UNIT) for name in INPUT_VARIABLES}
        if len(found) > 1:
            raise ForcingError(f"{path}: litter inputs are in different units, {sorted(found)}")
        return found.pop()
    for pool in map(source.generation.pool, LITTER_POOLS):
        unit(pool.carbon, DENSITY_UNIT)
        for name in {*pool.required, *pool.optional_losses} - {pool.carbon}:
            if name in dataset.variables:
                unit(name, _DENSITY_FLUX_UNIT)
    if LITTERFALL in dataset.variables:
        unit(LITTERFALL, FLUX_UNIT)
    return FLUX_UNIT


def _nearest_generation(present: set[str]) -> Generation:
    """Find the generation of which most fields are there."""
    return min(GENERATIONS, key=lambda generation: len(generation.missing(present)))


def _describe(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} (of {len(paths)} history files)"
