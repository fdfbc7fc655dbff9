from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import FileError, GridError
from ctsm_socnn.regrid.grids import GridKind, cesm_grid, grid_of, read_grid


@pytest.fixture
def mesh() -> xr.Dataset:
    """A square beside a triangle, as an ESMF mesh."""
    nodes = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [2.0, 0.5]])
    connection = np.array([[1, 2, 3, 4], [2, 5, 3, -1]], dtype=np.int32)
    return xr.Dataset(
        {
            "nodeCoords": (("nodeCount", "coordDim"), nodes, {"units": "degrees"}),
            "elementConn": (("elementCount", "corner"), connection, {"start_index": 1}),
            "numElementConn": ("elementCount", np.array([4, 3], dtype=np.int8)),
            "elementMask": ("elementCount", np.array([1, 1], dtype=np.int32)),
        }
    )


def _scrip(lon: np.ndarray, lat: np.ndarray, units: str = "degrees") -> xr.Dataset:
    grid = cesm_grid("f10")
    scale = 1.0 if units == "degrees" else np.pi / 180.0
    corner_lon, corner_lat = grid.corners()
    attributes = {"units": units}
    return xr.Dataset(
        {
            "grid_dims": ("grid_rank", np.array(grid.shape[::-1], dtype=np.int32)),
            "grid_center_lon": ("grid_size", lon * scale, attributes),
            "grid_center_lat": ("grid_size", lat * scale, attributes),
            "grid_corner_lon": (("grid_size", "corner"), corner_lon * scale, attributes),
            "grid_corner_lat": (("grid_size", "corner"), corner_lat * scale, attributes),
        }
    )


@pytest.mark.parametrize(
    ("name", "shape", "first_height"),
    [
        ("f02", (768, 1152), 90.0 / 767.0),
        ("f05", (361, 576), 0.25),
        ("f09", (192, 288), 90.0 / 191.0),
        ("f19", (96, 144), 90.0 / 95.0),
        ("f45", (46, 72), 2.0),
        ("f10", (19, 24), 5.0),
    ],
)
def test_cesm_names(name: str, shape: tuple[int, int], first_height: float) -> None:
    grid = read_grid(name)
    assert grid.shape == shape
    assert grid.mask.all()
    assert grid.lat_bounds is not None
    assert np.diff(grid.lat_bounds[0])[0] == pytest.approx(first_height, rel=1e-12)
    assert grid.box_areas().sum() == pytest.approx(4.0 * np.pi, rel=1e-13)


@pytest.mark.parametrize(
    ("name", "message"),
    [("f91", r"neither a file.*did you mean f19\?"), ("ne30np4", "needs its mesh file")],
)
def test_unknown_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(GridError, match=message):
        read_grid(name)


def test_mesh_keeps_triangles_and_squares(mesh: xr.Dataset) -> None:
    grid = grid_of(mesh, "mesh")
    assert grid.kind is GridKind.UNSTRUCTURED
    corner_lon, _ = grid.corners()
    assert sorted(corner_lon[1]) == [1.0, 1.0, 1.0, 2.0]
    np.testing.assert_allclose(grid.lon[0], 0.5)


def test_mesh_nodes_may_be_counted_from_zero(mesh: xr.Dataset) -> None:
    nodes = mesh["elementConn"]
    from_zero = mesh.assign(elementConn=(nodes - 1).assign_attrs(start_index=0))
    expected, found = grid_of(mesh, "one").corners(), grid_of(from_zero, "zero").corners()
    np.testing.assert_array_equal(found, expected)


def test_mesh_connectivity_outside_the_nodes_is_refused(mesh: xr.Dataset) -> None:
    mesh["elementConn"][0, 0] = 9
    with pytest.raises(GridError, match=r"elementConn points at nodes outside 1\.\.5"):
        grid_of(mesh, "mesh")


def _without_counts(mesh: xr.Dataset) -> xr.Dataset:
    return mesh.drop_vars("numElementConn")


def _as_one_list(mesh: xr.Dataset) -> xr.Dataset:
    nodes = mesh["elementConn"]
    return mesh.drop_vars("elementConn").assign(elementConn=("n", nodes.values.ravel()))


def _too_many_corners(mesh: xr.Dataset) -> xr.Dataset:
    return mesh.assign(numElementConn=mesh["numElementConn"] + 9)


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        (_without_counts, "numElementConn is missing"),
        (_as_one_list, r"elementConn has shape \(\d+,\)"),
        (_too_many_corners, r"numElementConn runs from \d+ to \d+, elementConn has room for"),
    ],
)
def test_meshes_of_another_form_are_refused(mesh: xr.Dataset, spoiled, message: str) -> None:
    with pytest.raises(GridError, match=message):
        grid_of(spoiled(mesh), "mesh")


@pytest.mark.parametrize("name", ["grid_center_lon", "grid_corner_lat"])
def test_half_a_scrip_file_is_refused(shared_data: Path, name: str) -> None:
    with xr.open_dataset(shared_data / "data/grids/scrip_T42.nc") as scrip:
        half = scrip.drop_vars(name).load()
    with pytest.raises(GridError, match=f"{name} is missing"):
        grid_of(half, "scrip")


def test_coordinates_without_numbers_are_refused() -> None:
    file = xr.Dataset(coords={"lon": [1.0, 2.0], "lat": ["north", "south"]})
    with pytest.raises(GridError, match="lat holds no numbers"):
        grid_of(file, "file")


def test_bounds_are_read_by_the_names_of_their_dimensions() -> None:
    lat = np.array([-60.0, 0.0, 60.0])
    edges = np.array([[-90.0, -30.0, 30.0], [-30.0, 30.0, 90.0]])
    file = xr.Dataset(
        {"lat_bnds": (("side", "lat"), edges)}, coords={"lat": lat, "lon": [0.0, 90.0]}
    )
    assert grid_of(file, "file").bounds()[1].tolist() == edges.T.tolist()
    edges_alone = file.drop_vars("lat_bnds").assign(lat_bnds=("edge", [-90.0, -30.0, 30.0, 90.0]))
    with pytest.raises(GridError, match=r"latitude bounds have shape \(4,\); must be \(3, 2\)"):
        grid_of(edges_alone, "file")


def test_mesh_with_two_nodes_in_one_place(mesh: xr.Dataset) -> None:
    mesh["nodeCoords"][3] = mesh["nodeCoords"][2]
    grid = grid_of(mesh, "mesh")
    corner_lon, corner_lat = grid.corners()
    assert len(np.unique(np.stack([corner_lon[0], corner_lat[0]]), axis=1).T) == 3


def test_mesh_cell_without_area_is_refused(mesh: xr.Dataset) -> None:
    mesh["nodeCoords"][4] = mesh["nodeCoords"][2]
    with pytest.raises(GridError, match="mesh: 1 cells have zero area, the first is cell 2"):
        grid_of(mesh, "mesh")


@pytest.mark.parametrize("units", ["degrees", "radians"])
def test_scrip_grid_of_boxes_is_rectilinear(units: str) -> None:
    f10 = cesm_grid("f10")
    grid = grid_of(_scrip(*f10.centres(), units), "scrip")
    assert grid.kind is GridKind.RECTILINEAR
    np.testing.assert_allclose(grid.bounds()[0], f10.bounds()[0], atol=1e-12)
    np.testing.assert_allclose(grid.bounds()[1], f10.bounds()[1], atol=1e-12)


def test_unknown_units_are_refused() -> None:
    scrip = _scrip(*cesm_grid("f10").centres())
    scrip["grid_center_lat"].attrs["units"] = "m"
    with pytest.raises(GridError, match="grid_center_lat is in 'm'; must be degrees or radians"):
        grid_of(scrip, "scrip")


def test_corners_in_another_order_are_refused() -> None:
    scrip = _scrip(*cesm_grid("f10").centres())
    for name in ("grid_corner_lon", "grid_corner_lat"):
        scrambled = scrip[name].values.T.reshape(scrip[name].shape)
        scrip[name] = (scrip[name].dims, scrambled, scrip[name].attrs)
    with pytest.raises(
        GridError, match=r"cells do not surround their centres|pass twice|zero area"
    ):
        grid_of(scrip, "scrip")


def test_tilted_cells_are_curvilinear() -> None:
    lon, lat = np.meshgrid(np.arange(4.0), np.arange(3.0))
    lon = lon + 0.3 * lat
    offsets = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    domain = xr.Dataset(
        {
            "xc": (("nj", "ni"), lon),
            "yc": (("nj", "ni"), lat),
            "xv": (("nj", "ni", "nv"), np.stack([lon + dx for dx, _ in offsets], -1)),
            "yv": (("nj", "ni", "nv"), np.stack([lat + dy for _, dy in offsets], -1)),
            "mask": (("nj", "ni"), np.ones((3, 4), dtype=int)),
        }
    )
    grid = grid_of(domain, "domain")
    assert grid.kind is GridKind.CURVILINEAR
    assert grid.shape == (3, 4)
    assert grid.dims == ("y", "x")


def test_bounds_of_a_cf_file_are_used() -> None:
    dataset = xr.Dataset(
        coords={
            "lon": ("lon", [10.0, 20.0], {"bounds": "lon_edges"}),
            "lat": ("lat", [1.0]),
            "lon_edges": (("lon", "two"), [[8.0, 12.0], [18.0, 22.0]]),
            "lat_bnds": (("lat", "two"), [[0.0, 2.0]]),
        }
    )
    grid = grid_of(dataset, "cf")
    np.testing.assert_allclose(grid.bounds()[0], [[8.0, 12.0], [18.0, 22.0]])


def test_edges_of_an_old_surface_dataset_are_used() -> None:
    lon, lat = np.meshgrid([10.0, 50.0], [1.0, 2.0])
    dims = ("lsmlat", "lsmlon")
    surface = xr.Dataset(
        {
            "LONGXY": (dims, lon, {"units": "degrees east"}),
            "LATIXY": (dims, lat),
            "LONW": (dims, lon - 1.0),
            "LONE": (dims, lon + 1.0),
            "LATS": (dims, lat - 0.5),
            "LATN": (dims, lat + 0.5),
        }
    )
    np.testing.assert_allclose(grid_of(surface, "surface").bounds()[0], [[9, 11], [49, 51]])


def test_files_without_a_grid(tmp_path: Path) -> None:
    path = tmp_path / "none.nc"
    with pytest.raises(GridError, match="neither a file"):
        read_grid(path)
    xr.Dataset({"rain": ("time", [1.0])}).to_netcdf(path)
    with pytest.raises(GridError, match="holds no grid; it has none of: nodeCoords"):
        read_grid(path)
    path.write_bytes(b"not netCDF")
    with pytest.raises(FileError, match="cannot be read as netCDF"):
        read_grid(path)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "kind", "shape", "has_corners"),
    [
        ("grids/domain_1x1.nc", "rectilinear", (1, 1), True),
        ("grids/scrip_T42.nc", "rectilinear", (64, 128), True),
        ("grids/surfdata_1x1.nc", "rectilinear", (1, 1), False),
        ("grids/surfdata_82x1_sparse_grid_c150604.nc", "unstructured", (82,), False),
        ("ctsm_run/mesh.nc", "rectilinear", (3, 3), True),
        ("ctsm_run/surfdata.nc", "rectilinear", (3, 3), False),
        ("ctsm_run/lndgrid/surfdata_1d.nc", "unstructured", (9,), False),
        ("ctsm_run/lndgrid/un0.clm2.h0a.2000-01.nc", "unstructured", (9,), False),
        ("clm_history/clm40_10x15.clm2.h0.nc", "rectilinear", (19, 24), True),
        ("conus/grid_covariates.nc", "rectilinear", (56, 95), True),
    ],
)
def test_real_files(
    shared_data: Path, name: str, kind: str, shape: tuple[int, ...], has_corners: bool
) -> None:
    grid = read_grid(shared_data / "data" / name)
    assert (grid.kind, grid.shape, grid.has_corners) == (kind, shape, has_corners)
    assert grid.mask.any()


def test_boxes_rounded_row_by_row_are_rectilinear() -> None:
    f10, generator = cesm_grid("f10"), np.random.default_rng(0)
    scrip = _scrip(*f10.centres())
    for name in (str(name) for name in scrip if name != "grid_dims"):
        scrip[name].values += generator.uniform(-1e-5, 1e-5, scrip[name].shape)
    grid = grid_of(scrip, "scrip")
    assert grid.kind is GridKind.RECTILINEAR
    np.testing.assert_allclose(grid.box_areas(), f10.box_areas(), rtol=1e-4)


def test_a_cell_across_greenwich_has_its_centre_there(mesh: xr.Dataset) -> None:
    mesh["nodeCoords"][:, 0] = (mesh["nodeCoords"][:, 0] - 0.5) % 360.0
    lon, lat = grid_of(mesh, "mesh").centres()
    assert lon[0] % 360.0 == pytest.approx(0.0, abs=1e-9)
    assert lat[0] == pytest.approx(0.5)


@pytest.mark.real_data
def test_real_domain_file_with_scrambled_corners(shared_data: Path) -> None:
    with pytest.raises(GridError, match="corners of 79 of 82 cells do not surround"):
        read_grid(shared_data / "data" / "grids" / "domain_82x1_sparse_grid_c150604.nc")


def test_mesh_of_a_named_grid_is_rectilinear_with_its_triangles_at_the_poles() -> None:
    f45 = cesm_grid("f45")
    corner_lon, corner_lat = f45.corners()
    at_pole = np.abs(corner_lat) == 90.0
    nodes, node = np.unique(
        np.stack([np.where(at_pole, 0.0, corner_lon % 360.0), corner_lat], axis=-1).reshape(-1, 2),
        axis=0,
        return_inverse=True,
    )
    node = node.reshape(-1, 4) + 1
    triangle = at_pole.any(axis=1)
    # Corners run south-west, south-east, north-east, north-west: drop the second one at a pole.
    south = corner_lat[:, 0] == -90.0
    node[triangle & south] = node[triangle & south][:, [0, 2, 3, 3]]
    lon, lat = f45.centres()
    mesh = xr.Dataset(
        {
            "nodeCoords": (("nodeCount", "coordDim"), nodes, {"units": "degrees"}),
            "elementConn": (("elementCount", "corner"), node.astype(np.int32)),
            "numElementConn": ("elementCount", np.where(triangle, 3, 4).astype(np.int8)),
            "centerCoords": (("elementCount", "coordDim"), np.stack([lon, lat], 1)),
            "origGridDims": ("rank", np.array([72, 46], dtype=np.int32)),
        }
    )
    grid = grid_of(mesh, "f45 mesh")
    assert grid.kind is GridKind.RECTILINEAR
    np.testing.assert_allclose(grid.box_areas(), f45.box_areas(), rtol=1e-10)
