"""Weights from ESMF through ESMPy, for every kind of grid.

ESMF is never asked to write: its factors come back in memory, because it forgets extrapolation
and needs parallel netCDF on the way to a file. All grids and meshes are built in memory too.
"""

from __future__ import annotations

import functools
import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ctsm_socnn.errors import GridError
from ctsm_socnn.regrid.geometry import BoolArray, FloatArray, Grid, GridKind
from ctsm_socnn.regrid.nearest import nearest_coverage
from ctsm_socnn.regrid.weights import Method, Normalisation, RemapWeights

__all__ = ["INSTALL_ESMPY", "esmpy_problem", "esmpy_weights"]

INSTALL_ESMPY: Final = (
    "Install it with `conda install -c conda-forge esmpy`, or with your machine's ESMF module "
    "loaded `pip install` the src/addon/esmpy of the same ESMF"
)
"""What a user who lacks ESMPy is told."""

_MASKED: Final = 0
_CIRCLE: Final = 1e-6
_LOG_LINES: Final = 2
_FEWEST_CORNERS: Final = 3


def esmpy_problem() -> str:
    """Say why ESMPy cannot be used, in one line; empty where it can."""
    try:
        _esmpy()
    except Exception as error:  # ESMPy lets through whatever its shared library gives
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""


def esmpy_weights(
    source: Grid,
    target: Grid,
    method: Method = Method.CONSERVATIVE,
    normalisation: Normalisation = Normalisation.FRACAREA,
) -> RemapWeights:
    """Weights made by ESMF.

    Parameters
    ----------
    source, target : Grid
        Of any kind; cells whose mask is False neither give nor take.
    method : Method
    normalisation : Normalisation
        Of the conservative method.

    Returns
    -------
    RemapWeights

    Raises
    ------
    GridError
        If ESMPy cannot be imported, the method needs cell corners that a grid lacks, or ESMF
        fails; the message then ends with what ESMF logged first.
    """
    esmpy = _esmpy_or_error()
    if method is Method.CONSERVATIVE:
        source.corners(), target.corners()
    if method is Method.BILINEAR:
        _require_neighbours(source)
    with ExitStack() as stack, _esmf_errors(source, target):
        source_field = stack.enter_context(_field(esmpy, source))
        target_field = stack.enter_context(_field(esmpy, target))
        fractions = [stack.enter_context(_like(esmpy, f)) for f in (source_field, target_field)]
        regrid = stack.enter_context(
            _regrid(esmpy, source_field, target_field, fractions, method, normalisation)
        )
        factors = regrid.get_weights_dict(deep_copy=True)
        matrix = _matrix(factors, source, target)
        conservative = method is Method.CONSERVATIVE
        used, covered = (
            [_flat(f) for f in fractions] if conservative else _points_used(matrix, source)
        )
        if method is Method.NEAREST:
            covered = nearest_coverage(matrix, source, target)
        areas = [
            _areas(f) if conservative else np.zeros(g.size)
            for f, g in ((source_field, source), (target_field, target))
        ]
    return RemapWeights(
        matrix=matrix,
        source=source,
        target=target,
        method=method,
        normalisation=normalisation,
        covered=covered,
        used=used,
        source_areas=areas[0],
        target_areas=areas[1],
        backend=f"ESMPy {esmpy.__version__}",
    )


@functools.cache
def _log_directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ctsm-socnn-esmf-")


@functools.cache
def _esmpy() -> Any:
    """Import ESMPy and start it so that its log lands in a scratch directory.

    ESMPy writes its log into the working directory of the moment it starts, and without one its
    errors are bare numbers. netCDF4 must be loaded first: ESMPy makes the symbols of its own
    netCDF library visible to all, and a netCDF4 wheel that comes later crashes on them.
    """
    importlib.import_module("netCDF4")
    esmpy = importlib.import_module("esmpy")
    working_directory = Path.cwd()
    os.chdir(_log_directory().name)
    try:
        esmpy.Manager(debug=True)
    finally:
        os.chdir(working_directory)
    return esmpy


def _esmpy_or_error() -> Any:
    problem = esmpy_problem()
    if problem:
        raise GridError(f"ESMPy cannot be used here ({problem}). {INSTALL_ESMPY}")
    return _esmpy()


@contextmanager
def _esmf_errors(source: Grid, target: Grid) -> Iterator[None]:
    already_logged = len(_log())
    try:
        yield
    except (ValueError, TypeError, RuntimeError, AttributeError, MemoryError) as error:
        logged = [line for line in _log()[already_logged:] if " ERROR " in line]
        causes = [" ".join(line.split()[2:]) for line in logged[:_LOG_LINES]]
        raise GridError(
            f"ESMF cannot regrid {source.name} to {target.name}: {error}; it logged: "
            f"{' | '.join(causes) or 'nothing'}"
        ) from error


def _log() -> list[str]:
    """Lines of ESMF's log; the first error of a failure names its cause, the rest its callers."""
    log = Path(_log_directory().name) / "PET0.ESMF_LogFile"
    return log.read_text(errors="replace").splitlines() if log.exists() else []


@contextmanager
def _field(esmpy: Any, grid: Grid) -> Iterator[Any]:
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
def _like(esmpy: Any, field: Any) -> Iterator[Any]:
    place = {"meshloc": esmpy.MeshLoc.ELEMENT} if isinstance(field.grid, esmpy.Mesh) else {}
    other = esmpy.Field(field.grid, **place)
    try:
        yield other
    finally:
        other.destroy()


@contextmanager
def _regrid(
    esmpy: Any,
    source: Any,
    target: Any,
    fractions: list[Any],
    method: Method,
    normalisation: Normalisation,
) -> Iterator[Any]:
    methods = {
        Method.CONSERVATIVE: esmpy.RegridMethod.CONSERVE,
        Method.BILINEAR: esmpy.RegridMethod.BILINEAR,
        Method.NEAREST: esmpy.RegridMethod.NEAREST_STOD,
    }
    options: dict[str, Any] = {}
    if method is Method.CONSERVATIVE:
        fracarea = normalisation is Normalisation.FRACAREA
        options["norm_type"] = esmpy.NormType.FRACAREA if fracarea else esmpy.NormType.DSTAREA
        options["src_frac_field"], options["dst_frac_field"] = fractions
    regrid = esmpy.Regrid(
        source,
        target,
        regrid_method=methods[method],
        unmapped_action=esmpy.UnmappedAction.IGNORE,
        ignore_degenerate=True,
        src_mask_values=np.array([_MASKED]),
        dst_mask_values=np.array([_MASKED]),
        factors=True,
        **options,
    )
    try:
        yield regrid
    finally:
        regrid.destroy()


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


def _require_neighbours(source: Grid) -> None:
    """Refuse to interpolate between cells that do not touch, on which ESMF crashes."""
    if source.kind is GridKind.RECTILINEAR and _is_contiguous(source):
        return
    touching = False
    if source.has_corners:
        _, connection, _ = _nodes_of_cells(*source.corners())
        touching = bool(np.bincount(connection).max() >= _FEWEST_CORNERS)
    if not touching:
        raise GridError(
            f"{source.name}: no three of its cells meet in a point, so that there is nothing to "
            "interpolate between; use --method nearest or conservative"
        )


def _esmf_points(esmpy: Any, grid: Grid) -> Any:
    points = esmpy.LocStream(grid.size, coord_sys=esmpy.CoordSys.SPH_DEG)
    points["ESMF:Lon"], points["ESMF:Lat"] = grid.centres()
    points["ESMF:Mask"] = grid.mask.ravel().astype(np.int32)
    return points


def _matrix(factors: Any, source: Grid, target: Grid) -> sparse.csr_array:
    rows, columns = factors["row_dst"] - 1, factors["col_src"] - 1
    return sparse.csr_array(
        (factors["weights"], (rows, columns)), shape=(target.size, source.size), dtype=np.float64
    )


def _flat(field: Any) -> FloatArray:
    """Values in the order of our cells; ESMF's grids have longitude first."""
    values: FloatArray = np.array(field.data, dtype=np.float64).T.ravel()
    return values


def _areas(field: Any) -> FloatArray:
    field.get_area()
    return _flat(field)


def _points_used(matrix: sparse.csr_array, source: Grid) -> list[FloatArray]:
    columns: BoolArray = np.bincount(matrix.indices, minlength=source.size) > 0
    return [columns.astype(np.float64), (np.diff(matrix.indptr) > 0).astype(np.float64)]
