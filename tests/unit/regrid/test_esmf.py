"""Against the real ESMPy; skipped where it cannot be imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import GridError
from ctsm_socnn.regrid.backends import make_weights
from ctsm_socnn.regrid.esmf import esmpy_weights
from ctsm_socnn.regrid.geometry import Grid, cell_grid, rectilinear_grid, unit_vectors
from ctsm_socnn.regrid.grids import cesm_grid, read_grid
from ctsm_socnn.regrid.maps import regrid_maps
from ctsm_socnn.regrid.nearest import nearest_weights
from ctsm_socnn.regrid.rectilinear import conservative_weights
from ctsm_socnn.regrid.weight_files import read_weights, write_weights
from ctsm_socnn.regrid.weights import Method, Normalisation

pytestmark = pytest.mark.esmf

PAIRS = ("conus05_to_f09", "conus05_to_conus0125", "global2_to_f19", "f19_to_f45")
METHODS = {
    "conserve_fracarea": (Method.CONSERVATIVE, Normalisation.FRACAREA),
    "conserve_dstarea": (Method.CONSERVATIVE, Normalisation.DSTAREA),
    "bilinear": (Method.BILINEAR, Normalisation.FRACAREA),
    "nearest_s2d": (Method.NEAREST, Normalisation.FRACAREA),
}


def _smooth(grid: Grid) -> np.ndarray:
    lon, lat = (np.deg2rad(x) for x in grid.centres())
    return np.asarray(2.0 + np.cos(lat) * np.sin(lon) + np.sin(lat))


def _cubed_sphere(n: int) -> Grid:
    """Equiangular cubed sphere with n x n cells on each face."""
    angle = np.linspace(-np.pi / 4.0, np.pi / 4.0, n + 1)
    x, y = np.meshgrid(np.tan(angle), np.tan(angle))
    one = np.ones_like(x)
    faces = ((one, x, y), (-x, one, y), (-one, -x, y), (x, -one, y), (-y, x, one), (y, x, -one))
    nodes = np.stack([np.stack(face, axis=-1) for face in faces])
    nodes /= np.linalg.norm(nodes, axis=-1, keepdims=True)
    around = (nodes[:, :-1, :-1], nodes[:, :-1, 1:], nodes[:, 1:, 1:], nodes[:, 1:, :-1])
    corners = np.stack(around, axis=3).reshape(-1, 4, 3)
    centre = corners.mean(axis=1)
    centre /= np.linalg.norm(centre, axis=1, keepdims=True)
    corner_lon, corner_lat = _degrees(corners)
    lon, lat = _degrees(centre)
    return cell_grid(f"ne{n}", lon, lat, corner_lon=corner_lon, corner_lat=corner_lat)


def _degrees(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lon = np.rad2deg(np.arctan2(vectors[..., 1], vectors[..., 0]))
    return lon, np.rad2deg(np.arcsin(vectors[..., 2]))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("pair", PAIRS)
def test_weights_equal_the_reference(pair: str, name: str, golden: Callable[[str], Any]) -> None:
    reference = golden(pair)
    weights = esmpy_weights(reference.source, reference.target, *METHODS[name])
    expected, group = reference.method(name)
    assert weights.matrix.nnz == expected.nnz
    assert abs(weights.matrix - expected).max() <= 1e-12
    if "dst_frac" in group:
        np.testing.assert_allclose(weights.covered, group["dst_frac"].values.ravel(), atol=1e-12)


@pytest.mark.parametrize("pair", PAIRS)
def test_fields_equal_the_reference(pair: str, golden: Callable[[str], Any]) -> None:
    reference = golden(pair)
    weights = esmpy_weights(reference.source, reference.target)
    _, group = reference.method("conserve_fracarea")
    expected = group["dst_field"].values.ravel()
    result = weights.apply(reference.field)
    reached = weights.reached(0.0)
    np.testing.assert_allclose(result[reached], expected[reached], rtol=1e-12)


@pytest.mark.parametrize("method", list(Method))
def test_to_an_unstructured_mesh(two_degrees: Grid, method: Method) -> None:
    mesh = _cubed_sphere(12)
    weights = esmpy_weights(two_degrees, mesh, method)
    result = weights.apply(_smooth(two_degrees))
    tolerance = {Method.CONSERVATIVE: 0.01, Method.BILINEAR: 1e-3, Method.NEAREST: 0.05}[method]
    np.testing.assert_allclose(result, _smooth(mesh), atol=tolerance)


def test_mesh_integrals_and_constants_are_exact(two_degrees: Grid) -> None:
    mesh = _cubed_sphere(12)
    for source, target in ((two_degrees, mesh), (mesh, two_degrees)):
        weights = esmpy_weights(source, target)
        field = _smooth(source)
        given = (weights.source_areas * weights.used * field).sum()
        taken = (weights.target_areas * weights.covered * weights.apply(field)).sum()
        assert taken == pytest.approx(given, rel=1e-12)
        np.testing.assert_allclose(weights.apply(np.full(source.size, 3.5)), 3.5, rtol=1e-12)


def test_masks_of_a_mesh_work_on_both_sides(two_degrees: Grid) -> None:
    mesh = _cubed_sphere(8)
    mesh = mesh.with_mask(mesh.lat > 0.0)
    to_mesh = esmpy_weights(two_degrees, mesh)
    np.testing.assert_array_equal(to_mesh.reached(0.01), mesh.mask)
    from_mesh = esmpy_weights(mesh, two_degrees)
    assert (np.bincount(from_mesh.matrix.indices, minlength=mesh.size)[~mesh.mask] == 0).all()


def test_a_mesh_of_boxes_equals_the_grid_of_boxes(two_degrees: Grid) -> None:
    f45 = cesm_grid("f45")
    lon, lat = f45.centres()
    corner_lon, corner_lat = f45.corners()
    mesh = cell_grid("f45 mesh", lon, lat, corner_lon=corner_lon, corner_lat=corner_lat)
    as_grid, as_mesh = esmpy_weights(two_degrees, f45), esmpy_weights(two_degrees, mesh)
    assert abs(as_grid.matrix - as_mesh.matrix).max() < 1e-12


@pytest.mark.parametrize("flip", ["lat", "lon", "convention"])
def test_order_and_convention_of_the_axes_do_not_matter(flip: str) -> None:
    lon, lat = np.arange(150.5, 210.0), np.arange(-29.5, 30.0)
    straight = rectilinear_grid("straight", lon, lat)
    turned = {
        "lat": (lon, lat[::-1]),
        "lon": (lon[::-1], lat),
        "convention": ((lon + 180.0) % 360.0 - 180.0, lat),
    }[flip]
    other = rectilinear_grid(flip, *turned)
    target = cesm_grid("f45")
    for method in (Method.CONSERVATIVE, Method.BILINEAR):
        expected = esmpy_weights(straight, target, method).apply(_smooth(straight), 0.01)
        result = esmpy_weights(other, target, method).apply(_smooth(other), 0.01)
        np.testing.assert_allclose(result, expected, atol=1e-13)


def test_curvilinear_maps(region_maps: xr.Dataset) -> None:
    """Maps on tilted rows and columns, with the corners of their cells in another grid."""
    lon, lat = np.meshgrid(np.arange(240.0, 280.0), np.arange(22.0, 48.0))
    around = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    corner_lon = (lon[..., None] + around[:, 0] + 0.2 * (lat[..., None] + around[:, 1])).reshape(
        -1, 4
    )
    corner_lat = (lat[..., None] + around[:, 1]).reshape(-1, 4)
    tilted = cell_grid("tilted", lon + 0.2 * lat, lat, corner_lon=corner_lon, corner_lat=corner_lat)
    smooth = _smooth(tilted).reshape(tilted.shape)
    maps = xr.Dataset(
        {name: (("y", "x"), smooth) for name in region_maps if name != "extrapolated"}
    )
    target = rectilinear_grid("inside", np.arange(256.0, 276.0, 2.0), np.arange(28.0, 42.0, 2.0))
    result = regrid_maps(maps, target, source=tilted)
    np.testing.assert_allclose(result["covered_fraction"], 1.0, rtol=1e-12)
    expected = _smooth(target).reshape(target.shape)
    np.testing.assert_allclose(result["q10"], expected, atol=5e-3)


def test_points_without_extent() -> None:
    target = cesm_grid("f10")
    rng = np.random.default_rng(4)
    points = cell_grid("points", rng.uniform(-180, 180, 40), rng.uniform(-80, 80, 40))
    points = points.with_mask(np.arange(40) % 3 > 0)
    ours, theirs = nearest_weights(points, target), esmpy_weights(points, target, Method.NEAREST)
    assert abs(ours.matrix - theirs.matrix).max() == 0.0
    np.testing.assert_array_equal(ours.covered, theirs.covered)
    bilinear = esmpy_weights(target, points, Method.BILINEAR)
    np.testing.assert_array_equal(bilinear.reached(0.0), points.mask)


def test_interpolation_does_not_leave_a_band_of_latitudes() -> None:
    band = rectilinear_grid("band", np.arange(1.0, 360.0, 2.0), np.arange(-59.0, 90.0, 2.0))
    target = cesm_grid("f45")
    reached = esmpy_weights(band, target, Method.BILINEAR).reached(0.0)
    _, lat = target.centres()
    np.testing.assert_array_equal(reached, np.abs(lat - 15.0) <= 74.0)


def test_cells_that_do_not_touch_cannot_be_interpolated_between() -> None:
    islands = rectilinear_grid(
        "islands", [0.0, 10.0], [0.0], lon_bounds=[[-1, 1], [9, 11]], lat_bounds=[[-1, 1]]
    )
    with pytest.raises(GridError, match="islands: no three of its cells meet in a point"):
        esmpy_weights(islands, cesm_grid("f45"), Method.BILINEAR)


def test_failures_of_esmf_tell_the_cause() -> None:
    row = rectilinear_grid("row", np.arange(1.0, 90.0, 2.0), [3.0], lat_bounds=[[2.0, 4.0]])
    with pytest.raises(GridError, match=r"ESMF cannot regrid row to f45: .*it logged: .*PET0"):
        esmpy_weights(row, cesm_grid("f45"), Method.BILINEAR)


def test_own_method_is_near_on_a_coarse_pair(two_degrees: Grid) -> None:
    target = cesm_grid("f19")
    ours, theirs = conservative_weights(two_degrees, target), esmpy_weights(two_degrees, target)
    difference = ours.apply(_smooth(two_degrees)) - theirs.apply(_smooth(two_degrees))
    assert 0.0 < np.abs(difference).max() < 1e-3


def test_esmpy_goes_first_where_it_imports(two_degrees: Grid) -> None:
    assert make_weights(two_degrees, cesm_grid("f45")).backend.startswith("ESMPy ")
    assert make_weights(two_degrees, cesm_grid("f45"), backend="own").backend == "ctsm-socnn"


def test_weights_of_a_mesh_survive_a_file(tmp_path: Path, two_degrees: Grid) -> None:
    mesh = _cubed_sphere(6)
    made = esmpy_weights(two_degrees, mesh)
    write_weights(made, tmp_path / "w.nc")
    assert abs(read_weights(tmp_path / "w.nc", two_degrees, mesh).matrix - made.matrix).max() == 0.0


def test_maps_reach_a_mesh_without_gaps(region_maps: xr.Dataset) -> None:
    mesh = _cubed_sphere(20)
    near = unit_vectors(mesh.lon, mesh.lat) @ unit_vectors(np.array(265.0), np.array(35.0)) > 0.9
    result = regrid_maps(region_maps, mesh.with_mask(near))
    assert np.isfinite(result["tau_s3"].values[near]).all()
    assert result.attrs["cells_nearest"] > 0
    assert result.attrs["cells_regridded"] > 50


@pytest.mark.real_data
def test_maps_reach_the_mesh_of_a_real_case(shared_data: Path, region_maps: xr.Dataset) -> None:
    mesh = read_grid(shared_data / "data" / "ctsm_run" / "mesh.nc")
    result = regrid_maps(region_maps, mesh)
    assert result.attrs["cells_regridded"] == 1
    assert np.isfinite(result["q10"].values).all()
