"""Grids on the sphere: one class for lat-lon boxes, curvilinear and unstructured cells.

A rectilinear grid is two axes with bounds, because everything about it factors into longitude
times sine of latitude. Every other grid is a list of cells with corners. Longitudes keep the
convention of their source; whatever compares them works modulo 360 degrees.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.errors import GridError

__all__ = [
    "BoolArray",
    "FloatArray",
    "Grid",
    "GridKind",
    "bounds_between",
    "cell_grid",
    "edges_between",
    "polygon_areas",
    "rectilinear_grid",
    "unit_vectors",
]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_UNEVEN: Final = 1.5
"""Midpoints stand for cell edges only where neighbouring spacings differ by less than this factor."""
_SNAP: Final = 1e-3
"""Edges this close to a pole or to a full circle, in cell widths, are meant to be there."""
_OVERLAP: Final = 1e-4
"""Neighbouring bounds may overlap by this share of a cell (coordinates in single precision)."""
_CIRCLE: Final = 1e-6
"""Degrees by which the width of a cell that goes all the way round may differ from 360."""
_ROUNDING: Final = 1e-3
"""Degrees by which single precision, or a few digits, may move a centre across its edge."""
_INSIDE: Final = 1e-8
"""A centre this far outside an edge, in sines of angles, still counts as inside."""
_ZERO_AREA: Final = 1e-14
"""Steradians; a cell of one metre squared has 2.5e-14."""


class GridKind(StrEnum):
    """What a grid's cells look like."""

    RECTILINEAR = "rectilinear"
    """Boxes between meridians and parallels, on two axes."""
    CURVILINEAR = "curvilinear"
    """Cells in rows and columns that follow no meridians."""
    UNSTRUCTURED = "unstructured"
    """A list of cells."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Cells on the sphere.

    Attributes
    ----------
    name : str
        The name or file that the grid came from, for messages.
    kind : GridKind
    lon, lat : ndarray, degrees
        Cell centres: axes of shape (lon,) and (lat,) of a rectilinear grid, arrays of the
        grid's shape otherwise.
    mask : ndarray of bool
        Of the grid's shape: (lat, lon), (y, x) or (cell,). True where the cell counts: land for
        a target, data for a source.
    lon_bounds, lat_bounds : ndarray, shape (lon, 2), (lat, 2), degrees, or None
        West and east, south and north edges of a rectilinear grid; longitudes continuous within
        a cell. None where the edges are unknown.
    corner_lon, corner_lat : ndarray, shape (cell, corner), degrees, or None
        Corners of the cells of any other grid; cells with fewer corners repeat their last one.
    """

    name: str
    kind: GridKind
    lon: FloatArray
    lat: FloatArray
    mask: BoolArray
    lon_bounds: FloatArray | None = None
    lat_bounds: FloatArray | None = None
    corner_lon: FloatArray | None = None
    corner_lat: FloatArray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(lat, lon), (y, x) or (cell,)."""
        return self.mask.shape

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(self.mask.size)

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions of a field on this grid."""
        if self.kind is GridKind.RECTILINEAR:
            return ("lat", "lon")
        return ("y", "x") if self.kind is GridKind.CURVILINEAR else ("cell",)

    @property
    def has_corners(self) -> bool:
        """Whether the extent of the cells is known."""
        return self.lon_bounds is not None or self.corner_lon is not None

    def with_mask(self, mask: BoolArray) -> Grid:
        """Return the same grid with another mask of the grid's shape."""
        return replace(self, mask=np.asarray(mask, dtype=bool).reshape(self.shape))

    def centres(self) -> tuple[FloatArray, FloatArray]:
        """Longitude and latitude of each cell, shape (cell,), degrees, in the order of the mask."""
        if self.kind is not GridKind.RECTILINEAR:
            return self.lon.ravel(), self.lat.ravel()
        lat, lon = np.meshgrid(self.lat, self.lon, indexing="ij")
        return lon.ravel(), lat.ravel()

    def corners(self) -> tuple[FloatArray, FloatArray]:
        """Longitude and latitude of the cells' corners, shape (cell, corner), degrees.

        Raises
        ------
        GridError
            If the extent of the cells is unknown.
        """
        if self.corner_lon is not None and self.corner_lat is not None:
            return self.corner_lon, self.corner_lat
        lon_bounds, lat_bounds = self.bounds()
        lon = np.broadcast_to(lon_bounds[None, :, [0, 1, 1, 0]], (*self.shape, 4))
        lat = np.broadcast_to(lat_bounds[:, None, [0, 0, 1, 1]], (*self.shape, 4))
        return lon.reshape(-1, 4), lat.reshape(-1, 4)

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Bounds of the axes of a rectilinear grid.

        Raises
        ------
        GridError
            If they are unknown.
        """
        if self.lon_bounds is None or self.lat_bounds is None:
            raise GridError(
                f"{self.name}: the edges of its cells are not in the file and cannot be deduced "
                "from the centres; give the mesh file, SCRIP file or domain file of this grid, "
                "or use --method nearest"
            )
        return self.lon_bounds, self.lat_bounds

    def box_areas(self) -> FloatArray:
        """Areas of the boxes of a rectilinear grid, shape (cell,), steradians."""
        lon_bounds, lat_bounds = self.bounds()
        width = np.deg2rad(lon_bounds[:, 1] - lon_bounds[:, 0])
        height = np.diff(np.sin(np.deg2rad(lat_bounds)), axis=1)[:, 0]
        return np.outer(height, width).ravel()

    def checksum(self) -> str:
        """SHA-256 over kind, shape, centres, extents and mask, in hexadecimal."""
        digest = hashlib.sha256(f"{self.kind} {self.shape}".encode())
        arrays = (self.lon, self.lat, self.lon_bounds, self.lat_bounds)
        for array in (*arrays, self.corner_lon, self.corner_lat):
            digest.update(b"absent" if array is None else np.ascontiguousarray(array).tobytes())
        digest.update(np.packbits(self.mask).tobytes())
        return digest.hexdigest()


def rectilinear_grid(
    name: str,
    lon: ArrayLike,
    lat: ArrayLike,
    *,
    lon_bounds: ArrayLike | None = None,
    lat_bounds: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Grid:
    """Make a grid of lat-lon boxes.

    Parameters
    ----------
    name : str
    lon, lat : array_like, shape (lon,), (lat,), degrees
        Centres, ascending or descending; longitudes -180..180 or 0..360, across the date line too.
    lon_bounds, lat_bounds : array_like, shape (lon, 2), (lat, 2), degrees, optional
        By default the midpoints between centres, where these are evenly spaced.
    mask : array_like, shape (lat, lon), optional
        1 where the cell counts, 0 where not; by default every cell counts.

    Raises
    ------
    GridError
        If coordinates are not finite or out of range, cells have no width or overlap, or the mask
        does not fit.
    """
    centres_lon = _coordinates(lon, f"{name}: longitude")
    centres_lat = _latitudes(lat, name)
    east_west = _lon_bounds(centres_lon, lon_bounds, name)
    south_north = _lat_bounds(centres_lat, lat_bounds, name)
    known = east_west is not None and south_north is not None
    return Grid(
        name=name,
        kind=GridKind.RECTILINEAR,
        lon=centres_lon,
        lat=centres_lat,
        mask=_mask(mask, (centres_lat.size, centres_lon.size), name),
        lon_bounds=east_west if known else None,
        lat_bounds=south_north if known else None,
    )


def cell_grid(
    name: str,
    lon: ArrayLike,
    lat: ArrayLike,
    *,
    corner_lon: ArrayLike | None = None,
    corner_lat: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Grid:
    """Make a curvilinear (2-D centres) or unstructured (1-D centres) grid.

    Parameters
    ----------
    name : str
    lon, lat : array_like, shape (y, x) or (cell,), degrees
    corner_lon, corner_lat : array_like, shape (cell, corner), degrees, optional
        In either sense of rotation; repeated corners that follow one another are allowed.
    mask : array_like of the shape of `lon`, optional

    Raises
    ------
    GridError
        As `rectilinear_grid`; also for a cell that passes twice through one corner, and for a
        cell of zero area that is not masked out.
    """
    centres_lon = _coordinates(lon, f"{name}: longitude")
    centres_lat = _latitudes(lat, name)
    grid = Grid(
        name=name,
        kind=GridKind.CURVILINEAR if centres_lon.ndim == 2 else GridKind.UNSTRUCTURED,
        lon=centres_lon,
        lat=centres_lat,
        mask=_mask(mask, centres_lon.shape, name),
    )
    if corner_lon is None or corner_lat is None:
        return grid
    corners = (_coordinates(corner_lon, f"{name}: corner"), _latitudes(corner_lat, name))
    _require_simple_cells(*corners, grid)
    areas = polygon_areas(*corners)
    _require_area(np.abs(areas) > _ZERO_AREA, grid)
    clockwise = areas < 0.0
    for array in corners:
        array[clockwise] = array[clockwise, ::-1]
    _require_centres_inside(*corners, grid)
    return replace(grid, corner_lon=corners[0], corner_lat=corners[1])


def bounds_between(centres: FloatArray) -> FloatArray | None:
    """Cell bounds halfway between centres, or None where that would be a guess.

    Parameters
    ----------
    centres : ndarray, shape (n,)
        Monotone, either way.

    Returns
    -------
    ndarray, shape (n, 2), lower bound first; None for a single cell or uneven spacing.
    """
    spacing = np.abs(np.diff(centres))
    if spacing.size == 0 or spacing.max() > _UNEVEN * spacing.min():
        return None
    edges = edges_between(centres)
    return np.sort(np.stack([edges[:-1], edges[1:]], axis=1), axis=1)


def edges_between(centres: FloatArray) -> FloatArray:
    """Edges halfway between n centres, shape (n + 1,); a single cell is taken to be 1 wide."""
    if centres.size == 1:
        return np.concatenate([centres - 0.5, centres + 0.5])
    middle = 0.5 * (centres[1:] + centres[:-1])
    first, last = 2.0 * centres[0] - middle[0], 2.0 * centres[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


def unit_vectors(lon: FloatArray, lat: FloatArray) -> FloatArray:
    """Points on the unit sphere, shape (..., 3), from degrees."""
    phi, theta = np.deg2rad(lon), np.deg2rad(lat)
    return np.stack([np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), np.sin(theta)], -1)


def polygon_areas(corner_lon: FloatArray, corner_lat: FloatArray) -> FloatArray:
    """Signed areas of polygons with great-circle edges, shape (cell,), steradians.

    Fan of triangles from the first corner, each by Van Oosterom and Strackee (1983). Positive
    where the corners run counter-clockwise seen from outside; repeated corners add nothing.
    """
    vertex = unit_vectors(corner_lon, corner_lat)
    first = vertex[:, :1]
    second, third = vertex[:, 1:-1], vertex[:, 2:]
    triple = np.einsum("...i,...i", first, np.cross(second, third))
    cosines = (
        1.0
        + np.einsum("...i,...i", first, second)
        + np.einsum("...i,...i", second, third)
        + np.einsum("...i,...i", third, first)
    )
    areas: FloatArray = (2.0 * np.arctan2(triple, cosines)).sum(axis=1)
    return areas


def _coordinates(values: ArrayLike, what: str) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    if array.size == 0 or not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise GridError(f"{what} has {bad} missing or non-finite values of {array.size}")
    return array


def _latitudes(values: ArrayLike, name: str) -> FloatArray:
    array = _coordinates(values, f"{name}: latitude")
    worst = array.flat[np.abs(array).argmax()]
    if abs(worst) > 90.0 + 1e-4:
        raise GridError(
            f"{name}: latitude {worst:g} is outside -90..90 degrees; "
            "are longitude and latitude exchanged?"
        )
    return np.clip(array, -90.0, 90.0)


def _mask(values: ArrayLike | None, shape: tuple[int, ...], name: str) -> BoolArray:
    if values is None:
        return np.ones(shape, dtype=bool)
    array = np.asarray(values)
    if array.shape != shape:
        raise GridError(f"{name}: the mask has shape {array.shape}, the grid {shape}")
    strange = ~np.isin(array, (0, 1))
    if strange.any():
        raise GridError(
            f"{name}: the mask holds {array[strange][0]}; it must hold 1 (land) and 0 only"
        )
    return array.astype(bool)


def _lon_bounds(centres: FloatArray, given: ArrayLike | None, name: str) -> FloatArray | None:
    continuous = np.unwrap(centres, period=360.0)
    _require_monotone(continuous, f"{name}: longitude")
    if given is None:
        bounds = bounds_between(continuous)
        if bounds is None:
            return None
    else:
        edges = _pairs(given, centres, f"{name}: longitude")
        around = continuous[:, None] + (edges - continuous[:, None] + 180.0) % 360.0 - 180.0
        # Whole turns only, so that neighbours go on sharing their edge to the last bit.
        bounds = np.sort(edges + 360.0 * np.rint((around - edges) / 360.0), axis=1)
        circle = np.abs(np.abs(np.diff(edges, axis=1)[:, 0]) - 360.0) < _CIRCLE
        bounds[circle] = continuous[circle, None] + (-180.0, 180.0)
        _require_between(continuous, bounds, f"{name}: longitude")
    _require_width(bounds, f"{name}: longitude")
    return _close_circle(bounds, name)


def _close_circle(bounds: FloatArray, name: str) -> FloatArray:
    width = bounds[:, 1] - bounds[:, 0]
    excess = width.sum() - 360.0
    if excess > _OVERLAP * width.min():
        raise GridError(f"{name}: its longitudes span {width.sum():g} degrees, more than a circle")
    order = np.argsort((bounds[:, 0] - bounds[0, 0]) % 360.0)
    start = bounds[0, 0] + (bounds[order, 0] - bounds[0, 0]) % 360.0
    _require_apart(start, start + width[order], f"{name}: longitude")
    if abs(excess) < _SNAP * width.min():
        eastmost = order[-1]
        bounds[eastmost, 1] = bounds[eastmost, 0] + bounds[0, 0] + 360.0 - start[-1]
    return bounds


def _lat_bounds(centres: FloatArray, given: ArrayLike | None, name: str) -> FloatArray | None:
    _require_monotone(centres, f"{name}: latitude")
    if given is None:
        bounds = bounds_between(centres)
        if bounds is None:
            return None
    else:
        bounds = np.sort(_pairs(given, centres, f"{name}: latitude"), axis=1)
        _require_between(centres, bounds, f"{name}: latitude")
    reach = 90.0 - _SNAP * (bounds[:, 1] - bounds[:, 0]).min()
    bounds = np.where(np.abs(bounds) > reach, np.sign(bounds) * 90.0, bounds)
    _require_width(bounds, f"{name}: latitude")
    order = np.argsort(bounds[:, 0])
    _require_apart(bounds[order, 0], bounds[order, 1], f"{name}: latitude")
    return bounds


def _pairs(given: ArrayLike, centres: FloatArray, what: str) -> FloatArray:
    bounds = _coordinates(given, f"{what} bounds")
    if bounds.shape != (centres.size, 2):
        raise GridError(
            f"{what} bounds have shape {bounds.shape}; must be ({centres.size}, 2), "
            "two edges for each centre"
        )
    return bounds


def _require_between(centres: FloatArray, bounds: FloatArray, what: str) -> None:
    outside = np.maximum(bounds[:, 0] - centres, centres - bounds[:, 1])
    if outside.max() > _ROUNDING:
        at = int(outside.argmax())
        raise GridError(
            f"{what} {centres[at]:g} at index {at} lies outside its own bounds "
            f"{bounds[at, 0]:g} to {bounds[at, 1]:g}; centres and bounds are of different cells"
        )


def _require_monotone(values: FloatArray, what: str) -> None:
    steps = np.diff(values)
    if steps.size and not ((steps > 0).all() or (steps < 0).all()):
        at = int(np.flatnonzero(np.sign(steps) != np.sign(steps[0]))[0]) if steps[0] else 0
        raise GridError(
            f"{what} is not monotone: {values[at]:g} is followed by {values[at + 1]:g} "
            f"at index {at + 1}; repeated or unordered coordinates make cells of zero area"
        )


def _require_width(bounds: FloatArray, what: str) -> None:
    empty = np.flatnonzero(bounds[:, 1] - bounds[:, 0] <= 0.0)
    if empty.size:
        raise GridError(
            f"{what} bounds make {empty.size} cells of zero area, the first at index {empty[0]} "
            f"({bounds[empty[0], 0]:g} to {bounds[empty[0], 1]:g})"
        )


def _require_apart(lower: FloatArray, upper: FloatArray, what: str) -> None:
    overlap = upper[:-1] - lower[1:]
    if overlap.size and overlap.max() > _OVERLAP * (upper - lower).min():
        at = int(overlap.argmax())
        raise GridError(
            f"{what} bounds overlap: {lower[at]:g}..{upper[at]:g} and "
            f"{lower[at + 1]:g}..{upper[at + 1]:g}"
        )


def _require_simple_cells(corner_lon: FloatArray, corner_lat: FloatArray, grid: Grid) -> None:
    points = np.round(unit_vectors(corner_lon, corner_lat), 12)
    n_corners = corner_lon.shape[1]
    same = (points[:, :, None] == points[:, None, :]).all(axis=-1)
    steps = same[:, np.arange(n_corners), (np.arange(n_corners) + 1) % n_corners]
    distinct_runs = n_corners - steps.sum(axis=1)
    first_seen = ~np.tril(same, -1).any(axis=2)
    twice = (distinct_runs > first_seen.sum(axis=1)) & grid.mask.ravel() & (distinct_runs > 0)
    if twice.any():
        raise GridError(
            f"{grid.name}: {int(twice.sum())} cells pass twice through one node, the first is "
            f"cell {int(np.flatnonzero(twice)[0]) + 1}; mend the connectivity or mask them out"
        )


def _require_centres_inside(corner_lon: FloatArray, corner_lat: FloatArray, grid: Grid) -> None:
    """Refuse corners that belong to other cells; a few concave cells may look so and pass."""
    corner, centre = unit_vectors(corner_lon, corner_lat), unit_vectors(*grid.centres())
    edge_normal = np.cross(corner, np.roll(corner, -1, axis=1))
    outside = (np.einsum("ijk,ik->ij", edge_normal, centre) < -_INSIDE).any(axis=1)
    if 2 * outside.sum() > grid.size:
        raise GridError(
            f"{grid.name}: the corners of {int(outside.sum())} of {grid.size} cells do not "
            "surround their centres; they may be stored in another order. Give the mesh file of "
            "this grid, or a file with its centres alone and --method nearest"
        )


def _require_area(has_area: BoolArray, grid: Grid) -> None:
    empty = np.flatnonzero(~has_area & grid.mask.ravel())
    if empty.size:
        lon, lat = grid.centres()
        raise GridError(
            f"{grid.name}: {empty.size} cells have zero area, the first is cell {empty[0] + 1} at "
            f"{lon[empty[0]]:g} E {lat[empty[0]]:g} N; remove them or set their mask to 0"
        )
