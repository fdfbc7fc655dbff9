"""A run in parts, for job arrays: each part makes a posterior file of its own; merge them after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeVar

import numpy as np
import xarray as xr

from ctsm_socnn.errors import AssimilationError, ConfigError
from ctsm_socnn.schemas import validate_posterior

__all__ = ["Shard", "merge_posteriors"]

Item = TypeVar("Item")

_ALIKE: Final = (
    "sampler",
    "likelihood",
    "plan",
    "limits",
    "seed",
    "below_bedrock",
    "sites_sha256",
)
"""Attributes that parts of one run share."""


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, from 1.

    Raises
    ------
    ConfigError
        If there is no such part.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ConfigError(f"shard {self}: the first number must be within 1 and the second")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `3/40`.

        Raises
        ------
        ConfigError
            If the text has another form.
        """
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal()):
            raise ConfigError(f"shard {text!r} must look like 3/40")
        return cls(int(number), int(count))

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return this part of a sequence: every `count`-th item, so that parts are alike."""
        return items[self.number - 1 :: self.count]


def merge_posteriors(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Put the posteriors of all shards together, in the order of the sites.

    Parameters
    ----------
    parts : sequence of xarray.Dataset
        The posterior schema, with `site_index`.

    Returns
    -------
    xarray.Dataset
        Equal to the posterior of an undivided run.

    Raises
    ------
    AssimilationError
        If the parts are of different runs, overlap, or leave sites out.
    """
    for part in parts:
        validate_posterior(part)
    first = parts[0]
    for name in _ALIKE:
        values = sorted({str(part.attrs.get(name)) for part in parts})
        if len(values) > 1:
            raise AssimilationError(
                f"these are parts of different runs: {name} is {' and '.join(values)}"
            )
    merged = xr.concat(
        list(parts),
        dim="site",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="exact",
    )
    merged = merged.sortby("site_index")
    index = merged["site_index"].values
    if np.unique(index).size < index.size:
        raise AssimilationError("some sites are in more than one part; give each shard once")
    if not np.array_equal(index, np.arange(index.size)):
        missing = np.setdiff1d(np.arange(index.max() + 1), index)
        raise AssimilationError(
            f"{missing.size} sites are in no part, the first at place {missing[0]}; "
            "give all shards of the run"
        )
    return merged.assign_attrs(first.attrs)
