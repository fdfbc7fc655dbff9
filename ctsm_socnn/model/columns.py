"""Columns: monthly forcing, checked, in the form that the kernel needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn import _kernel
from ctsm_socnn.errors import KernelError

__all__ = ["DRIEST", "Columns"]

N_LAYERS: Final = 20
N_MONTHS: Final = 12
POOLS_WITH_INPUT: Final = ("CWD", "LITR1", "LITR2", "LITR3")

_TOLERANCE: Final = 1e-6
"""By how much a scalar of a single-precision history file may leave 0..1."""


@dataclass(frozen=True)
class _Field:
    """What a monthly forcing field may hold."""

    name: str
    units: str
    lowest: float
    highest: float
    remedy: str
    axes: tuple[str, ...] = ("month", "layer")


DRIEST: Final = 0.05
"""Least water scalar of the published site data, which is also its value below bedrock.

CTSM writes zero below bedrock, where it puts no litter. The `proda` scheme puts litter there; without
any decay it would hold carbon for ever, and let it leak into the layers above.
"""

_SCALAR_REMEDY: Final = "the scalar is a fraction of the potential rate"
_TEMPERATURE: Final = _Field("TSOI", "K", 150.0, 350.0, "temperatures must be in kelvin, not degC")
_WATER: Final = _Field("W_SCALAR", "1", -_TOLERANCE, 1.0 + _TOLERANCE, _SCALAR_REMEDY)
_OXYGEN: Final = _Field("O_SCALAR", "1", -_TOLERANCE, 1.0 + _TOLERANCE, _SCALAR_REMEDY)
_NITROGEN: Final = _Field("FPI_vr", "1", -_TOLERANCE, 1.0 + _TOLERANCE, _SCALAR_REMEDY)
_THAW: Final = _Field(
    "ALTMAX", "m", 0.0, 100.0, "give the active-layer depth in metres", ("month",)
)
_THAW_LAST: Final = _Field("ALTMAX_LASTYEAR", "m", 0.0, 100.0, _THAW.remedy, ("month",))
_BEDROCK: Final = _Field(
    "nbedrock", "1", 1, N_LAYERS, "it counts layers from 1 at the top to 20", ("month",)
)


def _input_field(pool: str) -> _Field:
    remedy = "carbon input cannot be negative; its unit is gC m-2 month-1"
    return _Field(f"{pool}_INPUT", "gC m-2 month-1", 0.0, 1e5, remedy, ("month",))


@dataclass(frozen=True, eq=False)
class Columns:
    """Forcing of many soil columns, with all parameter-independent terms computed once.

    Made by `from_sites` or `from_arrays`. The records are those of `fortran/proda_forcing.f90`.

    Attributes
    ----------
    climate : ndarray, shape (column, 4, 12, 20)
        By month and layer: (T - 298.15 K) / 10 K; water scalar; oxygen scalar / 12; nitrogen
        scalar.
    exchange : ndarray, shape (column, 6, 20)
        Month means of the exchange with the layer above, then below: m-2 per unit of bioturbation,
        m-2 per unit of cryoturbation, and yr-1 of the numerical floor.
    annual_input : ndarray, shape (column, 5)
        Input to CWD, L1, L2, L3, gC m-2 yr-1; and 1 where all of it enters the top layer.
    """

    climate: NDArray[np.float64]
    exchange: NDArray[np.float64]
    annual_input: NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.climate.shape[0])

    @property
    def bytes_per_column(self) -> int:
        """Memory that a column takes."""
        arrays = (self.climate, self.exchange, self.annual_input)
        return sum(array[0].nbytes for array in arrays)

    def take(self, indices: ArrayLike) -> Self:
        """Return some of the columns, in the order of `indices` (0-based).

        Raises
        ------
        KernelError
            If an index is outside the columns.
        """
        chosen = np.atleast_1d(np.asarray(indices))
        try:
            return type(self)(
                self.climate[chosen], self.exchange[chosen], self.annual_input[chosen]
            )
        except IndexError as error:
            raise KernelError(f"columns 0..{len(self) - 1} exist: {error}") from error

    @classmethod
    def from_sites(cls, sites: xr.Dataset) -> Self:
        """Columns from a sites dataset (see `ctsm_socnn.schemas`).

        Parameters
        ----------
        sites : xarray.Dataset
            With TSOI (K), W_SCALAR, O_SCALAR, FPI_vr (1) by (site, month, layer); ALTMAX,
            ALTMAX_LASTYEAR (m) and CWD_INPUT, LITR1_INPUT, LITR2_INPUT, LITR3_INPUT
            (gC m-2 month-1) by (site, month); nbedrock by (site) or (site, month).
            A W_SCALAR below `DRIEST` counts as that.

        Raises
        ------
        KernelError
            As `from_arrays`.
        """
        return cls.from_arrays(
            temperature=sites["TSOI"].values,
            water=_not_too_dry(sites["W_SCALAR"].values),
            oxygen=sites["O_SCALAR"].values,
            nitrogen=sites["FPI_vr"].values,
            thaw=sites["ALTMAX"].values,
            thaw_last_year=sites["ALTMAX_LASTYEAR"].values,
            bedrock=sites["nbedrock"].values,
            inputs=[sites[f"{pool}_INPUT"].values for pool in POOLS_WITH_INPUT],
        )

    @classmethod
    def from_arrays(
        cls,
        *,
        temperature: ArrayLike,
        water: ArrayLike,
        oxygen: ArrayLike,
        nitrogen: ArrayLike,
        thaw: ArrayLike,
        thaw_last_year: ArrayLike,
        bedrock: ArrayLike,
        inputs: Sequence[ArrayLike],
    ) -> Self:
        """Columns from arrays.

        Parameters
        ----------
        temperature : array_like, shape (column, 12, 20), K
            Soil temperature (CLM `TSOI`).
        water, oxygen, nitrogen : array_like, shape (column, 12, 20), 1
            Scalars of decomposition (CLM `W_SCALAR`, `O_SCALAR`, `FPI_vr`), 0..1.
        thaw, thaw_last_year : array_like, shape (column, 12), m
            Active-layer depth of this and of the last year (CLM `ALTMAX`, `ALTMAX_LASTYEAR`).
        bedrock : array_like, shape (column,) or (column, 12)
            Deepest layer above bedrock, 1..20 (CLM `nbedrock`).
        inputs : four array_like, each of shape (column, 12), gC m-2 month-1
            Carbon input to CWD and to metabolic, cellulose and lignin litter.

        Raises
        ------
        KernelError
            Naming the first column and value that is missing or impossible, or the shape.
        """
        warmth = _checked(temperature, _TEMPERATURE, None)
        count = warmth.shape[0]
        layers = np.asarray(bedrock, dtype=np.float64)
        if layers.ndim == 1:
            layers = np.repeat(layers[:, np.newaxis], N_MONTHS, axis=1)
        if len(inputs) != len(POOLS_WITH_INPUT):
            raise KernelError(
                f"inputs holds {len(inputs)} arrays; it must hold {len(POOLS_WITH_INPUT)}: "
                f"{', '.join(POOLS_WITH_INPUT)}"
            )
        by_pool = [
            _checked(values, _input_field(pool), count)
            for pool, values in zip(POOLS_WITH_INPUT, inputs, strict=True)
        ]
        climate, exchange, annual_input = _kernel.proda_prepare(
            warmth.T,
            np.clip(_checked(water, _WATER, count), 0.0, 1.0).T,
            np.clip(_checked(oxygen, _OXYGEN, count), 0.0, 1.0).T,
            np.clip(_checked(nitrogen, _NITROGEN, count), 0.0, 1.0).T,
            _checked(thaw, _THAW, count).T,
            _checked(thaw_last_year, _THAW_LAST, count).T,
            _whole_numbers(_checked(layers, _BEDROCK, count)).T,
            np.stack(by_pool, axis=1).T,
        )
        return cls(climate.T, exchange.T, annual_input.T)


def _not_too_dry(water: NDArray[np.float64]) -> NDArray[np.float64]:
    """Raise possible values to `DRIEST`; impossible ones stay, to be refused."""
    return np.where((water >= _WATER.lowest) & (water < DRIEST), DRIEST, water)


def _checked(values: ArrayLike, field: _Field, count: int | None) -> NDArray[np.float64]:
    """Return the array in double precision if it has the field's shape and all values are possible."""
    array = np.ascontiguousarray(values, dtype=np.float64)
    sizes = {"month": N_MONTHS, "layer": N_LAYERS}
    wanted = tuple(sizes[axis] for axis in field.axes)
    if array.shape[1:] != wanted or (count is not None and array.shape[0] != count):
        shape = ", ".join(("columns" if count is None else str(count), *map(str, wanted)))
        raise KernelError(f"{field.name} has shape {array.shape}; it must be ({shape})")
    possible = (array >= field.lowest) & (array <= field.highest)  # false for NaN
    if not possible.all():
        raise KernelError(_complaint(array, possible, field))
    return array


def with_unit(value: float, units: str) -> str:
    """Return a number for a message, with its unit unless that is 1."""
    return f"{value:g}" if units == "1" else f"{value:g} {units}"


def _complaint(array: NDArray[np.float64], possible: NDArray[np.bool_], field: _Field) -> str:
    where = tuple(int(i) for i in np.argwhere(~possible)[0])
    place = ", ".join(f"{axis} {i + 1}" for axis, i in zip(field.axes, where[1:], strict=True))
    columns = int((~possible).reshape(len(array), -1).any(axis=1).sum())
    value = array[where]
    problem = "is missing" if np.isnan(value) else f"is {with_unit(value, field.units)}"
    return (
        f"column {where[0]}: {field.name} {problem} ({place}); it must be within "
        f"{max(field.lowest, 0.0) if field.lowest < 0 else field.lowest:g}.."
        f"{with_unit(field.highest, field.units)}; {field.remedy} "
        f"({columns} of {len(array)} columns)"
    )


def _whole_numbers(bedrock: NDArray[np.float64]) -> NDArray[np.int32]:
    fractional = bedrock != np.floor(bedrock)
    if fractional.any():
        column, month = (int(i) for i in np.argwhere(fractional)[0])
        raise KernelError(
            f"column {column}: nbedrock is {bedrock[column, month]:g} (month {month + 1}); "
            f"it must be a whole number; {_BEDROCK.remedy}"
        )
    return bedrock.astype(np.int32)
