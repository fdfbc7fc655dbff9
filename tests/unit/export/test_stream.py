from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import ExportError, FileError
from ctsm_socnn.export.stream import write_parameter_stream
from ctsm_socnn.regrid.grid_files import read_grid_file


def test_form_of_the_proposal(maps: xr.Dataset, surface: Path, tmp_path: Path) -> None:
    output, mesh = tmp_path / "stream.nc", tmp_path / "mesh.nc"
    write_parameter_stream(maps, output, mesh, "ctsm5.4", model_grid=surface)
    with netCDF4.Dataset(output) as dataset:
        assert dataset.data_model == "NETCDF3_64BIT_OFFSET"
        assert dataset["bgc_tau_s3"].dimensions == ("time", "lat", "lon")
        assert dataset["bgc_tau_s3"].shape == (1, 3, 4)
        assert dataset["time"].calendar == "noleap"
        np.testing.assert_array_equal(dataset["lat"][:], maps["lat"].values)
        np.testing.assert_array_equal(dataset["lon"][:], maps["lon"].values)
        np.testing.assert_array_equal(dataset["beta"][0], maps["beta"].values)


def test_mesh_is_that_of_the_model_grid(maps: xr.Dataset, surface: Path, tmp_path: Path) -> None:
    mesh = tmp_path / "mesh.nc"
    write_parameter_stream(maps, tmp_path / "s.nc", mesh, "ctsm5.4", model_grid=surface)
    made, wanted = read_grid_file(mesh), read_grid_file(surface)
    for one, other in zip(
        (*made.centres(), *made.bounds()), (*wanted.centres(), *wanted.bounds()), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-12)
    np.testing.assert_array_equal(made.mask, wanted.mask)
    with netCDF4.Dataset(mesh) as dataset:
        assert dataset["elementConn"][0].tolist() == [1, 2, 3, 4]
        nodes = np.asarray(dataset["nodeCoords"][:4])
    first, second, third = nodes[:3]
    turn = np.cross([*(second - first), 0.0], [*(third - second), 0.0])[2]
    assert turn > 0


def test_mesh_of_the_case_is_copied(shared_data: Path, maps: xr.Dataset, tmp_path: Path) -> None:
    given = shared_data / "data" / "ctsm_run" / "mesh.nc"
    run = maps.isel(lon=slice(3)).assign_coords(lat=[-2.5, 42.0, 68.5], lon=[20.0, 100.0, 260.0])
    mesh = tmp_path / "mesh.nc"
    write_parameter_stream(run, tmp_path / "s.nc", mesh, "ctsm5.4", model_grid=given)
    assert mesh.read_bytes() == given.read_bytes()


def test_existing_mesh_stays_and_nothing_is_written(
    maps: xr.Dataset, surface: Path, tmp_path: Path
) -> None:
    mesh = tmp_path / "mesh.nc"
    mesh.write_text("precious")
    with pytest.raises(FileError, match=r"mesh\.nc exists already"):
        write_parameter_stream(maps, tmp_path / "s.nc", mesh, "ctsm5.4", model_grid=surface)
    assert mesh.read_text() == "precious"
    assert not (tmp_path / "s.nc").exists()


def test_chosen_parameters_replace_what_was_there(
    maps: xr.Dataset, surface: Path, tmp_path: Path
) -> None:
    output, mesh = tmp_path / "stream.nc", tmp_path / "mesh.nc"
    for path in (output, mesh):
        path.write_text("precious")
    write_parameter_stream(
        maps, output, mesh, "ctsm5.4", model_grid=surface, parameters=["beta"], overwrite=True
    )
    with netCDF4.Dataset(output) as dataset:
        assert set(dataset.variables) == {"beta", "time", "lat", "lon"}
    assert read_grid_file(mesh).size == 12


@pytest.mark.parametrize("bent", ["lat", "lon"])
def test_curvilinear_maps_are_refused(maps: xr.Dataset, tmp_path: Path, bent: str) -> None:
    lat, lon = (axis.transpose("lat", "lon") for axis in xr.broadcast(maps["lat"], maps["lon"]))
    places = {"lat": lat, "lon": lon}
    places[bent] = places[bent] + 1e-4 * lat * lon
    curved = maps.drop_vars(["lat", "lon"]).rename_dims(lat="y", lon="x")
    curved = curved.assign_coords({n: (("y", "x"), axis.values) for n, axis in places.items()})
    grid = tmp_path / "curved.nc"
    names = {"lat": "LATIXY", "lon": "LONGXY"}
    xr.Dataset({names[n]: (("y", "x"), axis.values) for n, axis in places.items()}).to_netcdf(grid)
    with pytest.raises(ExportError, match="are on a curvilinear grid"):
        write_parameter_stream(
            curved, tmp_path / "s.nc", tmp_path / "m.nc", "ctsm5.4", model_grid=grid
        )


def test_list_of_cells_is_refused(maps: xr.Dataset, surface: Path, tmp_path: Path) -> None:
    cells = maps.stack(cell=("lat", "lon")).reset_index("cell")
    with pytest.raises(ExportError, match="list of cells"):
        write_parameter_stream(
            cells, tmp_path / "s.nc", tmp_path / "m.nc", "ctsm5.4", model_grid=surface
        )


def test_cells_of_unknown_extent_need_a_mesh(maps: xr.Dataset, tmp_path: Path) -> None:
    """One cell tells nothing of its size."""
    grid = tmp_path / "one_cell.nc"
    dims = ("lsmlat", "lsmlon")
    xr.Dataset(
        {"LATIXY": (dims, [[-30.0]]), "LONGXY": (dims, [[0.0]]), "LANDFRAC_PFT": (dims, [[1.0]])}
    ).to_netcdf(grid)
    one = maps.isel(lat=slice(1), lon=slice(1))
    with pytest.raises(ExportError, match="give its ESMF mesh"):
        write_parameter_stream(
            one, tmp_path / "s.nc", tmp_path / "m.nc", "ctsm5.4", model_grid=grid
        )
    assert not (tmp_path / "s.nc").exists()
