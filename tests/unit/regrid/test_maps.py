from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import GridError
from ctsm_socnn.parameters import PARAMETER_NAMES, PARAMETERS, century_normalisation, parameter
from ctsm_socnn.regrid.backends import make_weights
from ctsm_socnn.regrid.fill import Fill, FillFlag
from ctsm_socnn.regrid.geometry import Grid, cell_grid, rectilinear_grid
from ctsm_socnn.regrid.grids import cesm_grid
from ctsm_socnn.regrid.maps import data_grid, regrid_maps
from ctsm_socnn.regrid.weights import Method


@pytest.fixture
def model_grid() -> Grid:
    """2.5-degree boxes around the region of the maps; its western edge and far north are sea."""
    lon, lat = np.arange(235.0, 300.0, 2.5), np.arange(15.0, 60.0, 2.5)
    mask = (lon[None, :] > 236.0) & (lat[:, None] < 56.0)
    return rectilinear_grid("model", lon, lat, mask=mask)


def test_no_gap_over_land_and_nothing_over_sea(region_maps: xr.Dataset, model_grid: Grid) -> None:
    result = regrid_maps(region_maps, model_grid, backend="own")
    for p in PARAMETERS:
        values = result[p.name].values
        assert np.isfinite(values[model_grid.mask]).all()
        assert np.isnan(values[~model_grid.mask]).all()
        assert np.nanmin(values) >= p.lower
        assert np.nanmax(values) <= p.upper
    np.testing.assert_array_equal(result["landmask"], model_grid.mask)
    np.testing.assert_array_equal(result["filled"] == FillFlag.NO_LAND, ~model_grid.mask)


def test_counts_and_flags_agree(region_maps: xr.Dataset, model_grid: Grid) -> None:
    result = regrid_maps(region_maps, model_grid, backend="own")
    covered = (result["covered_fraction"].values >= 0.01) & model_grid.mask
    assert result.attrs["cells_regridded"] == covered.sum()
    assert result.attrs["cells_nearest"] == (model_grid.mask & ~covered).sum() > 0
    np.testing.assert_array_equal(result["filled"] == FillFlag.REGRIDDED, covered)


def test_values_are_area_means(region_maps: xr.Dataset) -> None:
    target = rectilinear_grid(
        "one", [250.0], [30.0], lon_bounds=[[249, 251]], lat_bounds=[[29, 31]]
    )
    result = regrid_maps(region_maps, target, backend="own")
    block = region_maps["q10"].sel(lat=slice(29, 31), lon=slice(249, 251))
    assert block.shape == (4, 4)
    edges = np.sin(np.deg2rad(np.arange(29.0, 31.1, 0.5)))
    expected = np.average(block.mean("lon"), weights=np.diff(edges))
    assert result["q10"].item() == pytest.approx(expected, rel=1e-13)


def test_missing_data_do_not_spread(region_maps: xr.Dataset) -> None:
    """A cell that is half without data gets the mean of the other half."""
    constant = region_maps.copy()
    constant["q10"] = constant["q10"].where(constant["q10"].isnull(), 2.0)
    target = rectilinear_grid(
        "edge", [280.0], [47.0], lon_bounds=[[279, 281]], lat_bounds=[[46, 48]]
    )
    result = regrid_maps(constant, target, backend="own")
    assert result["q10"].item() == pytest.approx(2.0, rel=1e-14)
    assert result["covered_fraction"].item() == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize(("share", "reached"), [(0.011, True), (0.009, False)])
def test_least_covered_fraction(region_maps: xr.Dataset, share: float, reached: bool) -> None:
    east = 240.0 + 2.0 * share
    lon_bounds = [[east - 2.0, east], [244.0, 246.0]]
    target = rectilinear_grid(
        "sliver", [east - 1.0, 245.0], [30.0], lon_bounds=lon_bounds, lat_bounds=[[29, 31]]
    )
    result = regrid_maps(region_maps, target, backend="own")
    assert result["covered_fraction"].values[0, 0] == pytest.approx(share, rel=1e-9)
    assert (result["filled"].values[0, 0] == FillFlag.REGRIDDED) == reached
    stricter = regrid_maps(region_maps, target, min_fraction=0.5, backend="own")
    assert stricter.attrs["regrid_min_fraction"] == 0.5
    np.testing.assert_array_equal(stricter["filled"], [[FillFlag.NEAREST, FillFlag.REGRIDDED]])


def test_classes_go_by_majority(region_maps: xr.Dataset) -> None:
    maps = region_maps.copy()
    column = (maps["lon"] > 250.5).astype(np.int16) * 6 + 1
    maps["class"] = column.broadcast_like(maps["q10"]).transpose("lat", "lon")
    target = rectilinear_grid(
        "one", [250.0], [30.0], lon_bounds=[[249, 251]], lat_bounds=[[29, 31]]
    )
    result = regrid_maps(maps, target, backend="own")
    assert result["class"].item() == 1
    assert result["class"].dtype == np.int16
    shifted = rectilinear_grid(
        "two", [251.0], [30.0], lon_bounds=[[250, 252]], lat_bounds=[[29, 31]]
    )
    assert regrid_maps(maps, shifted, backend="own")["class"].item() == 7
    even = rectilinear_grid(
        "even", [250.5], [30.0], lon_bounds=[[249.5, 251.5]], lat_bounds=[[29, 31]]
    )
    assert regrid_maps(maps, even, backend="own")["class"].item() == 1


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.bool_])
def test_classes_over_sea_are_minus_one(
    region_maps: xr.Dataset, model_grid: Grid, dtype: type
) -> None:
    region_maps["extrapolated"] = region_maps["extrapolated"].astype(dtype)
    flag = regrid_maps(region_maps, model_grid, backend="own")["extrapolated"].values
    assert (flag[~model_grid.mask] == -1).all()
    assert np.isin(flag[model_grid.mask], (0, 1)).all()


@pytest.mark.parametrize(("one", "other"), [("fs1s2", "fs1s3"), ("fs2s1", "fs2s3")])
def test_sums_of_fractions_stay_below_one(
    region_maps: xr.Dataset, model_grid: Grid, one: str, other: str
) -> None:
    maps = region_maps.copy()
    for name, value in ((one, 0.95), (other, 0.09)):
        maps[name] = xr.full_like(maps[name], value).assign_attrs(valid_min=0.0, valid_max=1.0)
        maps[name] = maps[name].where(maps["q10"].notnull()).assign_attrs(maps[name].attrs)
    result = regrid_maps(maps, model_grid, backend="own")
    total = result[one] + result[other]
    assert 0.99 < float(total.max()) < 1.0
    assert float(result[one].max() / result[other].max()) == pytest.approx(0.95 / 0.09)


@pytest.mark.parametrize("factor", [0.1, 1.5])
def test_bounds_are_kept_by_weights_that_overshoot(
    region_maps: xr.Dataset, model_grid: Grid, factor: float
) -> None:
    weights = make_weights(data_grid(region_maps), model_grid, backend="own")
    weights.matrix.data *= factor
    result = regrid_maps(region_maps, model_grid, weights=weights)
    for p in PARAMETERS:
        assert p.lower <= float(result[p.name].min())
        assert float(result[p.name].max()) <= p.upper


@pytest.mark.parametrize("convention", ["unnormalised", "century_normalised"])
def test_default_fill_puts_clm_defaults_in_the_convention_of_the_maps(
    region_maps: xr.Dataset, model_grid: Grid, convention: str
) -> None:
    maps = region_maps.assign_attrs(turnover_time_convention=convention)
    result = regrid_maps(maps, model_grid, fill=Fill.DEFAULT, backend="own")
    filled = result["filled"].values == FillFlag.DEFAULT
    assert filled.any()
    factor = 1.0 if convention == "unnormalised" else float(century_normalisation(1.5))
    for name, scale in (("tau_s2", factor), ("efolding", 1.0)):
        expected = parameter(name).default * scale
        np.testing.assert_allclose(result[name].values[filled], expected, rtol=1e-14)
        assert result[name].attrs["valid_min"] <= float(result[name].min())
        assert result[name].attrs["valid_max"] >= float(result[name].max())
    assert np.isnan(result["tau_s2_sd"].values[filled]).all()


def test_default_fill_needs_the_convention(region_maps: xr.Dataset, model_grid: Grid) -> None:
    del region_maps.attrs["turnover_time_convention"]
    with pytest.raises(GridError, match="lack the global attribute turnover_time_convention"):
        regrid_maps(region_maps, model_grid, fill=Fill.DEFAULT, backend="own")


def test_draws_are_carried(region_maps: xr.Dataset, model_grid: Grid) -> None:
    draws = xr.concat([region_maps, region_maps * 0.9], dim="draw", combine_attrs="override")
    draws["extrapolated"] = region_maps["extrapolated"]
    draws["draw"] = [3, 7]
    result = regrid_maps(draws, model_grid, backend="own")
    assert result["q10"].dims == ("draw", "lat", "lon")
    assert result["draw"].values.tolist() == [3, 7]
    single = regrid_maps(region_maps, model_grid, backend="own")
    np.testing.assert_array_equal(result["q10"][0], single["q10"])
    draws["q10"][1, 10:20, 10:20] = np.nan
    q10 = regrid_maps(draws, model_grid, backend="own")["q10"]
    assert np.isfinite(q10.values[:, model_grid.mask]).all()


def test_maps_on_a_list_of_cells(region_maps: xr.Dataset) -> None:
    cells = region_maps.stack(cell=("lat", "lon")).reset_index("cell")
    target = cell_grid("sites", [250.1, 260.1], [30.1, 40.3])
    result = regrid_maps(cells, target, method=Method.NEAREST, backend="own")
    assert result["q10"].dims == ("cell",)
    nearest = region_maps["q10"].sel(lon=[250.25, 260.25], lat=[30.25, 40.25])
    np.testing.assert_array_equal(result["q10"], np.diag(nearest))


def test_the_result_is_the_same_each_time(region_maps: xr.Dataset, model_grid: Grid) -> None:
    first, second = (regrid_maps(region_maps, model_grid, backend="own") for _ in range(2))
    xr.testing.assert_identical(first, second)
    assert set(PARAMETER_NAMES) <= set(first.data_vars)


def test_maps_and_model_grid_elsewhere(region_maps: xr.Dataset) -> None:
    africa = rectilinear_grid("Africa", np.arange(10.0, 20.0), np.arange(0.0, 10.0))
    with pytest.raises(GridError, match="no cell of Africa is covered by the maps"):
        regrid_maps(region_maps, africa, backend="own")


def test_empty_maps_are_refused(region_maps: xr.Dataset) -> None:
    region_maps["q10"] = region_maps["q10"] * np.nan
    with pytest.raises(GridError, match="no cell of the maps has all its values"):
        regrid_maps(region_maps, cesm_grid("f19"), backend="own")


def test_maps_must_fit_their_grid(region_maps: xr.Dataset) -> None:
    with pytest.raises(GridError, match=r"the maps have shape .*their grid f19 \(96, 144\)"):
        data_grid(region_maps, cesm_grid("f19"))
    with pytest.raises(GridError, match=r"they must have \(lat, lon\)"):
        data_grid(region_maps.rename(lat="latitude"))


def test_a_grid_with_the_cells_in_another_order_is_refused(region_maps: xr.Dataset) -> None:
    grid = data_grid(region_maps)
    assert data_grid(region_maps, grid).checksum() == grid.checksum()
    assert data_grid(region_maps.drop_vars(["lat", "lon"]), grid).size == grid.size
    with pytest.raises(GridError, match=r"cell \d+ of the maps lies 29\.\d+ degrees"):
        data_grid(region_maps.isel(lat=slice(None, None, -1)), grid)


def test_cells_that_the_grid_of_the_maps_leaves_out_do_not_count(region_maps: xr.Dataset) -> None:
    grid = data_grid(region_maps)
    west = grid.with_mask(grid.mask & (grid.lon < 260.0))
    np.testing.assert_array_equal(data_grid(region_maps, west).mask, west.mask)


def test_weights_for_other_grids_are_refused(region_maps: xr.Dataset, model_grid: Grid) -> None:
    weights = make_weights(data_grid(region_maps), model_grid, backend="own")
    flooded = model_grid.with_mask(model_grid.lat[:, None] < 30.0 + 0.0 * model_grid.lon)
    with pytest.raises(GridError, match="made for model, which differs from model in its cells"):
        regrid_maps(region_maps, flooded, weights=weights)
    region_maps["q10"][0, 0] = np.nan
    with pytest.raises(GridError, match="made for the maps, which differs from the maps"):
        regrid_maps(region_maps, model_grid, weights=weights)


def test_text_is_refused(region_maps: xr.Dataset, model_grid: Grid) -> None:
    region_maps["biome_name"] = region_maps["extrapolated"].astype(str)
    with pytest.raises(GridError, match="biome_name holds neither numbers nor classes"):
        regrid_maps(region_maps, model_grid, backend="own")


def test_means_over_cells_of_unknown_extent_are_refused(region_maps: xr.Dataset) -> None:
    points = cell_grid("points", [250.1, 260.1], [30.1, 40.3])
    with pytest.raises(GridError, match=r"points: the edges of its cells are not in the file"):
        regrid_maps(region_maps, points, backend="own")


def test_what_needs_esmpy_says_so(region_maps: xr.Dataset, model_grid: Grid) -> None:
    triangle = cell_grid(
        "mesh", [250.0], [30.0], corner_lon=[[249, 251, 250]], corner_lat=[[29, 29, 31.5]]
    )
    with pytest.raises(GridError, match=r"mesh: the unstructured grid needs ESMPy.*conda install"):
        regrid_maps(region_maps, triangle, backend="own")
    with pytest.raises(GridError, match="the method bilinear needs ESMPy"):
        regrid_maps(region_maps, model_grid, method=Method.BILINEAR, backend="own")
    with pytest.raises(GridError, match="unknown backend 'cdo'"):
        regrid_maps(region_maps, model_grid, backend="cdo")
