"""Our grids as ESMF objects: structured grids, meshes and lists of points, built in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.regrid.geometry import BoolArray, FloatArray, Grid, GridKind

__all__ = ["cells_touch", "field_like", "field_on"]

_CIRCLE: Final = 1e-6
_FEWEST_CORNERS: Final = 3


@contextmanager
def field_on(esmpy: Any, grid: Grid) -> Iterator[Any]:
    """Give a field on the cells of a grid; ESMF's objects are freed at the end."""
    contiguous = grid.kind is GridKind.RECTILINEAR and _is_contiguous(grid)
    if contiguous:
        geometry = _esmf_grid(esmpy, grid)
    elif grid.has_corners:
        geometry = _esmf_mesh(esmpy, grid)
    else:
        geometry = _esmf_points(esmpy, grid)
    place = {"meshloc": esmpy.MeshLoc.ELEMENT} if isinstance(geometry, esmpy.Mesh) else {}
    field = esmpy.Field(geometry, **place)
    try:
        yield field
    finally:
        field.destroy()
        geometry.destroy()


@contextmanager
def field_like(esmpy: Any, field: Any) -> Iterator[Any]:
    """Give another field on the same cells, freed at the end."""
    place = {"meshloc": esmpy.MeshLoc.ELEMENT} if isinstance(field.grid, esmpy.Mesh) else {}
    other = esmpy.Field(field.grid, **place)
    try:
        yield other
    finally:
        other.destroy()


def cells_touch(grid: Grid) -> bool:
    """Whether values can be interpolated between the cells: three of them meet in some point."""
    if grid.kind is GridKind.RECTILINEAR and _is_contiguous(grid):
        return True
    if not grid.has_corners:
        return False
    _, connection, _ = _nodes_of_cells(*grid.corners())
    return bool(np.bincount(connection).max() >= _FEWEST_CORNERS)


def _is_contiguous(grid: Grid) -> bool:
    if grid.lon_bounds is None or grid.lat_bounds is None:
        return True
    return all(
        np.allclose(np.max([b[1:, 0], b[:-1, 0]], axis=0), np.min([b[1:, 1], b[:-1, 1]], axis=0))
        for b in (_continuous(grid.lon_bounds), grid.lat_bounds)
    )


def _continuous(bounds: FloatArray) -> FloatArray:
    """Longitude bounds without jumps of 360 degrees from cell to cell."""
    west = np.unwrap(bounds[:, 0], period=360.0)
    return bounds + (west - bounds[:, 0])[:, None]


def _esmf_grid(esmpy: Any, grid: Grid) -> Any:
    cornered = grid.has_corners
    stagger = [esmpy.StaggerLoc.CENTER] + ([esmpy.StaggerLoc.CORNER] if cornered else [])
    periodic = cornered and _is_full_circle(grid)
    options = {"num_peri_dims": 1, "periodic_dim": 0, "pole_dim": 1} if periodic else {}
    esmf_grid = esmpy.Grid(
        np.array([grid.lon.size, grid.lat.size]),
        staggerloc=stagger,
        coord_sys=esmpy.CoordSys.SPH_DEG,
        **options,
    )
    _set_coordinates(esmf_grid, esmpy.StaggerLoc.CENTER, grid.lon, grid.lat)
    if cornered:
        lon_bounds, lat_bounds = grid.bounds()
        lon_edges = _edges(_continuous(lon_bounds))
        if periodic:
            lon_edges = lon_edges[:-1]
        _set_coordinates(esmf_grid, esmpy.StaggerLoc.CORNER, lon_edges, _edges(lat_bounds))
    mask = esmf_grid.add_item(esmpy.GridItem.MASK, staggerloc=esmpy.StaggerLoc.CENTER)
    mask[...] = grid.mask.T
    return esmf_grid


def _set_coordinates(esmf_grid: Any, stagger: Any, lon: FloatArray, lat: FloatArray) -> None:
    esmf_grid.get_coords(0, staggerloc=stagger)[...] = lon[:, None]
    esmf_grid.get_coords(1, staggerloc=stagger)[...] = lat[None, :]


def _edges(bounds: FloatArray) -> FloatArray:
    """Edges of contiguous bounds in the order of their cells, shape (n + 1,)."""
    ascending = len(bounds) == 1 or bounds[1, 0] > bounds[0, 0]
    near, far = (0, 1) if ascending else (1, 0)
    return np.append(bounds[:, near], bounds[-1, far])


def _is_full_circle(grid: Grid) -> bool:
    lon_bounds, _ = grid.bounds()
    return bool(abs((lon_bounds[:, 1] - lon_bounds[:, 0]).sum() - 360.0) < _CIRCLE)


def _esmf_mesh(esmpy: Any, grid: Grid) -> Any:
    nodes, connection, counts = _nodes_of_cells(*grid.corners())
    mesh = esmpy.Mesh(parametric_dim=2, spatial_dim=2, coord_sys=esmpy.CoordSys.SPH_DEG)
    n_nodes = len(nodes)
    mesh.add_nodes(n_nodes, np.arange(1, n_nodes + 1), nodes.ravel(), np.zeros(n_nodes))
    # A cell without area is masked out already (grids refuse it otherwise); ESMF skips it.
    mesh.add_elements(
        grid.size,
        np.arange(1, grid.size + 1),
        counts,
        connection,
        element_mask=grid.mask.ravel(),
        element_coords=np.stack(grid.centres(), axis=1).ravel(),
    )
    return mesh


def _nodes_of_cells(
    corner_lon: FloatArray, corner_lat: FloatArray
) -> tuple[FloatArray, NDArray[np.intp], NDArray[np.intp]]:
    """Distinct nodes, connectivity (from 0) and corner counts; repeated corners are dropped."""
    lon = np.round(corner_lon % 360.0, 10) % 360.0
    lat = np.round(corner_lat, 10)
    lon = np.where(np.abs(lat) == 90.0, 0.0, lon)
    nodes, inverse = np.unique(
        np.stack([lon.ravel(), lat.ravel()], axis=1), axis=0, return_inverse=True
    )
    node = inverse.reshape(corner_lon.shape)
    kept: BoolArray = node != np.roll(node, 1, axis=1)
    kept[kept.sum(axis=1) < _FEWEST_CORNERS, :_FEWEST_CORNERS] = True
    return nodes, node[kept], kept.sum(axis=1)


def _esmf_points(esmpy: Any, grid: Grid) -> Any:
    points = esmpy.LocStream(grid.size, coord_sys=esmpy.CoordSys.SPH_DEG)
    points["ESMF:Lon"], points["ESMF:Lat"] = grid.centres()
    points["ESMF:Mask"] = grid.mask.ravel().astype(np.int32)
    return points
