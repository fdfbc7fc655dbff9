"""A CTSM scheme on the sites of an estimate: two solvers, written apart, of the same equations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model import (
    Columns,
    CtsmColumns,
    CtsmForcing,
    CtsmParameters,
    CtsmScheme,
    CtsmSwitches,
    mean_steady_state,
    steady_state,
)
from ctsm_socnn.model.ctsm_scheme import rates
from ctsm_socnn.model.ctsm_sites import (
    input_profile,
    litter_profiles,
    potential_of_water_scalar,
    site_climatology,
)
from ctsm_socnn.model.grid import SOIL_GRID
from ctsm_socnn.model.simulation import DAYS_OF_MONTHS
from ctsm_socnn.parameters import PARAMETERS
from ctsm_socnn.schemas import open_sites

PUBLISHED = {p.name: p.default for p in PARAMETERS}
SAND = 50.0
"""Gives S1 the published fractions, 0.486 to S2 and 0.004 to S3."""
SECONDS_PER_YEAR = 365.0 * 86400.0


def same_parameters() -> CtsmParameters:
    """The published defaults under CTSM's names, for the temperature function left as it is."""
    p = PUBLISHED
    return CtsmParameters(
        tau_cwd=p["tau_cwd"],
        tau_l1=p["tau_l1"],
        tau_l2_l3=p["tau_l2"],
        tau_s1=p["tau_s1"],
        tau_s2=p["tau_s2"],
        tau_s3=p["tau_s3"],
        rf_l1s1=1.0 - p["fl1s1"],
        rf_l2s1=1.0 - p["fl2s1"],
        rf_l3s2=1.0 - p["fl3s2"],
        rf_s2s1=1.0 - p["fs2s1"] / (0.42 / 0.45),
        rf_s2s3=1.0 - p["fs2s3"] / (0.03 / 0.45),
        rf_s3s1=1.0 - p["fs3s1"],
        cwd_fcel=p["fcwdl2"],
        cwd_flig=1.0 - p["fcwdl2"],
        q10=p["q10"],
        froz_q10=p["q10"],
        decomp_depth_efolding=p["efolding"],
        som_diffus=p["diffus"] / SECONDS_PER_YEAR,
        cryoturb_diffusion_k=p["cryo"] / SECONDS_PER_YEAR,
    )


@pytest.fixture(scope="module")
def unchanging_sites(shared_data: Path) -> xr.Dataset:
    """Real sites with the mean of every forcing in all months, as the two average differently."""
    sites = open_sites(shared_data / "data" / "northeast_us" / "sites.nc").isel(site=slice(0, 300))
    for name in [str(name) for name in sites.data_vars if "month" in sites[name].dims]:
        mean = sites[name].mean("month").expand_dims(month=12)
        sites[name] = mean.transpose(*sites[name].dims)
    sites["CELLSAND"] = sites["CELLSAND"] * 0.0 + SAND
    return sites


@pytest.mark.real_data
def test_both_kernels_find_the_same_steady_state(unchanging_sites: xr.Dataset) -> None:
    published = steady_state(
        Columns.from_sites(unchanging_sites), np.array([list(PUBLISHED.values())] * 300)
    )
    columns, forcing = site_climatology(unchanging_sites, beta=PUBLISHED["beta"])
    days = np.array(DAYS_OF_MONTHS)[:, None, None, None] / 365.0
    forcing = replace(forcing, inputs=(forcing.inputs * days).sum(axis=0, keepdims=True))
    switches = CtsmSwitches(use_lch4=True, anoxia=True, normalize_q10_to_century_tfunc=False)
    scheme = CtsmScheme.of("ctsm5.4", same_parameters(), switches)
    ours = mean_steady_state(scheme, columns, forcing)
    largest = published.soc.max(axis=1, keepdims=True)
    error = (np.abs(ours.soc - published.soc) / largest).max(axis=1)
    # Over shallower rock they differ: the published model lets carbon lie below it, CTSM does not.
    deep = columns.nbedrock == 20
    assert deep.sum() > 10
    assert error[deep].max() < 1e-13


def test_potential_gives_back_its_water_scalar() -> None:
    parameters = CtsmParameters(minpsi_hr=-3.0, maxpsi_hr=-0.01)
    scalar = np.linspace(0.0, 1.0, 20)
    potential = potential_of_water_scalar(scalar, parameters)
    sand = np.full((1, 20), SAND)
    found = rates(
        CtsmScheme.of("ctsm5.4", parameters),
        CtsmColumns.from_arrays(20, sand),
        CtsmForcing.from_arrays(
            np.full((1, 20), 280.0), potential[None], altmax=1.0, altmax_lastyear=1.0
        ),
    ).water_scalar[0]
    assert_allclose(found, scalar, atol=1e-15)
    with pytest.raises(KernelError, match=r"water scalar is 1.1 at \(\)"):
        potential_of_water_scalar(1.1, parameters)


def test_litter_reaches_thawed_soil_above_bedrock_only(unchanging_sites: xr.Dataset) -> None:
    sites = unchanging_sites.isel(site=[0, 1, 2]).copy(deep=True)
    sites["nbedrock"][:] = [20, 8, 20]
    sites["ALTMAX_LASTYEAR"][:] = np.array([[50.0], [50.0], [0.3]])
    sites["ALTMAX_LASTYEAR"][2, 0] = 0.0
    _, forcing = site_climatology(sites, beta=0.95)
    inputs = forcing.inputs
    total = sites["LITR2_INPUT"].transpose("month", "site").values
    seconds = np.array(DAYS_OF_MONTHS)[:, None] * 86400.0
    assert_allclose(inputs[:, :, 2] @ SOIL_GRID.thickness * seconds, total, rtol=1e-12)
    deepest = [np.flatnonzero(inputs[5, i, 2])[-1] + 1 for i in range(3)]
    thawed = int((SOIL_GRID.node_depth <= 0.3).sum())
    assert deepest == [20, 8, thawed]
    assert np.flatnonzero(inputs[0, 2, 2]).tolist() == [0]  # all of it on frozen ground


@pytest.mark.real_data
def test_litter_is_spread_as_in_a_real_run(shared_data: Path) -> None:
    folder = shared_data / "data" / "ctsm_run"
    last = "2005-02-01-00000.nc"
    with (
        xr.open_dataset(folder / "history" / f"stock.clm2.h2a.{last}", decode_times=False) as run,
        xr.open_dataset(folder / "history" / f"stock.clm2.h0a.{last}", decode_times=False) as state,
        xr.open_dataset(folder / "ctsm54_form_params.nc", decode_times=False) as paramfile,
        xr.open_dataset(folder / "surfdata.nc", decode_times=False) as surface,
    ):
        leaves, roots = (
            run[name].values[-1, :20].reshape(20, -1).T for name in ("LEAF_PROF", "FROOT_PROF")
        )
        beta = paramfile["rootprof_beta"].values[1]
        plants = surface["PCT_NAT_PFT"].values.reshape(-1, roots.shape[0]) / 100.0
        sites = xr.Dataset(
            {
                "nbedrock": ("site", state["nbedrock"].values.reshape(-1)),
                "ALTMAX_LASTYEAR": (
                    ("month", "site"), state["ALTMAX_LASTYEAR"].values[-1:].reshape(1, -1),
                ),
            }
        )  # fmt: skip
    assert sites["nbedrock"].values.min() == 8
    assert (sites["ALTMAX_LASTYEAR"].values < 5.0).sum() == 3
    bare = np.zeros_like(roots)
    bare[:, 0] = plants[0] / SOIL_GRID.thickness[0]
    mixed, ground = bare, bare
    for plant, share in enumerate(plants[1:, :, np.newaxis], start=1):
        of_roots, on_ground = litter_profiles(sites, beta[plant])
        mixed, ground = mixed + share * of_roots[0], ground + share * on_ground[0]
    assert_allclose(mixed, roots, rtol=1e-6, atol=1e-6)
    assert_allclose(ground, leaves, rtol=1e-6, atol=1e-6)


def test_input_profile_holds_all_of_the_input() -> None:
    profile = input_profile([0.9, 0.95, 0.99])
    assert_allclose(profile @ SOIL_GRID.thickness, 1.0, rtol=1e-14)
    assert np.all(np.diff(profile, axis=1) < 0.0)
    with pytest.raises(KernelError, match="between 0 and 1"):
        input_profile(1.0)
