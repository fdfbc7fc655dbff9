"""A run in parts, for job arrays: each part writes a posterior file, to be merged afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.assimilation.posterior import CPU_SECONDS, SITES_IN_ALL
from ctsm_socnn.assimilation.screening import site_slices
from ctsm_socnn.assimilation.site_block import Settings
from ctsm_socnn.errors import AssimilationError, ConfigError
from ctsm_socnn.netcdf import require_absent, write_in_parts
from ctsm_socnn.provenance import history_line
from ctsm_socnn.schemas import open_file, validate_posterior

__all__ = ["Shard", "merge_posteriors"]

Item = TypeVar("Item")

_ALIKE: Final = (*Settings().attributes(), "sites_sha256", SITES_IN_ALL)
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


def merge_posteriors(
    parts: Sequence[xr.Dataset], *, output: str | Path, overwrite: bool = False
) -> xr.Dataset:
    """Combine the posteriors of all shards, in the order of the sites.

    Parameters
    ----------
    parts : sequence of xarray.Dataset
        The posterior schema, with ascending `site_index`; may be open and not loaded.
    output : Path
        File to write.
    overwrite : bool
        Whether `output` may be replaced.

    Returns
    -------
    xarray.Dataset
        Equal to the posterior of an undivided run, opened from `output`.

    Raises
    ------
    AssimilationError
        If the parts are of different runs, overlap, or leave sites out.
    FileError
        If the output exists or cannot be written.
    """
    require_absent(output, overwrite=overwrite)
    for part in parts:
        _require_part(part)
    _require_one_run(parts)
    places = [part["site_index"].values for part in parts]
    _require_each_site_once(np.concatenate(places), int(parts[0].attrs[SITES_IN_ALL]))
    seconds = sum(float(part.attrs[CPU_SECONDS]) for part in parts)
    history = f"{history_line()}\n{parts[0].attrs.get('history', '')}"
    attributes = parts[0].attrs | {CPU_SECONDS: f"{seconds:.1f}", "history": history}
    slabs = (
        _slab(parts, places, slab).assign_attrs(attributes)
        for slab in site_slices(sum(index.size for index in places))
    )
    write_in_parts(slabs, "site", output, overwrite=overwrite)
    return open_file(output, load=False)


def _require_part(part: xr.Dataset) -> None:
    where = str(part.encoding.get("source", "posterior"))
    validate_posterior(part, where)
    missing = [name for name in (*_ALIKE, CPU_SECONDS) if name not in part.attrs]
    if missing:
        raise AssimilationError(
            f"{where} lacks the global attribute {missing[0]}; "
            "merge takes files of `assimilate --shard` of this version"
        )


def _require_one_run(parts: Sequence[xr.Dataset]) -> None:
    for name in _ALIKE:
        values = sorted({str(part.attrs.get(name)) for part in parts})
        if len(values) > 1:
            raise AssimilationError(
                f"these are parts of different runs: {name} is {' and '.join(values)}"
            )


def _require_each_site_once(index: NDArray[np.int64], count: int) -> None:
    if np.unique(index).size < index.size:
        raise AssimilationError("some sites are in more than one part; give each shard once")
    missing = np.setdiff1d(np.arange(count), index)
    if missing.size:
        raise AssimilationError(
            f"{missing.size} sites are in no part, the first at place {missing[0]}; "
            "give all shards of the run"
        )


def _slab(
    parts: Sequence[xr.Dataset], places: Sequence[NDArray[np.int64]], slab: slice
) -> xr.Dataset:
    """Take consecutive sites from the parts that hold them."""
    rows = [slice(*np.searchsorted(index, (slab.start, slab.stop))) for index in places]
    held = [
        part.isel(site=row).load()
        for part, row in zip(parts, rows, strict=True)
        if row.start < row.stop
    ]
    together = xr.concat(
        held, dim="site", data_vars="minimal", coords="minimal", compat="override", join="exact"
    )
    return together.sortby("site_index")
