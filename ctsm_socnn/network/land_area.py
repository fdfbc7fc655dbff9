"""The land area of each cell of a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.grid_pieces import Place
from ctsm_socnn.regrid.geometry import rectilinear_grid

__all__ = ["LandArea"]

_EARTH_RADIUS_M: Final = 6.371e6
_AREA_NAMES: Final = ("area", "AREA")
_SQUARE_METRES: Final[Mapping[str, float]] = {
    "m2": 1.0,
    "m^2": 1.0,
    "m**2": 1.0,
    "km2": 1e6,
    "km^2": 1e6,
    "km**2": 1e6,
}
_WHOLE: Final = 1.0 + 1e-6
"""A share of 1, with the rounding of single precision."""
_LAND_NAMES: Final = ("landfrac", "LANDFRAC_PFT", "landmask")
"""In order of preference; the land of a cell is its area times the first one present."""


@dataclass(frozen=True)
class LandArea:
    """Land area by cell: `area`, or the size of the grid box, times the share of land.

    Attributes
    ----------
    dimensions : tuple of str
        Horizontal dimensions of the grid.
    area : xarray.DataArray or None
        On the grid, with `units` of m2 or km2.
    boxes : tuple of ndarray or None
        Sides of the cells of a regular grid along each dimension; their product is in m2.
    land : xarray.DataArray or None
        Share of land, 1; a cell without a value is all land.
    """

    dimensions: tuple[str, ...]
    area: xr.DataArray | None
    boxes: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    land: xr.DataArray | None

    @classmethod
    def from_grid(cls, grid: xr.Dataset, dimensions: tuple[str, ...]) -> LandArea | None:
        """Read the land area of a grid; None if the size of its cells cannot be found.

        Raises
        ------
        NetworkError
            If `area` has an unknown unit.
        GridError
            If `lat` and `lon` are not axes of a grid.
        """
        area = _first(grid, _AREA_NAMES, dimensions)
        if area is not None:
            _require_unit(area)
        regular = set(dimensions) == {"lat", "lon"}
        boxes = _boxes(grid, dimensions) if area is None and regular else None
        if area is None and boxes is None:
            return None
        return cls(dimensions, area, boxes, _first(grid, _LAND_NAMES, dimensions))

    @property
    def source(self) -> str:
        """Where the areas come from, in words."""
        cells = "boxes" if self.area is None else str(self.area.name)
        return f"{cells} times {self.land.name}" if self.land is not None else f"whole {cells}"

    def of_cells(self, place: Place | None = None) -> NDArray[np.float64]:
        """Land (m2) of all cells or those of a place, flattened; 0 where unknown."""
        place = place or (slice(None),) * len(self.dimensions)
        if self.boxes is not None:
            first, second = (sides[along] for sides, along in zip(self.boxes, place, strict=True))
            metres = np.outer(first, second).ravel()
        elif self.area is not None:
            unit = _SQUARE_METRES[str(self.area.attrs["units"])]
            metres = self._values(self.area, place) * unit
        if self.land is not None:
            metres = metres * self._share(self.land, place)
        return np.asarray(np.nan_to_num(metres))

    def _share(self, land: xr.DataArray, place: Place) -> NDArray[np.float64]:
        share = self._values(land, place)
        wrong = np.flatnonzero((share < 0.0) | (share > _WHOLE))
        if wrong.size:
            raise NetworkError(
                f"the grid's {land.name} is {share[wrong[0]]:g} in {wrong.size} cells or more, "
                "must be a share of the cell between 0 and 1 (percent?); mend it, or leave it out"
            )
        return share

    def _values(self, field: xr.DataArray, place: Place) -> NDArray[np.float64]:
        part = field.isel(dict(zip(self.dimensions, place, strict=True)))
        part = part.transpose(*self.dimensions)
        return np.asarray(part.values, dtype=np.float64).ravel()


def _first(
    grid: xr.Dataset, names: tuple[str, ...], dimensions: tuple[str, ...]
) -> xr.DataArray | None:
    for name in names:
        if name in grid.variables:
            single = [d for d, n in grid[name].sizes.items() if n == 1 and d not in dimensions]
            field = grid[name].isel(dict.fromkeys(single, 0), drop=True)
            if set(field.dims) == set(dimensions):
                return field
    return None


def _require_unit(area: xr.DataArray) -> None:
    if str(area.attrs.get("units")) not in _SQUARE_METRES:
        raise NetworkError(
            f"the grid's {area.name} has the unit {area.attrs.get('units', 'not stated')!r}; "
            f"state one of {', '.join(_SQUARE_METRES)}, or leave {area.name} out"
        )


def _boxes(
    grid: xr.Dataset, dimensions: tuple[str, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    boxes = rectilinear_grid("the grid", grid["lon"].values, grid["lat"].values)
    if not boxes.has_corners:
        return None
    lon_bounds, lat_bounds = boxes.bounds()
    height = np.diff(np.sin(np.deg2rad(lat_bounds)), axis=1)[:, 0]
    width = np.deg2rad(np.diff(lon_bounds, axis=1)[:, 0])
    sides = {"lat": height * _EARTH_RADIUS_M**2, "lon": width}
    return sides[dimensions[0]], sides[dimensions[1]]
