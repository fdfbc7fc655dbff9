"""What a CTSM scheme needs from the land model: columns, and time-varying forcing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.arguments import whole_numbers
from ctsm_socnn.model.columns import with_unit

__all__ = ["CTSM_POOLS", "CTSM_TRANSITIONS", "CtsmColumns", "CtsmForcing", "as_pools"]

CTSM_POOLS: Final = ("CWD", "L1", "L2", "L3", "S1", "S2", "S3")
"""Pools in the kernel's order; CTSM's own order differs between generations."""

CTSM_TRANSITIONS: Final = (
    "L1S1", "L2S1", "L3S2", "S1S2", "S1S3", "S2S1", "S2S3", "S3S1", "CWDL2", "CWDL3",
)  # fmt: skip
"""Transitions in CTSM's order, the same in both generations."""

N_LAYERS: Final = 20
ROUNDING: Final = 1e-6
"""By how much a ratio that the model stored may exceed 1."""

_THAW: Final = (0.0, 100.0, "m")
_INPUT: Final = (0.0, 1e3, "gC m-3 s-1")
"""Bounds and unit; the upper ones are beyond any soil and below the fill value of CTSM's files, 1e36."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CtsmColumns:
    """What does not change in time, by soil column.

    Attributes
    ----------
    nbedrock : (n,) int
        Levels 1 to nbedrock hold carbon, 1 to 20.
    sand : (n, 20), percent
        CTSM's cellsand; sets the fractions of S1.
    latitude : (n,), degrees north
        Used by spin-up only.
    donor_cn : (n, 7), gC gN-1
        C:N of each pool (order of `CTSM_POOLS`) where pools hold nitrogen, so that only
        transitions that demand mineral nitrogen are limited. Zeros stand for pools without
        nitrogen: then all transitions into S1, S2 and S3 are limited.
    parameter_set : (n,) int
        Which row of the scheme's parameters each column uses.
    """

    nbedrock: NDArray[np.int32]
    sand: Array
    latitude: Array
    donor_cn: Array
    parameter_set: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.nbedrock)

    @classmethod
    def from_arrays(
        cls,
        nbedrock: ArrayLike,
        sand: ArrayLike,
        *,
        latitude: ArrayLike = 0.0,
        donor_cn: ArrayLike = 0.0,
        parameter_set: ArrayLike = 0,
    ) -> CtsmColumns:
        """Make columns from array-likes, each broadcast over columns.

        Raises
        ------
        KernelError
            Naming the column and the value that is not allowed.
        """
        bedrock = whole_numbers("nbedrock", nbedrock, "column")
        n = len(bedrock)
        _require("nbedrock", bedrock, 1, N_LAYERS, "1")
        return cls(
            nbedrock=bedrock.astype(np.int32),
            sand=_checked("sand", sand, (n, N_LAYERS), 0.0, 100.0, "percent"),
            latitude=_checked("latitude", latitude, (n,), -90.0, 90.0, "degrees north"),
            donor_cn=_checked("donor_cn", donor_cn, (n, 7), 0.0, np.inf, "gC gN-1"),
            parameter_set=_parameter_sets(parameter_set, n),
        )

    def take(self, indices: Sequence[int] | NDArray[np.int_]) -> CtsmColumns:
        """Return the columns of these indices, in their order."""
        return replace(self, **{name: getattr(self, name)[indices] for name in vars(self)})


@dataclass(frozen=True)
class CtsmForcing:
    """Forcing in records; every array starts with the record dimension, 1 where constant in time.

    Attributes
    ----------
    temperature : (r, n, 20), K
    water_potential : (r, n, 20), MPa
    fpi : (r, n, 20), 1
        Fraction of potential immobilisation (CTSM: fpi_vr).
    altmax, altmax_lastyear : (r, n), m
        Deepest thaw so far this year and in the last.
    inputs : (r, n, 7, 20), gC m-3 s-1
        Carbon input by pool in the order of `CTSM_POOLS`.
    oxygen_unsaturated, oxygen_saturated : (r, n, 20), 1
        CTSM's o2stress_unsat and o2stress_sat.
    inundated_fraction : (r, n), 1
        clm5.0 with anoxia_wtsat only.
    """

    temperature: Array
    water_potential: Array
    fpi: Array
    altmax: Array
    altmax_lastyear: Array
    inputs: Array
    oxygen_unsaturated: Array = field(repr=False)
    oxygen_saturated: Array = field(repr=False)
    inundated_fraction: Array = field(repr=False)

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return int(self.temperature.shape[1])

    @property
    def n_records(self) -> int:
        """Number of records; fields with one record hold for all of them."""
        return max(int(getattr(self, name).shape[0]) for name in vars(self))

    @classmethod
    def from_arrays(
        cls,
        temperature: ArrayLike,
        water_potential: ArrayLike,
        *,
        altmax: ArrayLike,
        altmax_lastyear: ArrayLike,
        inputs: ArrayLike = 0.0,
        fpi: ArrayLike = 1.0,
        oxygen_unsaturated: ArrayLike = 1.0,
        oxygen_saturated: ArrayLike = 1.0,
        inundated_fraction: ArrayLike = 0.0,
    ) -> CtsmForcing:
        """Make forcing from array-likes.

        `temperature` sets the number of columns; a field without the record dimension is constant
        in time, a scalar constant everywhere.

        Raises
        ------
        KernelError
            Naming the record, the column and the value that is not allowed: NaN, temperatures that
            are not kelvin, positive potentials, fractions outside 0 to 1, negative inputs, fill values.
        """
        kelvin = np.asarray(temperature, dtype=np.float64)
        if kelvin.ndim not in (2, 3) or kelvin.shape[-1] != N_LAYERS:
            raise KernelError(
                f"temperature has shape {kelvin.shape}; it must be (records, columns, {N_LAYERS})"
            )
        layered = (kelvin.shape[-2], N_LAYERS)
        columns = layered[:1]

        def checked(name: str, value: ArrayLike, shape: tuple[int, ...], *bounds: Any) -> Array:
            return _checked(name, value, shape, *bounds, records=True)

        forcing = cls(
            temperature=checked("temperature", kelvin, layered, 150.0, 360.0, "K"),
            water_potential=checked(
                "water_potential", water_potential, layered, -np.inf, 0.0, "MPa"
            ),
            fpi=checked("fpi", fpi, layered, 0.0, 1.0 + ROUNDING, "1"),
            altmax=checked("altmax", altmax, columns, *_THAW),
            altmax_lastyear=checked("altmax_lastyear", altmax_lastyear, columns, *_THAW),
            inputs=checked("inputs", inputs, (columns[0], 7, N_LAYERS), *_INPUT),
            oxygen_unsaturated=checked(
                "oxygen_unsaturated", oxygen_unsaturated, layered, 0.0, np.inf, "1"
            ),
            oxygen_saturated=checked(
                "oxygen_saturated", oxygen_saturated, layered, 0.0, np.inf, "1"
            ),
            inundated_fraction=checked(
                "inundated_fraction", inundated_fraction, columns, 0.0, 1.0, "1"
            ),
        )
        forcing._require_same_records()
        return forcing

    def _require_same_records(self) -> None:
        for name, values in vars(self).items():
            if len(values) not in (1, self.n_records):
                raise KernelError(
                    f"{name} has {len(values)} records and another field {self.n_records}; "
                    "each must have as many, or 1 where it is constant"
                )

    def take(self, indices: Sequence[int] | NDArray[np.int_]) -> CtsmForcing:
        """Return the forcing of the columns of these indices, in their order."""
        return replace(self, **{name: values[:, indices] for name, values in vars(self).items()})

    def with_inputs(self, inputs: ArrayLike) -> CtsmForcing:
        """Return this forcing with other carbon input, shape (1 or records, n, 7, 20), gC m-3 s-1.

        Raises
        ------
        KernelError
            If the shape does not fit or a value is not finite or negative.
        """
        shape = (self.n_columns, 7, N_LAYERS)
        checked = _checked("inputs", inputs, shape, *_INPUT, records=True)
        forcing = replace(self, inputs=checked)
        forcing._require_same_records()
        return forcing


def _parameter_sets(values: ArrayLike, n: int) -> NDArray[np.int32]:
    sets = whole_numbers("parameter_set", values, "column")
    if len(sets) not in (1, n):
        raise KernelError(f"parameter_set has {len(sets)} values; it must have 1 or {n}")
    return np.ascontiguousarray(np.broadcast_to(sets, (n,)), dtype=np.int32)


def as_pools(pools: ArrayLike, n: int, name: str = "pools", unit: str = "gC m-3") -> Array:
    """Pools, or something by pool, as a contiguous (n, 7, 20) array of finite values.

    Raises
    ------
    KernelError
        If the shape is wrong or a value is not finite.
    """
    return _checked(name, pools, (n, 7, N_LAYERS), -np.inf, np.inf, unit)


def _checked(
    name: str,
    values: ArrayLike,
    shape: tuple[int, ...],
    low: float,
    high: float,
    unit: str,
    *,
    records: bool = False,
) -> Array:
    """Contiguous float64 array of that shape, with a leading record dimension if asked for."""
    array = np.asarray(values, dtype=np.float64)
    if records:
        has_records = array.ndim == len(shape) + 1
        shape = (array.shape[0] if has_records else 1, *shape)
    try:
        array = np.broadcast_to(array, shape)
    except ValueError as error:
        raise KernelError(f"{name} has shape {array.shape}; it must fit {shape}") from error
    _require(name, array, low, high, unit, records=records)
    return np.ascontiguousarray(array)


def _require(
    name: str, array: NDArray[Any], low: float, high: float, unit: str, *, records: bool = False
) -> None:
    if array.size and low <= array.min() and array.max() <= high and np.isfinite(array).all():
        return
    wrong = ~((array >= low) & (array <= high) & np.isfinite(array))
    if not wrong.any():
        raise KernelError(f"{name} is empty")
    where = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f"record {where[0]}, column {where[1]}" if records else f"column {where[0]}"
    layer = f", layer {where[-1] + 1}" if array.shape[-1] == N_LAYERS and array.ndim > 1 else ""
    raise KernelError(
        f"{name} is {array[where]} in {place}{layer}; it must be finite and within "
        f"{low:g} to {with_unit(high, unit)}"
    )
