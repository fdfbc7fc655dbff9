import shutil
from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.demo import make_twin_world
from ctsm_socnn.errors import FileError, ForcingError, ValidationError
from ctsm_socnn.model import SOIL_GRID
from ctsm_socnn.validation.gridded_carbon import STOCKS, stocks_of_map, stocks_of_run
from ctsm_socnn.validation.ilamb import write_configuration, write_ilamb_files
from ctsm_socnn.validation.totals import REFERENCES, format_totals, totals, totals_json


@pytest.fixture(scope="module")
def history(tmp_path_factory) -> list[Path]:
    directory = tmp_path_factory.mktemp("twin")
    make_twin_world(directory, seed=3, n_profiles=5)
    return sorted((directory / "history").glob("*.nc"))


@pytest.fixture(scope="module")
def ilamb_files(history, tmp_path_factory) -> dict[str, xr.Dataset]:
    directory = tmp_path_factory.mktemp("models")
    paths = write_ilamb_files("ours", stocks_of_run("ours", history), directory, {"source": "x"})
    return {
        path.name.removesuffix("_ours.nc"): xr.open_dataset(path, decode_times=False)
        for path in paths
    }


def _sites_map(path: Path, soc: np.ndarray) -> Path:
    layers = xr.Dataset(
        {"soc": (("layer", "lat", "lon"), soc), "landfrac": (("lat", "lon"), [[1.0, 0.5]])},
        {"lat": [0.5], "lon": [10.0, 11.0]},
    )
    layers["area"] = (("lat", "lon"), [[2e10, 1e10]], {"units": "m2"})
    layers.to_netcdf(path)
    return path


def test_the_stock_of_the_column_is_the_total_that_the_run_wrote(history):
    series = stocks_of_run("run", history)
    with netCDF4.Dataset(history[0]) as dataset:
        written = np.ma.filled(dataset["TOTSOMC"][:].astype(float), np.nan)
    column = series.grid.spread(series.stocks[:12, list(STOCKS).index("column")], ("time",))
    np.testing.assert_allclose(column.values, written, rtol=1e-5)
    assert (np.diff(series.stocks, axis=1) >= 0.0).all()


def test_soil_pools_in_another_unit_are_refused(history, tmp_path):
    path = tmp_path / history[0].name
    shutil.copy(history[0], path)
    with netCDF4.Dataset(path, "a") as dataset:
        dataset["SOM_SLO_C_vr"].units = "kgC/m^3"
    with pytest.raises(
        ForcingError, match=r"SOM_SLO_C_vr is in 'kgC/m\^3'; it must be in 'gC m-3'"
    ):
        stocks_of_run("run", [path])


def test_a_run_is_added_up_with_its_land(history):
    series = stocks_of_run("run", history, 24)
    found = totals(series.stocks.mean(axis=0), series.grid.take(series.cells.land))
    with netCDF4.Dataset(history[0]) as dataset:
        area = np.ma.filled(dataset["area"][:].astype(float), 0.0)
        land = 1e6 * area * np.ma.filled(dataset["landfrac"][:].astype(float), 0.0)
        carbon = np.ma.filled(dataset["TOTSOMC"][0].astype(float), 0.0)
    assert found[-1].area == pytest.approx(land.sum(), rel=1e-6)
    assert found[-1].total == pytest.approx((land * carbon).sum() / 1e15, rel=1e-5)
    assert len(series.samples) == 24


def test_a_map_of_constant_carbon_has_its_depth_times_its_land(tmp_path):
    soc = np.full((20, 1, 2), 1000.0)
    found = totals(*stocks_of_map(_sites_map(tmp_path / "map.nc", soc)))
    assert found[0].total == pytest.approx(300.0 * 2.5e10 / 1e15)
    assert found[1].mean == pytest.approx(1000.0)
    assert found[3].mean == pytest.approx(1000.0 * SOIL_GRID.interface_depth[-1])
    assert "2.5e-08" not in format_totals({"map": found})
    assert totals_json({"map": found})["totals"]["map"][1]["stock"] == "0-1 m"


def test_totals_are_weighted_by_land_and_leave_out_cells_of_which_a_stock_is_unknown():
    """2 and 5 kgC m-2 on 1 and 3 million km2 are 2 + 15 PgC, 4.25 kgC m-2 on the average."""
    stocks = np.outer([1.0, 2.0, 3.0, 4.0], [1000.0, 2500.0, 9000.0, 9000.0])
    stocks[3, 2] = np.nan
    found = totals(stocks, np.array([1e12, 3e12, 1e12, np.nan]))
    assert [each.stock for each in found] == list(STOCKS)
    assert found[1].total == pytest.approx(17.0)
    assert found[1].mean == pytest.approx(4250.0)
    assert {each.area for each in found} == {4e12}
    row = format_totals({"map": found}).splitlines()[1].split()
    assert row == ["map", "4.000", "8.5", "2.1", "17", "4.2", "25.5", "6.4", "34", "8.5"]


def test_the_last_months_of_a_run_are_its_end(history, tmp_path):
    """A run whose carbon grows by a hundredth a month, of which the last 18 months are asked."""
    growing = []
    for year, path in enumerate(history):
        growing.append(Path(shutil.copy(path, tmp_path)))
        with netCDF4.Dataset(growing[-1], "a") as dataset:
            factor = 1.0 + 0.01 * (12 * year + np.arange(12.0))
            for name in ("SOM_ACT_C_vr", "SOM_SLO_C_vr", "SOM_PAS_C_vr"):
                dataset[name][:] = dataset[name][:] * factor[:, None, None, None]
    once = stocks_of_run("run", history).stocks[0]
    last = stocks_of_run("run", growing, 18)
    assert [(s.year, s.month) for s in last.samples[:2]] == [(2001, 7), (2001, 8)]
    np.testing.assert_allclose(last.stocks[0], 1.06 * once, rtol=1e-6)
    np.testing.assert_allclose(last.stocks[-1], 1.23 * once, rtol=1e-6)


def test_cells_without_carbon_are_no_land(tmp_path):
    soc = np.full((20, 1, 2), 1000.0)
    soc[:, 0, 1] = np.nan
    found = totals(*stocks_of_map(_sites_map(tmp_path / "map.nc", soc)))
    assert found[0].area == pytest.approx(2e10)


def test_a_map_of_something_else_is_refused(tmp_path):
    xr.Dataset({"q10": ("lat", [1.5])}).to_netcdf(tmp_path / "maps.nc")
    with pytest.raises(ValidationError, match="no variable soc on 20 layers"):
        stocks_of_map(tmp_path / "maps.nc")


def test_published_totals_rise_with_depth_and_name_their_source():
    for region in {each.region for each in REFERENCES}:
        by_stock = {
            name: max(
                (each.high for each in REFERENCES if (each.region, each.stock) == (region, name)),
                default=0.0,
            )
            for name in ("0-0.3 m", "0-1 m")
        }
        assert 0.0 < by_stock["0-0.3 m"] < by_stock["0-1 m"]
    assert all(any(character.isdigit() for character in each.source) for each in REFERENCES)


@pytest.mark.parametrize("name", ["cSoil", "cSoilAbove1m"])
def test_ilamb_reads_carbon_by_cmip_name_with_bounds(ilamb_files, name):
    dataset = ilamb_files[name]
    assert dataset[name].attrs["units"] == "kg m-2"
    assert dataset[name].attrs["standard_name"] == "soil_mass_content_of_carbon"
    assert dataset[name].dims == ("time", "lat", "lon")
    for axis in ("time", "lat", "lon"):
        bounds = dataset[dataset[axis].attrs["bounds"]].values
        assert (bounds[:, 0] < dataset[axis].values).all()
        assert (dataset[axis].values < bounds[:, 1]).all()
        np.testing.assert_allclose(bounds[1:, 0], bounds[:-1, 1])
    assert dataset["time"].attrs["calendar"] == "noleap"
    assert dataset.attrs["Conventions"] == "CF-1.8"


def test_ilamb_files_hold_the_stocks_of_the_run(history, ilamb_files):
    with netCDF4.Dataset(history[0]) as dataset:
        written = np.ma.filled(dataset["TOTSOMC"][:].astype(float), np.nan)
    found = ilamb_files["cSoil"]["cSoil"].values[:12]
    np.testing.assert_allclose(1000.0 * found, written, rtol=1e-5)
    above = ilamb_files["cSoilAbove1m"]["cSoilAbove1m"].values[:12]
    assert (above[np.isfinite(above)] <= found[np.isfinite(found)]).all()


def test_ilamb_gets_what_lies_above_1_m(history, ilamb_files):
    series = stocks_of_run("ours", history)
    to_1m = series.stocks[:, list(STOCKS).index("0-1 m")]
    found = ilamb_files["cSoilAbove1m"]["cSoilAbove1m"].values
    on_land = found.reshape(len(found), -1)[:, series.grid.land]
    np.testing.assert_allclose(1000.0 * on_land, to_1m, rtol=1e-6)


def test_ilamb_gets_land_in_percent_of_each_cell_and_rows_that_end_at_the_poles(history, tmp_path):
    series = stocks_of_run("a", history, 1)
    rows, columns = series.cells.area.shape
    area = np.outer(np.arange(1.0, rows + 1.0), np.ones(columns))
    share = np.linspace(0.0, 1.0, columns) * np.ones((rows, 1))
    made = replace(
        series,
        grid=replace(series.grid, lat=np.linspace(-90.0, 90.0, rows)),
        cells=replace(series.cells, area=area, land=share * area),
    )
    write_ilamb_files("a", made, tmp_path, {})
    with xr.open_dataset(tmp_path / "sftlf_a.nc") as written:
        np.testing.assert_allclose(written["sftlf"].values, 100.0 * share)
        assert written["lat_bnds"].values.min() == -90.0
        assert written["lat_bnds"].values.max() == 90.0


def test_ilamb_gets_areas_and_land_fractions_of_whole_cells(history, ilamb_files):
    area, share = ilamb_files["areacella"]["areacella"], ilamb_files["sftlf"]["sftlf"]
    assert area.attrs["units"] == "m2"
    assert share.attrs["units"] == "%"
    assert 0.0 <= float(share.min()) <= float(share.max()) == pytest.approx(100.0)
    with netCDF4.Dataset(history[0]) as dataset:
        np.testing.assert_allclose(area.values, 1e6 * dataset["area"][:], rtol=1e-6)


def test_ilamb_files_are_not_replaced_unless_asked(history, tmp_path):
    series = stocks_of_run("a", history, 2)
    write_ilamb_files("a", series, tmp_path, {})
    with pytest.raises(FileError, match="exists already"):
        write_ilamb_files("a", series, tmp_path, {})
    write_ilamb_files("a", series, tmp_path, {}, overwrite=True)


def test_the_configuration_names_variable_and_benchmarks(tmp_path):
    write_configuration(tmp_path / "ilamb.cfg", "MODELS")
    lines = (tmp_path / "ilamb.cfg").read_text().splitlines()
    settings = [line.split("=")[0].strip() for line in lines if "=" in line and line[0] != "#"]
    headings = [line for line in lines if line.startswith("[")]
    assert headings == [
        "[h1: Ecosystem and Carbon Cycle]",
        "[h2: Soil Carbon]",
        "[HWSD]",
        "[NCSCDV22]",
    ]
    assert settings.count("source") == 2
    assert 'variable       = "cSoilAbove1m"' in lines


@pytest.mark.real_data
def test_stocks_of_a_real_run_are_those_that_it_wrote(shared_data):
    files = sorted((shared_data / "data" / "ctsm_run" / "history").glob("*.h0a.*"))
    series = stocks_of_run("real", files)
    assert len(series.samples) == 144
    for name, field in (("column", "TOTSOMC"), ("0-1 m", "TOTSOMC_1m")):
        ours = series.grid.spread(series.stocks[-12:, list(STOCKS).index(name)], ("time",))
        with netCDF4.Dataset(files[-1]) as dataset:
            theirs = np.ma.filled(dataset[field][:].astype(float), np.nan)
        np.testing.assert_allclose(ours.values, theirs, rtol=1e-5)
