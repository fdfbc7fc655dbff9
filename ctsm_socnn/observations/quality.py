"""Quality flags of a measured layer, as bits; nothing is deleted.

A reason either excludes the layer from use or is a note that rides along. In a sites file the
first kind is `soc_flag` (0 means usable), the second `soc_note`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import ConfigError
from ctsm_socnn.observations.coastline import SEA_DISTANCE

__all__ = [
    "EXCLUDING",
    "LARGEST_BULK_DENSITY",
    "LARGEST_DEPTH",
    "LARGEST_OC",
    "NOTES",
    "REASONS",
    "SMALLEST_BULK_DENSITY",
    "Reason",
    "count_reasons",
    "flag_attributes",
    "names_in",
    "reason",
]

LARGEST_OC: Final = 600.0
"""g kg-1: plant tissue holds no more than 60 % carbon."""

SMALLEST_BULK_DENSITY: Final = 0.05
LARGEST_BULK_DENSITY: Final = 2.6
"""g cm-3: from the loosest peat to solid quartz."""


LARGEST_DEPTH: Final = 20.0
"""m: more than twice the 8.6 m of the model's soil; beyond, a unit is mistaken more often than not."""


@dataclass(frozen=True)
class Reason:
    """One thing that can be wrong with, or should be known of, a layer.

    Attributes
    ----------
    name : str
    bit : int
        Power of two in the flag; never reused.
    excludes : bool
        Whether the layer may not be used.
    meaning : str
    """

    name: str
    bit: int
    excludes: bool
    meaning: str


_EXCLUDING: Final = (
    ("no_carbon_value", "organic carbon was not measured"),
    ("no_depth", "top or bottom is unknown"),
    ("carbon_not_positive", "organic carbon is zero or negative"),
    ("carbon_above_60_percent", "organic carbon is above 600 g kg-1"),
    ("soc_above_250_kg", "carbon density is above 250 kg m-3"),
    ("no_bulk_density", "bulk density is unknown and no pedotransfer function was chosen"),
    ("bulk_density_implausible", "bulk density is outside 0.05-2.6 g cm-3"),
    ("fragments_implausible", "coarse fragments are below 0 or not below 100 percent"),
    ("layer_upside_down", "bottom is not below top"),
    ("layer_overlaps", "the layer begins above the bottom of a usable one before"),
    ("above_surface", "litter layer above the mineral surface"),
    ("rejected_at_source", "the database itself marks the value as bad, or as a repeat"),
    ("duplicate_profile", "same place, layers and year as an earlier profile"),
    ("bad_coordinates", "longitude or latitude is missing, impossible or varies in the profile"),
)
_NOTES: Final = (
    ("gap_above", "nothing usable was measured between this layer and the one before"),
    ("no_fragments", "coarse fragments are unknown and taken as zero"),
    ("fragments_by_weight", "coarse fragments were converted from weight to volume"),
    ("carbon_indirect", "organic carbon is predicted, splined or total carbon"),
    ("bulk_density_indirect", "bulk density is predicted or read off a map"),
    ("coarse_coordinates", "coordinates are known to a tenth of a degree or less"),
    ("organic_soil", "organic carbon is above 120 g kg-1"),
    ("wetland", "the database marks the site as a wetland"),
)
_ALSO_EXCLUDING: Final = (
    ("in_sea", f"coordinates lie in the sea, more than {SEA_DISTANCE:g} km from land"),
    ("depth_implausible", f"the layer reaches deeper than {LARGEST_DEPTH:g} m; is its unit right?"),
)
"""Behind the notes, so that these keep the bits that they have in files."""

REASONS: Final = tuple(
    Reason(name, 1 << bit, (name, meaning) not in _NOTES, meaning)
    for bit, (name, meaning) in enumerate((*_EXCLUDING, *_NOTES, *_ALSO_EXCLUDING))
)
_BY_NAME: Final = {item.name: item for item in REASONS}

EXCLUDING: Final = sum(item.bit for item in REASONS if item.excludes)
"""Mask of all bits that exclude."""

NOTES: Final = sum(item.bit for item in REASONS if not item.excludes)
"""Mask of all bits that only tell."""


def reason(name: str) -> Reason:
    """Look a reason up by name.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in _BY_NAME:
        raise ConfigError(f"unknown quality reason {name!r}; known are {', '.join(_BY_NAME)}")
    return _BY_NAME[name]


def names_in(flag: int) -> list[str]:
    """Names of the reasons that a flag holds."""
    return [item.name for item in REASONS if flag & item.bit]


def count_reasons(flags: NDArray[np.int32]) -> dict[str, int]:
    """Layers that each reason holds for, those that hold for none left out."""
    counts = {item.name: int(np.count_nonzero(flags & item.bit)) for item in REASONS}
    return {name: count for name, count in counts.items() if count}


def flag_attributes(mask: int) -> dict[str, object]:
    """CF attributes `flag_masks` and `flag_meanings` of the bits of a mask."""
    held = [item for item in REASONS if item.bit & mask]
    return {
        "flag_masks": np.array([item.bit for item in held], dtype=np.int32),
        "flag_meanings": " ".join(item.name for item in held),
    }
