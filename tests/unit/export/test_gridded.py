from __future__ import annotations

import hashlib
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import ExportError, FileError
from ctsm_socnn.export.gridded import write_gridded_parameters
from ctsm_socnn.export.translation import shortest_turnover_time
from ctsm_socnn.parameters import PARAMETER_NAMES, century_normalisation


def written(path: Path) -> dict[str, np.ndarray]:
    with netCDF4.Dataset(path) as dataset:
        dataset.set_auto_maskandscale(False)
        return {name: np.asarray(v[...]) for name, v in dataset.variables.items()}


def test_names_units_and_values(maps: xr.Dataset, surface: Path, tmp_path: Path) -> None:
    output = tmp_path / "g.nc"
    delivery = write_gridded_parameters(maps, output, "ctsm5.4", model_grid=surface)
    data = written(output)
    assert delivery.parameters == PARAMETER_NAMES
    assert (delivery.cells, delivery.land_cells) == (12, 9)
    factor = century_normalisation(maps["q10"].values)
    np.testing.assert_array_equal(data["bgc_tau_s3"], maps["tau_s3"].values * factor)
    np.testing.assert_allclose(data["som_diffus"], maps["diffus"].values / 31536000.0, rtol=1e-15)
    cryo = data["cryoturb_diffusion_k"]
    np.testing.assert_allclose(cryo, maps["cryo"].values / 31536000.0, rtol=1e-15)
    np.testing.assert_array_equal(data["bgc_rf_l1s1"], 1.0 - maps["fl1s1"].values)
    np.testing.assert_array_equal(data["q10_mr"], maps["q10"].values)
    np.testing.assert_array_equal(data["froz_q10"], maps["q10"].values)
    np.testing.assert_array_equal(data["bgc_cwd_fcel"] + data["cwd_flig"], 1.0)
    for name in ("fs1s2", "fs1s3", "fs2s1", "fs2s3", "w_scaling", "beta"):
        np.testing.assert_array_equal(data[name], maps[name].values)


def test_form_that_ctsm_reads(maps: xr.Dataset, tmp_path: Path) -> None:
    output = tmp_path / "g.nc"
    write_gridded_parameters(maps, output, "release-clm5.0")
    with netCDF4.Dataset(output) as dataset:
        assert dataset.data_model == "NETCDF3_64BIT_OFFSET"
        assert dataset["tau_s3"].dimensions == ("lsmlat", "lsmlon")
        assert dataset["rf_l1s1_bgc"].dtype == np.float64
        assert all("_FillValue" not in v.ncattrs() for v in dataset.variables.values())
        units = {name: variable.units for name, variable in dataset.variables.items()}
        assert units["som_diffus"] == units["cryoturb_diffusion_k"] == "m2 s-1"
        assert units["tau_s3"] == "yr"
        assert units["decomp_depth_efolding"] == "m"
        # The times in the file are CTSM's, whatever the convention of the maps was.
        assert dataset.turnover_time_convention == "century_normalised"
        np.testing.assert_array_equal(dataset["LATIXY"][:, 0], [-30.0, 0.0, 40.0])
        np.testing.assert_array_equal(dataset["LONGXY"][0], [0.0, 90.0, 180.0, 270.0])


def test_list_of_cells(maps: xr.Dataset, tmp_path: Path) -> None:
    cells = maps.stack(cell=("lat", "lon")).reset_index("cell")
    output = tmp_path / "g.nc"
    write_gridded_parameters(cells, output, "ctsm5.4")
    with netCDF4.Dataset(output) as dataset:
        assert dataset["beta"].dimensions == ("gridcell",)
        np.testing.assert_array_equal(dataset["beta"][:], maps["beta"].values.ravel())


def test_ocean_is_filled_from_the_nearest_land(
    maps: xr.Dataset, surface: Path, tmp_path: Path
) -> None:
    maps["beta"][:, 3] = np.nan
    output = tmp_path / "g.nc"
    write_gridded_parameters(maps, output, "ctsm5.4", model_grid=surface)
    beta = written(output)["beta"]
    assert np.isfinite(beta).all()
    assert set(beta[:, 3]) <= set(beta[:, :3].ravel())
    np.testing.assert_array_equal(beta[:, :3], maps["beta"].values[:, :3])


@pytest.mark.parametrize("hole", [np.nan, 1e36, -1e34, np.inf])
def test_gap_over_land_is_refused(
    maps: xr.Dataset, surface: Path, tmp_path: Path, hole: float
) -> None:
    maps["tau_s2"][1, 2] = hole
    with pytest.raises(
        ExportError, match=r"tau_s2 has no value in 1 of 9 land cells.*lat 0, lon 180"
    ):
        write_gridded_parameters(maps, tmp_path / "g.nc", "ctsm5.4", model_grid=surface)
    assert not (tmp_path / "g.nc").exists()


@pytest.mark.parametrize(
    ("rearranged", "words"),
    [
        (lambda m: m.isel(lat=slice(None, None, -1)), "latitudes run the other way"),
        (lambda m: m.roll(lon=2, roll_coords=True), "start half a turn away"),
        (lambda m: m.transpose("lon", "lat"), "transpose the maps"),
        (
            lambda m: m.transpose("lon", "lat").rename_dims(lon="y", lat="x"),
            "rows and columns are exchanged",
        ),
        (lambda m: m.isel(lon=slice(3)), "9 cells"),
        (lambda m: m.assign_coords(lat=[-30.0, 0.0, 41.0]), "lat 41.* lat 40"),
        (lambda m: m.assign_coords(lat=[-30.0, 0.0, 40.01]), "lat 40.01.* lat 40"),
        (lambda m: m.assign_coords(lat=[-30.0, 0.0, 40.002]), "lat 40.002.* lat 40"),
        (lambda m: m.assign_coords(lon=[0.0, 90.0, 180.0, 271.0]), "lon 271 .* lon 270"),
        (lambda m: m.expand_dims("draw"), r"dimensions \('draw', 'lat', 'lon'\)"),
    ],
)
def test_maps_on_other_cells_are_refused(
    maps: xr.Dataset, surface: Path, tmp_path: Path, rearranged: object, words: str
) -> None:
    with pytest.raises(ExportError, match=words):
        write_gridded_parameters(
            rearranged(maps), tmp_path / "g.nc", "ctsm5.4", model_grid=surface  # type: ignore[operator]
        )  # fmt: skip


def test_longitudes_agree_whatever_their_range(
    maps: xr.Dataset, surface: Path, tmp_path: Path
) -> None:
    westward = maps.assign_coords(lon=[0.0, 90.0, -180.0, -90.0])
    write_gridded_parameters(westward, tmp_path / "g.nc", "ctsm5.4", model_grid=surface)
    np.testing.assert_array_equal(written(tmp_path / "g.nc")["LONGXY"][0], [0, 90, 180, 270])


def test_centres_in_single_precision_are_the_same(maps: xr.Dataset, tmp_path: Path) -> None:
    shifted = maps.assign_coords(lat=maps["lat"] + 0.1, lon=maps["lon"] + 0.1)
    dims = ("lsmlat", "lsmlon")
    lat, lon = (a.transpose("lat", "lon") for a in xr.broadcast(shifted["lat"], shifted["lon"]))
    names = {"LATIXY": lat, "LONGXY": lon, "LANDFRAC_PFT": xr.ones_like(lat)}
    surface = xr.Dataset({n: (dims, values.values.astype("f4")) for n, values in names.items()})
    surface.to_netcdf(tmp_path / "single.nc")
    write_gridded_parameters(
        shifted, tmp_path / "g.nc", "ctsm5.4", model_grid=tmp_path / "single.nc"
    )


def test_value_outside_the_map_s_own_range(maps: xr.Dataset, tmp_path: Path) -> None:
    maps["tau_s3"][0, 0] = 1001.0
    with pytest.raises(ExportError, match=r"tau_s3 = 1001.*200 to 1000"):
        write_gridded_parameters(maps, tmp_path / "g.nc", "ctsm5.4")


def test_value_below_the_map_s_own_range(maps: xr.Dataset, tmp_path: Path) -> None:
    maps["tau_s3"][0, 0] = 199.0
    with pytest.raises(ExportError, match=r"tau_s3 = 199.*200 to 1000"):
        write_gridded_parameters(maps, tmp_path / "g.nc", "ctsm5.4")


def test_values_over_sea_are_not_judged(maps: xr.Dataset, surface: Path, tmp_path: Path) -> None:
    maps["tau_s3"][0, 3] = 1001.0
    write_gridded_parameters(maps, tmp_path / "g.nc", "ctsm5.4", model_grid=surface)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("fl1s1", 1.1, "must lie between 0 and 1"), ("tau_s2", 0.0, "must be above 0")],
)
def test_value_that_ctsm_cannot_use(
    maps: xr.Dataset, tmp_path: Path, name: str, value: float, words: str
) -> None:
    maps[name].attrs.clear()
    maps[name][1, 1] = value
    with pytest.raises(ExportError, match=f"{name} = {value:g}.*{words}"):
        write_gridded_parameters(maps, tmp_path / "g.nc", "ctsm5.4")


def test_fractions_above_one(maps: xr.Dataset, tmp_path: Path) -> None:
    for name in ("fs2s1", "fs2s3"):
        maps[name].attrs.clear()
        maps[name][:] = 0.6
    with pytest.raises(ExportError, match=r"fs2s1 \+ fs2s3 reaches 1\.2"):
        write_gridded_parameters(maps, tmp_path / "g.nc", "ctsm5.4")


def test_chosen_parameters_only(maps: xr.Dataset, tmp_path: Path) -> None:
    output = tmp_path / "g.nc"
    write_gridded_parameters(maps, output, "ctsm5.4", parameters=["diffus", "beta"])
    assert set(written(output)) == {"som_diffus", "beta", "LATIXY", "LONGXY"}


def test_q10_of_ctsm_s_own_turnover_times_stands_alone(maps: xr.Dataset, tmp_path: Path) -> None:
    maps.attrs["turnover_time_convention"] = "century_normalised"
    write_gridded_parameters(maps, tmp_path / "g.nc", "ctsm5.4", parameters=["q10"])
    assert set(written(tmp_path / "g.nc")) == {"q10_mr", "froz_q10", "LATIXY", "LONGXY"}


def test_turnover_times_that_a_time_step_cannot_carry_are_raised(
    maps: xr.Dataset, surface: Path, tmp_path: Path
) -> None:
    maps["tau_l1"][0, :2] = 1e-7
    maps["tau_l1"][1, 3] = 1e-7  # ocean, not counted
    delivery = write_gridded_parameters(maps, tmp_path / "g.nc", "ctsm5.4", model_grid=surface)
    assert delivery.raised_cells == {"tau_l1": 2}
    assert "tau_l1 was raised in 2 land cells" in delivery.table()
    taus = written(tmp_path / "g.nc")["bgc_tau_l1"]
    normalised = maps["tau_l1"].values * century_normalisation(maps["q10"].values)
    shortest = shortest_turnover_time(maps["q10"].values)
    np.testing.assert_array_equal(taus, np.maximum(normalised, shortest))


def test_cells_without_data_of_their_own_are_counted(
    maps: xr.Dataset, surface: Path, tmp_path: Path
) -> None:
    flag = np.zeros((3, 4), dtype=np.int8)
    flag[0] = 1
    maps["filled"] = (("lat", "lon"), flag)
    maps["extrapolated"] = (("lat", "lon"), flag.T.reshape(3, 4))
    delivery = write_gridded_parameters(maps, tmp_path / "g.nc", "ctsm5.4", model_grid=surface)
    assert delivery.filled_cells == 3
    assert delivery.extrapolated_cells == int(flag.T.reshape(3, 4)[:, :3].sum())
    assert "3 land cells lie outside the data and were filled" in delivery.table()


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (["fs1s2"], "fs1s2 and fs1s3 share out one pool"),
        (["fs2s3"], "fs2s1 and fs2s3 share out one pool"),
        (["tau_s1"], "mean something only together; map q10, tau_cwd"),
        (["q10"], "mean something only together; map tau_cwd, tau_l1, tau_l2, tau_s1"),
        ([], "no parameter"),
    ],
)
def test_choices_that_make_no_sense(
    maps: xr.Dataset, tmp_path: Path, chosen: list[str], words: str
) -> None:
    with pytest.raises(ExportError, match=words):
        write_gridded_parameters(maps, tmp_path / "g.nc", "ctsm5.4", parameters=chosen)


def test_parameter_without_a_map(maps: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="there is no map of beta"):
        write_gridded_parameters(
            maps.drop_vars("beta"), tmp_path / "g.nc", "ctsm5.4", parameters=["diffus", "beta"]
        )


def test_missing_convention_and_coordinates(maps: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="lat and lon are missing"):
        write_gridded_parameters(maps.drop_vars("lat"), tmp_path / "g.nc", "ctsm5.4")
    maps.attrs.clear()
    with pytest.raises(ExportError, match="turnover_time_convention is missing"):
        write_gridded_parameters(maps, tmp_path / "g.nc", "ctsm5.4")


def test_existing_output_stays(maps: xr.Dataset, tmp_path: Path) -> None:
    output = tmp_path / "g.nc"
    output.write_text("precious")
    with pytest.raises(FileError, match="exists already"):
        write_gridded_parameters(maps, output, "ctsm5.4")
    assert output.read_text() == "precious"
    write_gridded_parameters(maps, output, "ctsm5.4", overwrite=True)
    assert "beta" in written(output)


def test_file_tells_of_its_origin(maps: xr.Dataset, surface: Path, tmp_path: Path) -> None:
    maps.attrs["history"] = "predicted by somebody"
    output = tmp_path / "g.nc"
    write_gridded_parameters(maps, output, "ctsm5.4.053", model_grid=surface)
    with netCDF4.Dataset(output) as dataset:
        assert "predicted by somebody" in dataset.history
        assert dataset.ctsm_version == "ctsm5.4.053"
        told = " ".join(str(dataset.getncattr(name)) for name in dataset.ncattrs())
    assert hashlib.sha256(surface.read_bytes()).hexdigest() in told


@pytest.mark.parametrize("name", ["surfdata.nc", "mesh.nc", "lndgrid/surfdata_1d.nc"])
def test_grids_of_a_real_run(
    shared_data: Path, tmp_path: Path, maps: xr.Dataset, name: str
) -> None:
    run = maps.isel(lon=slice(3)).assign_coords(lat=[-2.5, 42.0, 68.5], lon=[20.0, 100.0, 260.0])
    grid = shared_data / "data" / "ctsm_run" / name
    write_gridded_parameters(run, tmp_path / "g.nc", "ctsm5.4", model_grid=grid)
    with pytest.raises(ExportError, match="latitudes run the other way"):
        write_gridded_parameters(
            run.isel(lat=slice(None, None, -1)), tmp_path / "f.nc", "ctsm5.4", model_grid=grid
        )
