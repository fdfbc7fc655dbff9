from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from ctsm_socnn.errors import ConfigError, GridError, ProfileError
from ctsm_socnn.forcing import read_climatology
from ctsm_socnn.observations import build_sites, open_covariates, profiles_from_sites, screen_sites
from ctsm_socnn.observations.covariates import covariates_at
from ctsm_socnn.observations.profiles import profiles_from_table


def profiles_at(*places: tuple[float, float], soc: float = 2e4) -> xr.Dataset:
    rows = [
        {"profile_id": f"p{i}", "lon": lon, "lat": lat, "top": top, "bottom": top + 0.2, "soc": soc}
        for i, (lon, lat) in enumerate(places)
        for top in (0.0, 0.2)
    ]
    return profiles_from_table(pd.DataFrame(rows).assign(soc=lambda t: t["soc"] + t.index), "t")


@pytest.fixture
def climatology(history_file):
    def vary(dataset):
        return dataset.assign(TSOI=(dataset["TSOI"] + dataset["lon"] - 280).assign_attrs(units="K"))

    return read_climatology([history_file(edit=vary)])


@pytest.fixture
def covariates(tmp_path):
    def write(values: list[list[float]]) -> xr.Dataset:
        grid = xr.Dataset(
            {"BIO1": (("lat", "lon"), values)},
            {"lat": [40.0, 41.0], "lon": [280.0, 281.0, 282.0]},
        )
        grid.to_netcdf(tmp_path / "covariates.nc")
        return open_covariates(tmp_path / "covariates.nc")

    return write


def test_each_site_is_driven_by_the_nearest_land_cell(climatology):
    sites, exclusions = build_sites(climatology, profiles_at((279.9, 40.1), (281.2, 40.9)))
    assert exclusions.empty
    np.testing.assert_array_equal(sites["cell_lon"], [280.0, 281.0])
    np.testing.assert_array_equal(sites["in_ocean_cell"], [0, 0])
    np.testing.assert_array_equal(sites["cell_lat"], [40.0, 41.0])
    np.testing.assert_allclose(
        sites["TSOI"].values[1], climatology["TSOI"].values[:, :, 1, 1], rtol=1e-14
    )


def test_sites_keep_the_source_of_their_profiles(climatology, tmp_path):
    profiles = profiles_at((279.9, 40.1), (10.0, 50.0), (281.2, 40.9))
    profiles["source"] = ("profile", np.array(["NEON", "KSSL", "ISCN"], dtype=object))
    sites, _ = build_sites(climatology, profiles)
    sites.to_netcdf(tmp_path / "sites.nc")
    with xr.open_dataset(tmp_path / "sites.nc") as written:
        assert written["source"].values.tolist() == ["NEON", "ISCN"]


def test_ocean_cell_is_passed_over_for_land(climatology):
    sites, _ = build_sites(climatology, profiles_at((282.0, 40.9)), max_distance_km=150)
    assert (sites["cell_lon"].item(), sites["cell_lat"].item()) != (282.0, 41.0)
    assert sites["in_ocean_cell"].item() == 1
    assert sites.attrs["sites_in_ocean_cells"] == 1


@pytest.mark.parametrize("shift", [-360.0, 0.0])
def test_longitude_convention_does_not_matter(climatology, shift):
    sites, _ = build_sites(climatology, profiles_at((281.2 + shift, 40.0)))
    assert sites["cell_lon"].item() == 281.0


def test_order_of_the_grid_does_not_matter(history_file):
    def vary(dataset):
        slope = dataset["lon"] - 280 + 2 * (dataset["lat"] - 40)
        return dataset.assign(TSOI=(dataset["TSOI"] + slope).assign_attrs(units="K"))

    def turned(dataset):
        return vary(dataset).isel(lat=slice(None, None, -1), lon=slice(None, None, -1))

    places = profiles_at((280.1, 40.1), (281.2, 40.9))
    plain, _ = build_sites(read_climatology([history_file("a.nc", edit=vary)]), places)
    other, _ = build_sites(read_climatology([history_file("b.nc", edit=turned)]), places)
    xr.testing.assert_allclose(plain.drop_attrs(), other.drop_attrs())


@pytest.mark.parametrize("first", [179.0, -181.0])
def test_grid_may_cross_the_date_line(history_file, first):
    def move_to_chukotka(dataset):
        lon = ("lon", first + np.arange(3.0), dataset["lon"].attrs)
        return dataset.assign_coords(lon=lon, lat=dataset["lat"] + 27.0)

    climatology = read_climatology([history_file(edit=move_to_chukotka)])
    sites, _ = build_sites(climatology, profiles_at((-179.9, 67.0), (179.1, 67.0)))
    np.testing.assert_array_equal(sites["cell_lon"].values - first, [1.0, 0.0])


def test_land_without_forcing_is_passed_over(history_file):
    def ice(dataset):
        frozen = dataset["FPI_vr"].where((dataset["lon"] != 281.0) | (dataset["lat"] != 40.0))
        return dataset.assign(FPI_vr=frozen.fillna(1e36).assign_attrs(dataset["FPI_vr"].attrs))

    sites, _ = build_sites(read_climatology([history_file(edit=ice)]), profiles_at((281.0, 40.1)))
    assert (sites["cell_lon"].item(), sites["cell_lat"].item()) != (281.0, 40.0)
    assert np.isfinite(sites["FPI_vr"].values).all()


def test_distance_is_along_the_great_circle(climatology):
    sites, _ = build_sites(climatology, profiles_at((280.0, 39.5)))
    assert sites["cell_distance"].item() == pytest.approx(0.5 * np.pi / 180 * 6371.22, rel=1e-6)


def test_far_profile_is_listed_with_its_distance(climatology):
    sites, exclusions = build_sites(climatology, profiles_at((280.0, 40.0), (280.0, 45.0)))
    assert sites.sizes["site"] == 1
    row = exclusions.iloc[0]
    assert (row["profile_id"], row["reason"]) == ("p1", "no land cell near")
    assert "445 km" in row["detail"]
    assert sites.attrs["excluded_no_land_cell_near"] == 1


def test_sites_keep_their_own_forcing_where_others_are_left_out(climatology, covariates):
    grid = covariates([[np.nan, 2.0, 3.0], [4.0, 5.0, np.nan]])
    grid["cov_other"] = xr.ones_like(grid["cov_BIO1"])
    places = profiles_at((10.0, 50.0), (280.0, 40.0), (281.0, 41.0), (280.0, 41.0))
    sites, exclusions = build_sites(climatology, places, grid)
    assert list(exclusions["reason"]) == ["no land cell near", "no covariate"]
    assert list(sites["profile_id"].values) == ["p2", "p3"]
    for site, column in enumerate((1, 0)):
        here = climatology.isel(lat=1, lon=column)
        np.testing.assert_array_equal(sites["TSOI"].values[site], here["TSOI"].values)
        np.testing.assert_array_equal(sites["LITR1_INPUT"].values[site], here["LITR1_INPUT"].values)


def test_distance_that_is_no_number_keeps_no_profile(climatology):
    with pytest.raises(ProfileError, match="distance allowed is nan km"):
        build_sites(climatology, profiles_at((280.0, 40.0)), max_distance_km=np.nan)


def test_no_overlap_is_an_error_that_shows_both_extents(climatology):
    with pytest.raises(ProfileError, match=r"longitude 10\.00.*land cells span longitude 280\.00"):
        build_sites(climatology, profiles_at((10.0, 50.0)))
    with pytest.raises(ProfileError, match=r"longitude 279\.50 to 279\.50, .*longitude 280\.00"):
        build_sites(climatology, profiles_at((-80.5, -50.0)))


def test_flagged_layers_stay_and_sites_without_any_good_one_go(climatology):
    profiles = profiles_at((280.0, 40.0), (281.0, 40.0), (281.0, 41.0))
    profiles["flag"] = xr.where(np.arange(6) < 3, 1, profiles["flag"])
    sites, exclusions = build_sites(climatology, profiles)
    assert list(sites["profile_id"].values) == ["p1", "p2"]
    np.testing.assert_array_equal(sites["soc_flag"], [[1, 0], [0, 0]])
    assert exclusions["detail"].iloc[0] == "no_carbon_value"


def test_profile_without_coordinates_is_listed(climatology, covariates):
    profiles = profiles_at((280.0, 40.0), (np.nan, np.nan))
    grid = covariates([[1.0, 2.0, 3.0], [4.0, 5.0, np.nan]])
    sites, exclusions = build_sites(climatology, profiles, grid)
    assert list(sites["profile_id"].values) == ["p0"]
    assert exclusions["detail"].item() == "bad_coordinates"


def test_all_profiles_bad_is_an_error(climatology):
    profiles = profiles_from_table(
        pd.DataFrame(
            {
                "profile_id": ["a"],
                "lon": [280.0],
                "lat": [40.0],
                "top": [0.0],
                "bottom": [0.1],
                "soc": [-5.0],
            }
        ),
        "t",
    )
    with pytest.raises(ProfileError, match=r"none of 1 profiles can be used \(1 no usable layer\)"):
        build_sites(climatology, profiles)


def test_missing_covariate_drops_the_site_and_says_which(climatology, covariates):
    grid = covariates([[1.0, np.nan, 3.0], [4.0, 5.0, np.nan]])
    grid["cov_other"] = xr.ones_like(grid["cov_BIO1"])
    places = profiles_at((280.0, 40.0), (281.0, 40.0))
    sites, exclusions = build_sites(climatology, places, grid)
    assert list(sites["profile_id"].values) == ["p0"]
    assert exclusions.iloc[0]["detail"] == "cov_BIO1"
    assert sites.attrs["missing_cov_BIO1"] == 1


@pytest.mark.parametrize(("rule", "expected"), [("nearest", 3.0), ("median", 4.0)])
def test_missing_covariate_is_filled_by_rule(climatology, covariates, rule, expected):
    grid = covariates([[np.nan, np.nan, 3.0], [4.0, 5.0, np.nan]])
    grid["cov_other"] = xr.ones_like(grid["cov_BIO1"])
    place = profiles_at((281.2, 39.9))
    sites, exclusions = build_sites(climatology, place, grid, missing_covariates=rule)
    assert exclusions.empty
    assert sites["cov_BIO1"].item() == expected


def test_missing_class_takes_the_most_frequent(covariates):
    grid = covariates([[2.0, 7.0, 7.0], [3.0, 9.0, np.nan]])
    grid["cov_other"] = xr.ones_like(grid["cov_BIO1"])
    at, _ = covariates_at(
        grid, np.array([282.0]), np.array([41.0]), missing="median", categorical=["BIO1"]
    )
    assert at["cov_BIO1"].item() == 7.0


def test_classes_stay_declared_at_the_sites(climatology, covariates):
    grid = covariates([[2.0, 7.0, 7.0], [3.0, 9.0, 9.0]])
    place = profiles_at((281.2, 39.9))
    sites, _ = build_sites(climatology, place, grid, categorical=["BIO1"])
    assert sites["cov_BIO1"].attrs["categorical"] == 1
    with pytest.raises(ConfigError, match="no covariate is named BIO; there are BIO1"):
        build_sites(climatology, place, grid, categorical=["BIO"])


def test_unknown_covariate_is_refused(covariates, tmp_path):
    covariates([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    with pytest.raises(ConfigError, match=r"has no covariate BIO99.*it has BIO1"):
        open_covariates(tmp_path / "covariates.nc", ["BIO99"])


def test_a_class_alone_does_not_make_a_cell_one_with_covariates(covariates):
    grid = covariates([[np.nan, 2.0, 3.0], [4.0, 5.0, 6.0]])
    grid["cov_class"] = (("lat", "lon"), np.arange(6).reshape(2, 3))
    at, missing = covariates_at(grid, np.array([280.1]), np.array([40.0]))
    assert (at["cov_BIO1"].item(), at["cov_class"].item(), missing) == (2.0, 1.0, {})


def test_covariates_may_lie_on_either_order_of_dimensions(tmp_path):
    values = np.arange(6.0).reshape(2, 3)
    grid = xr.Dataset(
        {"BIO1": (("lat", "lon"), values), "BIO12": (("lon", "lat"), values.T)},
        {"lat": [40.0, 41.0], "lon": [280.0, 281.0, 282.0]},
    )
    grid.to_netcdf(tmp_path / "c.nc")
    at, _ = covariates_at(open_covariates(tmp_path / "c.nc"), np.array([282.0]), np.array([40.0]))
    assert (at["cov_BIO1"].item(), at["cov_BIO12"].item()) == (2.0, 2.0)


def test_covariates_without_coordinates_are_refused(tmp_path):
    xr.Dataset({"BIO1": (("y", "x"), np.ones((2, 2)))}).to_netcdf(tmp_path / "c.nc")
    with pytest.raises(GridError, match="needs one-dimensional coordinates lat and lon"):
        open_covariates(tmp_path / "c.nc")


def test_sites_can_be_driven_anew(climatology):
    sites, _ = build_sites(climatology, profiles_at((280.0, 40.0), (281.0, 40.0)))
    again, _ = build_sites(climatology, profiles_from_sites(sites))
    xr.testing.assert_equal(sites.drop_attrs(), again.drop_attrs())


def test_screening_lists_sites_without_forcing_or_observation(climatology):
    sites, _ = build_sites(climatology, profiles_at((280.0, 40.0), (281.0, 40.0), (281.0, 41.0)))
    sites["TSOI"].values[0, 3, 5] = np.nan
    sites["soc"].values[1] = np.nan
    before = dict(sites.attrs)
    kept, exclusions = screen_sites(sites)
    assert sites.attrs == before
    assert list(kept["profile_id"].values) == ["p2"]
    assert dict(zip(exclusions["profile_id"], exclusions["reason"], strict=True)) == {
        "p0": "no forcing",
        "p1": "no usable layer",
    }
