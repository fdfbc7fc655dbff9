from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from ctsm_socnn.errors import ProfileError
from ctsm_socnn.observations.profiles import (
    profile_index,
    profiles_from_sites,
    profiles_from_table,
    validate_profiles,
)
from ctsm_socnn.observations.quality import EXCLUDING, NOTES, REASONS, names_in, reason


def table(*layers: tuple[float, ...], profile: object = "a") -> pd.DataFrame:
    """Layers as (top, bottom, oc, bulk density, fragments)."""
    names = ["top", "bottom", "oc", "bulk_density", "coarse_fragments"]
    frame = pd.DataFrame(list(layers), columns=names)
    return frame.assign(profile_id=profile, lon=281.03, lat=40.52)


def reasons(profiles: xr.Dataset) -> list[list[str]]:
    return [names_in(int(flag)) for flag in profiles["flag"].values]


def test_density_is_carbon_times_fine_earth():
    profiles = profiles_from_table(table((0.0, 0.1, 20.0, 1.3, 10.0)), "t")
    assert profiles["soc"].item() == pytest.approx(20.0 * 1.3 * 1000.0 * 0.9, rel=1e-14)
    assert reasons(profiles) == [[]]


def test_error_of_density_holds_those_of_its_parts():
    profiles = profiles_from_table(table((0.0, 0.1, 20.0, 1.3, 10.0)), "t")
    parts = np.hypot(0.9 * np.hypot(0.05, 0.10), 0.05)
    assert profiles["soc_sd"].item() == pytest.approx(26000.0 * parts, rel=1e-12)


def test_layers_are_sorted_and_profiles_keep_their_order():
    frame = pd.concat(
        [
            table((0.1, 0.3, 9.0, 1.3, 0.0), profile="b"),
            table((0.0, 0.2, 7.0, 1.3, 0.0), profile="a"),
            table((0.0, 0.1, 11.0, 1.3, 0.0), profile="b"),
        ]
    )
    profiles = profiles_from_table(frame, "t")
    assert list(profiles["profile_id"].values) == ["b", "a"]
    np.testing.assert_array_equal(profiles["row_size"], [2, 1])
    np.testing.assert_array_equal(profiles["oc"], [11.0, 9.0, 7.0])
    np.testing.assert_array_equal(profile_index(profiles), [0, 0, 1])


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ((0.0, 0.1, np.nan, 1.3, 0.0), "no_carbon_value"),
        ((0.0, 0.1, 0.0, 1.3, 0.0), "carbon_not_positive"),
        ((0.0, 0.1, -2.0, 1.3, 0.0), "carbon_not_positive"),
        ((0.0, 0.1, 650.0, 0.2, 0.0), "carbon_above_60_percent"),
        ((0.0, 0.1, 400.0, 1.3, 0.0), "soc_above_250_kg"),
        ((0.0, 0.1, 20.0, np.nan, 0.0), "no_bulk_density"),
        ((0.0, 0.1, 20.0, 0.01, 0.0), "bulk_density_implausible"),
        ((0.0, 0.1, 20.0, 2.7, 0.0), "bulk_density_implausible"),
        ((0.0, 0.1, 20.0, 1.3, 100.0), "fragments_implausible"),
        ((0.0, 0.1, 20.0, 1.3, -1.0), "fragments_implausible"),
        ((0.2, 0.1, 20.0, 1.3, 0.0), "layer_upside_down"),
        ((0.1, 0.1, 20.0, 1.3, 0.0), "layer_upside_down"),
        ((-0.05, 0.0, 20.0, 1.3, 0.0), "above_surface"),
        ((0.0, np.nan, 20.0, 1.3, 0.0), "no_depth"),
        ((0.0, np.inf, 20.0, 1.3, 0.0), "no_depth"),
        ((0.0, 0.1, 20.0, 1.3, np.nan), "no_fragments"),
        ((0.0, 0.1, 120.5, 0.5, 0.0), "organic_soil"),
    ],
)
def test_each_fault_is_flagged_and_the_layer_stays(layer, reason):
    profiles = profiles_from_table(table(layer), "t")
    assert profiles.sizes["sample"] == 1
    assert reason in reasons(profiles)[0]


def test_overlap_and_gap_are_told_apart():
    layers = [(0.0, 0.2), (0.15, 0.3), (0.3, 0.4), (0.6, 0.8)]
    profiles = profiles_from_table(table(*[(*layer, 20.0, 1.3, 0.0) for layer in layers]), "t")
    assert reasons(profiles) == [[], ["layer_overlaps"], [], ["gap_above"]]


@pytest.mark.parametrize(
    ("top", "said"),
    [(0.097, ["layer_overlaps"]), (0.099, []), (0.101, []), (0.103, ["gap_above"])],
)
def test_depths_may_be_rounded_by_two_millimetres(top, said):
    layers = ((0.0, 0.1, 20.0, 1.3, 0.0), (top, 0.2, 9.0, 1.3, 0.0))
    assert reasons(profiles_from_table(table(*layers), "t"))[1] == said


def test_profile_in_two_places_has_bad_coordinates():
    frame = table((0.0, 0.1, 20.0, 1.3, 0.0), (0.1, 0.2, 9.0, 1.3, 0.0)).assign(lat=[40.52, 41.02])
    assert reasons(profiles_from_table(frame, "t")) == [["bad_coordinates"]] * 2


def test_thin_layer_inside_a_thick_one_overlaps():
    layers = [(0.0, 1.0), (0.1, 0.2), (0.5, 1.2)]
    profiles = profiles_from_table(table(*[(*layer, 20.0, 1.3, 0.0) for layer in layers]), "t")
    assert reasons(profiles)[1:] == [["layer_overlaps"], ["layer_overlaps"]]


@pytest.mark.parametrize(
    "unusable",
    [(0.0, 1.0, np.nan, np.nan, 0.0), (0.0, np.nan, 20.0, 1.3, 0.0), (0.0, 0.5, 20.0, np.nan, 0.0)],
)
def test_unusable_layer_hides_neither_the_samples_within_it_nor_a_gap(unusable):
    layers = (unusable, (0.0, 0.1, 20.0, 1.3, 0.0), (0.2, 0.3, 9.0, 1.3, 0.0))
    assert reasons(profiles_from_table(table(*layers), "t"))[1:] == [[], ["gap_above"]]


def test_litter_counted_from_its_own_surface_hides_no_soil():
    frame = table((0.0, 0.05, 300.0, 0.2, 0.0), (0.0, 0.1, 20.0, 1.3, 0.0))
    profiles = profiles_from_table(frame.assign(litter=["t", "f"]), "t")
    assert reasons(profiles) == [["above_surface", "organic_soil"], []]


def test_unknown_bottom_does_not_end_the_search_for_overlaps():
    layers = ((0.0, 0.3, 20.0, 1.3, 0.0), (0.1, np.nan, 20.0, 1.3, 0.0), (0.2, 0.4, 9.0, 1.3, 0.0))
    assert "layer_overlaps" in reasons(profiles_from_table(table(*layers), "t"))[2]


def test_layers_win_over_a_depth_beside_them():
    frame = table((0.0, 0.1, 20.0, 1.3, 0.0), (0.3, 0.2, 9.0, 1.3, 0.0)).assign(depth=[0.05, 0.25])
    profiles = profiles_from_table(frame, "t")
    assert "depth" not in profiles
    assert "layer_upside_down" in reasons(profiles)[1]


def test_repetition_is_found_across_the_meridian_of_longitude_zero():
    frame = pd.concat([table((0.0, 0.1, 20.0, 1.3, 0.0), profile=name) for name in "ab"])
    profiles = profiles_from_table(frame.assign(lon=[-0.00001, 0.00001]), "t")
    assert "duplicate_profile" in reasons(profiles)[1]


def test_unknown_places_are_no_repetition():
    frame = pd.concat([table((0.0, 0.1, 20.0, 1.3, 0.0), profile=name) for name in "ab"])
    profiles = profiles_from_table(frame.assign(lon=np.nan), "t")
    assert reasons(profiles) == [["bad_coordinates"]] * 2


def test_repeated_profile_is_flagged_once():
    layer = (0.0, 0.1, 20.0, 1.3, 0.0)
    other = (0.0, 0.1, 21.0, 1.3, 0.0)
    frame = pd.concat([table(layer, profile=name) for name in "ab"] + [table(other, profile="c")])
    profiles = profiles_from_table(frame, "t")
    assert reasons(profiles) == [[], ["duplicate_profile"], []]


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_no_carbon_are_flagged_without_a_warning():
    layers = [(0.0, 0.1, oc, 1e5, 0.0) for oc in (np.inf, 1e308, 5e-324, np.nan, 0.0)]
    profiles = profiles_from_table(table(*layers), "t")
    assert all("bulk_density_implausible" in names for names in reasons(profiles))


@pytest.mark.parametrize(
    ("dates", "repeated"),
    [
        (["1998-06-11", "6/11/1998"], True),
        (["1998-06-11", "2011"], False),
        (["1998", ""], True),
        (["", "1998"], True),
    ],
)
def test_same_values_of_another_year_are_no_repetition(dates, repeated):
    layer = (0.0, 0.1, 20.0, 1.3, 0.0)
    parts = [table(layer, profile=date).assign(date=date) for date in dates]
    flags = reasons(profiles_from_table(pd.concat(parts), "t"))
    assert flags == [[], ["duplicate_profile"] if repeated else []]


def test_a_later_repetition_of_unknown_year_does_not_touch_one_of_another_year():
    layer = (0.0, 0.1, 20.0, 1.3, 0.0)
    years = zip("abc", ["1998", "2011", ""], strict=True)
    parts = [table(layer, profile=name).assign(date=year) for name, year in years]
    assert reasons(profiles_from_table(pd.concat(parts), "t")) == [[], [], ["duplicate_profile"]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("lon", "lat"), [(np.nan, 40.0), (500.0, 40.0), (281.0, 95.0), (np.inf, 40.0), (281.0, -np.inf)]
)
def test_impossible_place_is_flagged(lon, lat):
    frame = table((0.0, 0.1, 20.0, 1.3, 0.0)).assign(lon=lon, lat=lat)
    assert "bad_coordinates" in reasons(profiles_from_table(frame, "t"))[0]


def test_profile_in_the_sea_is_flagged_with_all_its_layers():
    layers = [(0.0, 0.1, 20.0, 1.3, 0.0), (0.1, 0.3, 15.0, 1.3, 0.0)]
    frame = pd.concat([table(*layers), table(*layers, profile="b").assign(lon=-60.01)])
    assert reasons(profiles_from_table(frame, "t")) == [[], [], ["in_sea"], ["in_sea"]]


@pytest.mark.parametrize(
    ("lon", "lat", "coarse"),
    [
        (-79.3, 40.5, True),
        (float(np.float32(-79.3)), 40.0, True),
        (-79.3, 40.52, False),
        (-79.3003, 40.5, False),
    ],
)
def test_places_in_tenths_of_a_degree_are_noted(lon, lat, coarse):
    frame = table((0.0, 0.1, 20.0, 1.3, 0.0)).assign(lon=lon, lat=lat)
    assert reasons(profiles_from_table(frame, "t")) == [["coarse_coordinates"] if coarse else []]


@pytest.mark.parametrize(
    ("accuracy", "coarse"),
    [("over 10 km", True), ("0.1", True), ("1", True), ("0.01", False), ("1 km - 10 km", False)],
)
def test_places_that_the_database_calls_inaccurate_are_noted(accuracy, coarse):
    frame = table((0.0, 0.1, 20.0, 1.3, 0.0)).assign(position_accuracy=accuracy)
    assert ("coarse_coordinates" in reasons(profiles_from_table(frame, "t"))[0]) is coarse


def test_reasons_keep_their_bits():
    """They stand in files."""
    assert {item.bit for item in REASONS} == {1 << bit for bit in range(len(REASONS))}
    assert reason("no_carbon_value").bit == 1
    assert reason("bad_coordinates").bit == 1 << 13
    assert reason("wetland").bit == 1 << 21
    assert (reason("in_sea").bit, reason("in_sea").excludes) == (1 << 22, True)
    assert (reason("depth_implausible").bit, reason("depth_implausible").excludes) == (
        1 << 23,
        True,
    )
    assert EXCLUDING & NOTES == 0


def test_values_at_depths_need_no_layers():
    frame = pd.DataFrame(
        {"profile_id": [7, 7], "lon": 281.0, "lat": 40.5, "depth": [0.3, 0.1], "soc": [9e3, 2e4]}
    )
    profiles = profiles_from_table(frame, "t")
    np.testing.assert_array_equal(profiles["depth"], [0.1, 0.3])
    assert profiles["profile_id"].dtype.kind == "i"
    assert not any("upside" in name for names in reasons(profiles) for name in names)


@pytest.mark.parametrize(
    ("dropped", "said"),
    [("lon", "no lon"), ("top", "no depth, or top and bottom"), ("oc", "no soc, or oc and bulk")],
)
def test_table_without_the_needed_is_refused(dropped, said):
    with pytest.raises(ProfileError, match=said):
        profiles_from_table(table((0.0, 0.1, 20.0, 1.3, 0.0)).drop(columns=dropped), "t")


def test_empty_table_is_refused():
    with pytest.raises(ProfileError, match="t has no rows"):
        profiles_from_table(table((0.0, 0.1, 20.0, 1.3, 0.0)).iloc[:0], "t")


def test_sites_give_their_observations_back():
    nan = np.nan
    sites = xr.Dataset(
        {
            "profile_id": ("site", [5, 6, 7]),
            "lon": ("site", [-79.0, -78.5, -78.0]),
            "lat": ("site", [41.25, 42.25, 43.25]),
            "soc": (("site", "obs"), [[3e4, 1e4, nan], [2e4, nan, nan], [nan, nan, nan]]),
            "soc_depth": (("site", "obs"), [[0.1, 0.4, nan], [0.2, nan, nan], [nan, nan, nan]]),
        }
    )
    profiles = profiles_from_sites(sites)
    np.testing.assert_array_equal(profiles["row_size"], [2, 1, 1])
    assert reasons(profiles)[3] == ["no_carbon_value", "no_depth"]
    np.testing.assert_array_equal(profiles["soc"].values[:3], [3e4, 1e4, 2e4])


def test_a_place_given_once_holds_for_the_whole_profile():
    layers = table((0.0, 0.1, 20.0, 1.3, 0.0), (0.1, 0.3, 10.0, 1.3, 0.0))
    for row in (0, 1):
        once = layers.copy()
        once.loc[row, ["lon", "lat"]] = np.nan
        profiles = profiles_from_table(once, "t")
        assert reasons(profiles) == [[], []]
        assert profiles["lon"].item() == 281.03


def kilograms(profiles: xr.Dataset) -> xr.Dataset:
    return profiles.assign(soc=(profiles["soc"] / 1000.0).assign_attrs(units="kgC m-3"))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda p: p.drop_vars("top"), "lacks depth, or top and bottom"),
        (lambda p: p.drop_vars(["top", "flag"]), "lacks flag, depth, or top and bottom"),
        (lambda p: p.isel(profile=slice(0), sample=slice(0)), "holds no profile"),
        (kilograms, "soc is in 'kgC m-3'; it must be in 'gC m-3'"),
        (lambda p: p.assign(row_size=p["row_size"] + 1), "row_size does not divide"),
    ],
)
def test_tidy_profiles_that_were_edited_are_refused(edit, said):
    profiles = profiles_from_table(table((0.0, 0.1, 20.0, 1.3, 10.0)), "t")
    assert validate_profiles(profiles, "t.nc") is profiles
    with pytest.raises(ProfileError, match=f"t.nc.*{said}"):
        validate_profiles(edit(profiles), "t.nc")
