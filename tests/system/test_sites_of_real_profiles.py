"""Sites from the published profiles and climatologies."""

from __future__ import annotations

import numpy as np
import pytest

from ctsm_socnn.forcing import read_climatology
from ctsm_socnn.observations import (
    build_sites,
    open_covariates,
    profiles_from_sites,
    read_profiles,
    screen_sites,
)
from ctsm_socnn.observations.profiles import profile_index
from ctsm_socnn.observations.quality import reason
from ctsm_socnn.schemas import open_sites

pytestmark = pytest.mark.real_data

CONUS_COLUMNS = {
    "top": "upper_cm [cm]",
    "bottom": "lower_cm [cm]",
    "oc": "oc_g_per_kg [g/kg]",
    "bulk_density": "bulk_density_g_cm3 [g/cm3]",
    "coarse_fragments": "coarse_fragments_vol_pct [%]",
    "coarse_fragments_weight": "coarse_weight_pct [%]",
}


def test_a_profile_off_the_coast_of_washington_is_found(shared_data):
    profiles = read_profiles(
        shared_data / "data" / "conus" / "profiles.csv.gz", "generic", CONUS_COLUMNS
    )
    held = (profiles["flag"].values & reason("in_sea").bit) != 0
    assert set(profiles["profile_id"].values[profile_index(profiles)[held]]) == {"RACA_C0104F031"}


def test_fragments_by_weight_take_carbon_away(shared_data):
    path = shared_data / "data" / "conus" / "profiles.csv.gz"
    by_volume = {k: v for k, v in CONUS_COLUMNS.items() if k != "coarse_fragments_weight"}
    without, held = (read_profiles(path, "generic", c) for c in (by_volume, CONUS_COLUMNS))
    converted = (held["flag"].values & reason("fragments_by_weight").bit) != 0
    share = (held["soc"] / without["soc"]).values[converted]
    assert converted.sum() == 2497
    assert np.nanmax(share) <= 1.0
    assert (share < 1.0).sum() == 1205
    np.testing.assert_array_equal(held["soc"].values[~converted], without["soc"].values[~converted])


def test_every_conus_profile_is_a_site_or_listed(shared_data):
    data = shared_data / "data" / "conus"
    profiles = read_profiles(data / "profiles.csv.gz", "generic", CONUS_COLUMNS)
    sites, exclusions = build_sites(
        read_climatology([data / "conus.clm2.h0.climo.nc"]),
        profiles,
        open_covariates(data / "grid_covariates.nc"),
        categorical=["igbp"],
    )
    assert profiles.sizes["profile"] == 8956
    assert sites.sizes["site"] + len(exclusions) == 8956
    assert sites.sizes["site"] == 8764
    used = sites["soc"].where(sites["soc_flag"] == 0)
    assert float(used.min()) > 0
    assert float(used.max()) <= 250_000
    assert float(sites["cell_distance"].max()) <= 100.0


def test_north_east_profiles_driven_anew_keep_their_values(shared_data):
    data = shared_data / "data" / "northeast_us"
    original = open_sites(data / "sites.nc")
    sites, exclusions = build_sites(
        read_climatology([data / "northeast.clm2.h0.climo.nc"]),
        profiles_from_sites(original),
        open_covariates(data / "grid_covariates.nc"),
    )
    assert sites.sizes["site"] + len(exclusions) == original.sizes["site"] == 997
    assert sites.sizes["site"] > 950
    position = {name: i for i, name in enumerate(original["profile_id"].values.tolist())}
    for row in (0, 500, 900):
        soc = original["soc"].values[position[sites["profile_id"].values[row].item()]]
        np.testing.assert_array_equal(
            np.sort(soc[np.isfinite(soc)]),
            np.sort(sites["soc"].values[row][sites["soc"].values[row] >= 0]),
        )


def test_north_east_sites_with_their_own_forcing_are_screened(shared_data):
    original = open_sites(shared_data / "data" / "northeast_us" / "sites.nc")
    sites, exclusions = screen_sites(original)
    counts = exclusions["reason"].value_counts().to_dict()
    assert counts == {"no covariate": 28, "no forcing": 4, "no usable layer": 1}
    assert sites.sizes["site"] == 997 - 33
