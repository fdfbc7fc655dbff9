from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import FileError, ForcingError, GridError
from ctsm_socnn.forcing import find_history, read_climatology
from ctsm_socnn.schemas import FORCING_DIMENSIONS


def test_holds_all_forcing_on_its_dimensions(history_file):
    climatology = read_climatology([history_file()])
    for name, dims in FORCING_DIMENSIONS.items():
        wanted = (*[dim for dim in dims if dim != "site"], "lat", "lon")
        assert climatology[name].dims == wanted
    assert climatology["TSOI"].attrs["units"] == "K"


def test_is_nan_over_ocean_and_only_there(history_file):
    climatology = read_climatology([history_file()])
    ocean = np.isnan(climatology["TSOI"].values).all(axis=(0, 1))
    np.testing.assert_array_equal(ocean, [[False, False, False], [False, False, True]])
    assert np.isfinite(climatology["TSOI"].values[..., 0, :]).all()


def test_averages_years_month_by_month(history_file):
    paths = [history_file(f"{year}.nc", year=year) for year in (1, 2, 3)]
    climatology = read_climatology(paths)
    expected = 270.0 + np.arange(1, 13) + 1.0
    np.testing.assert_allclose(climatology["TSOI"].values[:, 0, 0, 0], expected, rtol=1e-6)
    assert climatology.attrs["period"] == "0001-01 to 0003-12"


def test_takes_only_the_chosen_years(history_file):
    paths = [history_file(f"{year}.nc", year=year) for year in (1, 2, 3)]
    climatology = read_climatology(paths, first_year=3)
    np.testing.assert_allclose(climatology["TSOI"].values[0, 0, 0, 0], 273.0, rtol=1e-6)
    assert climatology.attrs["months_averaged"] == 12


def test_files_may_hold_any_months_in_any_order(history_file):
    whole = read_climatology([history_file("whole.nc")])
    parts = [
        history_file("c.nc", months=range(9, 13)),
        history_file("a.nc", months=range(1, 3)),
        history_file("b.nc", months=range(3, 9)),
    ]
    xr.testing.assert_equal(whole.drop_attrs(), read_climatology(parts).drop_attrs())


def test_flux_per_second_becomes_total_of_the_month(history_file, set_units):
    path = history_file()
    set_units(path, "TSOI", "K")
    totals = read_climatology([path])["LITR1_INPUT"].values[:, 0, 0]
    for name in ("CWD_INPUT", "LITR1_INPUT", "LITR2_INPUT", "LITR3_INPUT"):
        set_units(path, name, "gC/m^2/s")
    fluxes = read_climatology([path])["LITR1_INPUT"].values[:, 0, 0]
    days = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    np.testing.assert_allclose(fluxes / totals, days * 86400.0, rtol=1e-12)


def test_time_at_the_middle_of_the_month_is_read_as_at_its_end(history_file):
    def centre(dataset):
        time = dataset["time"].copy(data=dataset["time_bounds"].mean("hist_interval").values)
        return dataset.assign_coords(time=time)

    at_end = read_climatology([history_file("h0.nc")])
    at_middle = read_climatology([history_file("h0a.nc", edit=centre)])
    xr.testing.assert_identical(at_end, at_middle)


def test_leap_years_of_the_gregorian_calendar_are_whole(history_file):
    def leap(dataset):
        ends = np.cumsum([31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]).astype(float)
        bounds = np.stack([np.append(0.0, ends[:-1]), ends], axis=1)
        attributes = dataset["time"].attrs
        attributes |= {"calendar": "standard", "units": "days since 2004-01-01"}
        time = ("time", ends, attributes)
        dataset = dataset.assign_coords(time=time)
        return dataset.assign(time_bounds=(("time", "hist_interval"), bounds))

    climatology = read_climatology([history_file(edit=leap)])
    assert climatology.attrs["period"] == "2004-01 to 2004-12"
    assert climatology.attrs["calendar"] == "standard"


def test_twenty_five_levels_give_the_first_twenty(history_file):
    def deepen(dataset):
        deeper = dataset["TSOI"].pad(levsoi=(0, 5), constant_values=7.0).rename(levsoi="levgrnd")
        nodes = np.append(dataset["levsoi"].values, [9.8, 13.3, 19.5, 28.9, 42.0])
        return dataset.assign(TSOI=deeper.assign_coords(levgrnd=nodes))

    plain = read_climatology([history_file("plain.nc")])
    deep = read_climatology([history_file("deep.nc", edit=deepen)])
    np.testing.assert_allclose(deep["TSOI"].values, plain["TSOI"].values, rtol=1e-7)


def test_one_dimensional_land_grid_holds_the_same_values(history_file):
    def flatten(dataset):
        flat = dataset.stack(lndgrid=("lat", "lon"), create_index=False)
        lat, lon = np.meshgrid(dataset["lat"], dataset["lon"], indexing="ij")
        flat = flat.drop_vars(["lat", "lon"])
        return flat.assign(lat=("lndgrid", lat.ravel()), lon=("lndgrid", lon.ravel()))

    grid = read_climatology([history_file("grid.nc")])
    line = read_climatology([history_file("line.nc", edit=flatten)])
    assert line["TSOI"].dims == ("month", "layer", "lndgrid")
    np.testing.assert_array_equal(line["TSOI"].values, grid["TSOI"].values.reshape(12, 20, -1))


def test_column_totals_have_no_profile(history_file):
    with pytest.raises(ForcingError, match="holds column totals of the litter inputs"):
        read_climatology([history_file()], input_profiles=True)


def test_missing_sand_is_nan_and_no_error(history_file):
    path = history_file(edit=lambda dataset: dataset.drop_vars("CELLSAND"))
    assert np.isnan(read_climatology([path])["CELLSAND"].values).all()


def test_all_missing_fields_are_named_in_one_message(history_file):
    absent = ["FPI_vr", "ALTMAX_LASTYEAR", "nbedrock", "CWD_INPUT"]
    path = history_file(edit=lambda dataset: dataset.drop_vars(absent))
    with pytest.raises(ForcingError) as caught:
        read_climatology([path])
    message = str(caught.value)
    for name in (*absent, "usermods/forcing_output/", str(path)):
        assert name in message
    assert "LITR1_INPUT" not in message, "it is there"


@pytest.mark.parametrize(
    ("name", "units"),
    [("TSOI", "degC"), ("CWD_INPUT", "kgC m-2 month-1"), ("ALTMAX", "cm"), ("W_SCALAR", "%")],
)
def test_wrong_units_are_refused(history_file, set_units, name, units):
    path = history_file()
    set_units(path, name, units)
    with pytest.raises(ForcingError, match=f"{name} is in '{units}'; it must be in"):
        read_climatology([path])


def test_celsius_under_the_unit_kelvin_is_refused(history_file):
    path = history_file(edit=lambda d: d.assign(TSOI=(d["TSOI"] - 273.15).assign_attrs(units="K")))
    with pytest.raises(ForcingError, match="degrees Celsius"):
        read_climatology([path])


def test_duplicate_month_is_refused_with_both_files(history_file):
    paths = [history_file("a.nc"), history_file("b.nc", months=[5])]
    with pytest.raises(
        ForcingError, match=r"0001-05 occurs twice.*a\.nc.*b\.nc.*one of several instances"
    ):
        read_climatology(paths)


def test_gap_in_the_record_is_refused(history_file):
    paths = [history_file("a.nc", year=1), history_file("b.nc", year=3)]
    with pytest.raises(ForcingError, match=r"missing between 0001-12 .* and 0003-01"):
        read_climatology(paths)


def test_gap_and_repeat_outside_the_chosen_years_do_no_harm(history_file):
    paths = [history_file(f"{year}.nc", year=year) for year in (1, 3, 4)]
    paths.append(history_file("again.nc", year=1, months=[2]))
    assert read_climatology(paths, first_year=3).attrs["period"] == "0003-01 to 0004-12"


def test_file_without_a_month_adds_nothing(history_file):
    empty = history_file("a.nc", months=[])
    whole = history_file("b.nc")
    xr.testing.assert_identical(read_climatology([empty, whole]), read_climatology([whole]))


@pytest.mark.parametrize("flat", [True, False])
def test_bounds_of_another_shape_are_refused(history_file, flat):
    def change(dataset):
        bounds = dataset["time_bounds"]
        return dataset.assign(time_bounds=bounds[:, 0] if flat else bounds.T)

    with pytest.raises(ForcingError, match=r"time_bounds has dimensions .* must be \(time, 2\)"):
        read_climatology([history_file(edit=change)])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "encoding",
    [
        {"_FillValue": np.float32(-9999.0)},
        {"_FillValue": np.float32(np.nan)},
        {"_FillValue": np.int16(-32768), "scale_factor": 0.01, "add_offset": 280.0, "dtype": "i2"},
    ],
)
def test_missing_values_of_any_kind_are_nan(history_file, encoding):
    def change(dataset):
        for field in ("TSOI", "W_SCALAR", "ALTMAX"):
            held = (dataset["lon"] != 281.0) & (dataset[field] < 1e30)
            dataset[field] = dataset[field].where(held)
            del dataset[field].attrs["_FillValue"]
            dataset[field].encoding = encoding
        return dataset

    climatology = read_climatology([history_file(edit=change)])
    for field in ("TSOI", "W_SCALAR", "ALTMAX"):
        held = np.isfinite(climatology[field].values).reshape(-1, 2, 3).any(axis=0)
        np.testing.assert_array_equal(held, [[True, False, True], [True, False, False]])


def test_missing_calendar_month_is_refused(history_file):
    with pytest.raises(ForcingError, match="months 11, 12 do not occur"):
        read_climatology([history_file(months=range(1, 11))])


def test_annual_means_are_refused(history_file):
    def annual(dataset):
        year = dataset.isel(time=[0])
        return year.assign(time_bounds=(("time", "hist_interval"), [[0.0, 365.0]]))

    with pytest.raises(ForcingError, match="mean over 365 days"):
        read_climatology([history_file(edit=annual)])


def test_mixed_calendars_are_refused(history_file):
    def gregorian(dataset):
        dataset["time"].attrs["calendar"] = "gregorian"
        return dataset

    paths = [history_file("a.nc"), history_file("b.nc", year=2, edit=gregorian)]
    with pytest.raises(ForcingError, match="different calendars"):
        read_climatology(paths)


def test_files_of_different_grids_are_refused(history_file):
    def move(dataset):
        return dataset.assign_coords(lon=dataset["lon"] + 1.0)

    paths = [history_file("a.nc"), history_file("b.nc", year=2, edit=move)]
    with pytest.raises(GridError, match=r"b\.nc is on another grid"):
        read_climatology(paths)


def test_other_soil_layers_are_refused(history_file):
    def stretch(dataset):
        return dataset.assign_coords(levsoi=dataset["levsoi"] * 1.5)

    with pytest.raises(ForcingError, match=r"20SL_8\.5m"):
        read_climatology([history_file(edit=stretch)])


def test_mask_of_the_wrong_sense_is_seen(history_file):
    def empty(dataset):
        return dataset.assign(landmask=dataset["landmask"] * 0)

    with pytest.raises(ForcingError, match="no land cell"):
        read_climatology([history_file(edit=empty)])


def test_inverted_mask_is_seen(history_file):
    def invert(dataset):
        return dataset.assign(landmask=1 - dataset["landmask"])

    with pytest.raises(ForcingError, match="landmask has the wrong sense"):
        read_climatology([history_file(edit=invert)])


@pytest.mark.parametrize("left", [200, -1, -5000])
def test_cut_file_in_the_middle_is_named(history_file, left):
    paths = [history_file(f"{year}.nc", year=year) for year in (1, 2, 3)]
    paths[1].write_bytes(paths[1].read_bytes()[:left])
    with pytest.raises(FileError, match=r"2\.nc (cannot be read|ends \d+ bytes before)"):
        read_climatology(paths)


def test_damaged_file_in_the_middle_is_named(history_file):
    paths = [history_file(f"{year}.nc", year=year) for year in (1, 2, 3)]
    with xr.open_dataset(paths[1], decode_times=False) as dataset:
        noisy = dataset.load()
    noisy["TSOI"] = noisy["TSOI"] + np.random.default_rng(0).random(noisy["TSOI"].shape)
    checked = {"TSOI": {"zlib": True, "fletcher32": True}}
    noisy.to_netcdf(paths[1], format="NETCDF4", encoding=checked)
    content = bytearray(paths[1].read_bytes())
    fullest = max(range(0, len(content) - 64, 64), key=lambda i: len(set(content[i : i + 64])))
    content[fullest : fullest + 64] = bytes(64)
    paths[1].write_bytes(content)
    with pytest.raises(FileError, match=r"2\.nc is damaged: TSOI cannot be read"):
        read_climatology(paths)


def test_history_of_another_component_is_refused(history_file, tmp_path):
    path = history_file(edit=lambda d: d.rename(levsoi="lev").drop_vars("lev"))
    with pytest.raises(ForcingError, match="is not gridded CLM history"):
        read_climatology([path])


def test_pattern_without_files_is_refused(tmp_path):
    with pytest.raises(FileError, match="no file matches"):
        find_history([tmp_path / "*.nc"])


def test_patterns_are_sorted_and_each_file_comes_once(history_file, tmp_path):
    paths = [history_file(name) for name in ("b.nc", "a.nc")]
    assert find_history([tmp_path / "*.nc", paths[0]]) == sorted(paths)


def test_files_of_another_mask_are_refused(history_file):
    def shrink(dataset):
        mask = dataset["landmask"].copy()
        mask[0, 0] = 0
        return dataset.assign(landmask=mask)

    paths = [history_file("a.nc"), history_file("b.nc", year=2, edit=shrink)]
    with pytest.raises(GridError, match=r"b\.nc is on another grid or mask .*4 land cells"):
        read_climatology(paths)


@pytest.mark.parametrize("ocean", [0.0, 1e36])
def test_land_is_where_any_fraction_is_land(history_file, ocean):
    def fraction(dataset):
        share = np.array([[1.0, 0.5, 1e-6], [0.3, 1.0, ocean]])
        return dataset.drop_vars("landmask").assign(landfrac=(("lat", "lon"), share))

    mask = read_climatology([history_file(edit=fraction)])["landmask"].values
    np.testing.assert_array_equal(mask, [[1, 1, 1], [1, 1, 0]])


@pytest.mark.parametrize("name", ["CELLSAND", "PCT_SAND"])
def test_sand_as_a_fraction_is_refused(history_file, name):
    def fraction(dataset):
        share = (dataset["CELLSAND"] / 100.0).assign_attrs(units="unitless")
        return dataset.drop_vars("CELLSAND").assign({name: share})

    with pytest.raises(ForcingError, match=f"{name} is in 'unitless'; it must be in 'percent'"):
        read_climatology([history_file(edit=fraction)])


def sand_only_in_the_first_year(history_file, edit):
    """CLM writes sand into the first file of a run, which a later period leaves out."""
    without = {"edit": lambda dataset: dataset.drop_vars("CELLSAND")}
    later = [history_file(f"{year}.nc", year, **without) for year in (2, 3)]
    return [history_file("1.nc", 1, edit=edit), *later]


def test_sand_may_stand_in_a_file_before_the_period(history_file):
    paths = sand_only_in_the_first_year(history_file, None)
    sand = read_climatology(paths, first_year=2)["CELLSAND"].values
    np.testing.assert_array_equal(sand[:, 0, 0], 40.0)


def test_sand_before_the_period_is_checked_like_the_rest(history_file):
    def fraction(dataset):
        return dataset.assign(CELLSAND=(dataset["CELLSAND"] / 100.0).assign_attrs(units="1"))

    def elsewhere(dataset):
        return dataset.assign_coords(lon=dataset["lon"] + 5.0)

    paths = sand_only_in_the_first_year(history_file, fraction)
    with pytest.raises(ForcingError, match=r"1\.nc: CELLSAND is in '1'; it must be in 'percent'"):
        read_climatology(paths, first_year=2)
    paths = sand_only_in_the_first_year(history_file, elsewhere)
    with pytest.raises(GridError, match=r"1\.nc is on another grid"):
        read_climatology(paths, first_year=2)
