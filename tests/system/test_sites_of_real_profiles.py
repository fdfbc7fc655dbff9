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
from ctsm_socnn.schemas import open_sites

pytestmark = pytest.mark.real_data

CONUS_COLUMNS = {
    "top": "upper_cm [cm]",
    "bottom": "lower_cm [cm]",
    "oc": "oc_g_per_kg [g/kg]",
    "bulk_density": "bulk_density_g_cm3 [g/cm3]",
    "coarse_fragments": "coarse_fragments_vol_pct [%]",
}


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
    assert sites.sizes["site"] == 8765
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
