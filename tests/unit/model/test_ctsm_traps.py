"""The facts of CTSM's code that are easy to get wrong, one test for each.

The numbers are those of the list in the reference files' description.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.ctsm_forcing import CTSM_POOLS, CtsmColumns, CtsmForcing
from ctsm_socnn.model.ctsm_parameters import CtsmParameters, CtsmSwitches
from ctsm_socnn.model.ctsm_scheme import (
    CtsmScheme,
    mixing,
    one_step,
    rates,
    transfer_matrix,
    transport,
)
from ctsm_socnn.model.grid import SOIL_GRID
from ctsm_socnn.model.verification.golden_ctsm import GoldenCtsm
from ctsm_socnn.schemas import open_file

DAY = 86400.0
YEAR = 365.0 * DAY
VERSIONS = ("clm5.0", "ctsm5.4")
CWD, L1, L2, L3, S1, S2, S3 = range(7)
PLAIN = CtsmSwitches(normalize_q10_to_century_tfunc=False)


def forcing(**changes: Any) -> CtsmForcing:
    """One column at 25 degC, saturated, thawed all the way down."""
    values: dict[str, Any] = {
        "temperature": np.full((1, 20), 298.15),
        "water_potential": -0.002,
        "altmax": 10.0,
        "altmax_lastyear": 10.0,
    }
    return CtsmForcing.from_arrays(**(values | changes))


def column(nbedrock: int = 20, **changes: Any) -> CtsmColumns:
    return CtsmColumns.from_arrays(nbedrock, changes.pop("sand", 50.0), **changes)


def stock(pools: np.ndarray) -> float:
    return float((pools @ SOIL_GRID.thickness).sum())


def carbon(nbedrock: int = 20) -> np.ndarray:
    """Pools that differ by layer and hold nothing below bedrock."""
    pools = 1000.0 * np.exp(-SOIL_GRID.node_depth) * np.ones((1, 7, 20))
    pools[:, :, nbedrock:] = 0.0
    return pools


def base_rates(scheme: CtsmScheme, **options: Any) -> np.ndarray:
    """Rates of the pools where all scalars but that of depth are 1, depth taken out."""
    result = rates(scheme, column(**options), forcing())
    return np.asarray(result.decomposition[0, :, 0] / result.depth_scalar[0, 0])


def test_trap_01_pool_order_differs_between_generations(shared_data: Any) -> None:
    orders = {}
    for short in ("clm50", "ctsm54"):
        golden = GoldenCtsm(open_file(shared_data / "golden" / f"golden_{short}_public.nc"))
        stored = np.array([golden.value("is_cwd", pool) for pool in range(7)])
        orders[short] = int(np.argmax(stored))
        assert golden.pools("decomp_k", 0).shape[1] == len(CTSM_POOLS)
    assert orders == {"clm50": 3, "ctsm54": 6}


def test_trap_02_clm50_ignores_turnover_times_and_uses_single_precision_quotients() -> None:
    odd = CtsmParameters(tau_l1=1.0, tau_l2_l3=1.0, tau_s1=1.0, tau_s2=1.0, tau_s3=1.0, tau_cwd=1.0)
    years = np.array(
        [3.33333325386047363, 0.0540540553629398346, 0.204081624746322632, 0.204081624746322632,
         0.136986300349235535, 5.0, 222.222229003906250]
    )  # fmt: skip
    assert_allclose(
        base_rates(CtsmScheme.of("clm5.0", odd, PLAIN)), 1.0 / (YEAR * years), rtol=1e-15
    )
    assert_allclose(base_rates(CtsmScheme.of("ctsm5.4", odd, PLAIN)), 1.0 / YEAR, rtol=1e-15)


@pytest.mark.parametrize("version", VERSIONS)
def test_trap_03_spinup_factors_follow_the_file_and_the_latitude(version: str) -> None:
    parameters = CtsmParameters(tau_cwd=8.0, tau_s2=3.0, tau_s3=0.5)
    switches = CtsmSwitches(spinup=True, normalize_q10_to_century_tfunc=False)
    factors = base_rates(CtsmScheme.of(version, parameters, switches), latitude=-70.0) / base_rates(
        CtsmScheme.of(version, parameters, PLAIN)
    )
    latitude_term = 1.0 + 50.0 / (1.0 + np.exp(-0.15 * (70.0 - 60.0)))
    expected = np.ones(7)
    expected[CWD] = 4.0 * latitude_term
    expected[S2] = 3.0 * latitude_term
    assert_allclose(factors, expected, rtol=1e-14)


def test_trap_03_mixing_keeps_a_factor_too_near_to_1_to_speed_up_decay() -> None:
    near = 1.0 + 5e-7
    slow = CtsmParameters(tau_s2=near, som_diffus=1e-6)
    faster_mixing = CtsmParameters(tau_s2=near, som_diffus=1e-6 * near)
    runs = [
        CtsmScheme.of("ctsm5.4", slow, CtsmSwitches(spinup=True)),
        CtsmScheme.of("ctsm5.4", faster_mixing, CtsmSwitches()),
    ]
    mixed = [
        transport(scheme, column(), forcing(), carbon(), np.zeros((1, 7, 20)), dt=DAY).pools[:, S2]
        for scheme in runs
    ]
    assert_array_equal(*mixed)
    decay = [rates(scheme, column(), forcing()).decomposition[:, S2] for scheme in runs]
    assert_array_equal(*decay)


def test_trap_04_clm50_hard_codes_diffusivities() -> None:
    odd = CtsmParameters(som_diffus=1e-10, cryoturb_diffusion_k=2e-10)
    thin = forcing(altmax=1.0, altmax_lastyear=1.0)
    for scheme, bio, cryo in (
        (CtsmScheme.of("clm5.0", odd), 1e-4 / YEAR, 5e-4 / YEAR),
        (CtsmScheme.of("ctsm5.4", odd), 1e-10, 2e-10),
    ):
        assert_allclose(mixing(scheme, column(), forcing()).diffusivity[0, 0], bio, rtol=1e-15)
        assert_allclose(mixing(scheme, column(), thin).diffusivity[0, 0], cryo, rtol=1e-15)


@pytest.mark.parametrize("kelvin", [298.15, 263.15])
def test_trap_05_q10_is_normalised_to_century_in_frozen_layers_too(kelvin: float) -> None:
    air = forcing(temperature=np.full((1, 20), kelvin))
    normalised = rates(CtsmScheme.of("ctsm5.4"), column(), air).temperature_scalar
    plain = rates(CtsmScheme.of("ctsm5.4", switches=PLAIN), column(), air).temperature_scalar

    def catanf(celsius: float) -> float:
        return 11.75 + 29.7 / np.pi * np.arctan(np.pi * 0.031 * (celsius - 15.4))

    assert_allclose(normalised / plain, catanf(15.0) / catanf(30.0) * 1.5, rtol=1e-14)
    assert_allclose(normalised / plain, 0.8206, rtol=1e-4)


@pytest.mark.parametrize("version", VERSIONS)
def test_trap_06_carbon_leaks_into_bedrock_and_is_lost(version: str) -> None:
    scheme = CtsmScheme.of(version)
    pools = carbon(3)
    after = transport(scheme, column(3), forcing(), pools, 0.0, dt=DAY, calls=100).pools
    lost = 1.0 - stock(after) / stock(pools)
    assert 1e-9 < lost < 1e-3
    assert_array_equal(after[:, :, 3:], 0.0)


def test_trap_06_carbon_below_bedrock_is_folded_up_weighted_by_thickness() -> None:
    below = np.zeros((1, 7, 20))
    below[:, CWD, 10] = 5.0
    after = transport(CtsmScheme.of("ctsm5.4"), column(10), forcing(), below, 0.0, dt=DAY).pools
    expected = 5.0 * SOIL_GRID.thickness[10] / SOIL_GRID.thickness[9]
    assert_allclose(after[0, CWD, 9], expected, rtol=1e-15)
    assert after[0, CWD, 10] == 0.0


def test_trap_07_no_flux_leaves_the_deepest_level() -> None:
    pools = carbon()
    after = transport(CtsmScheme.of("ctsm5.4"), column(20), forcing(), pools, 0.0, dt=DAY, calls=50)
    assert_allclose(stock(after.pools), stock(pools), rtol=1e-14)


def test_trap_08_interface_equal_to_the_active_layer_is_outside_it() -> None:
    thaw = SOIL_GRID.interface_depth[6]
    profile = mixing(
        CtsmScheme.of("ctsm5.4"), column(), forcing(altmax=thaw, altmax_lastyear=0.0)
    ).diffusivity[0]
    cryo = CtsmParameters().cryoturb_diffusion_k
    assert_allclose(profile[:6], cryo, rtol=1e-15)
    assert_allclose(
        profile[6], cryo * (1.0 - (SOIL_GRID.interface_depth[7] - thaw) / (3.0 - thaw)), rtol=1e-14
    )
    just_deeper = forcing(altmax=np.nextafter(thaw, 1.0), altmax_lastyear=0.0)
    assert_allclose(
        mixing(CtsmScheme.of("ctsm5.4"), column(), just_deeper).diffusivity[0, 5], cryo, rtol=1e-15
    )


def test_trap_08_comparison_with_the_active_layer_is_strict() -> None:
    """It shows only where mixing ends with the active layer: the model's 0/0 is zero."""
    thaw = SOIL_GRID.interface_depth[9]
    scheme = CtsmScheme.of("ctsm5.4")
    at, beyond = (
        mixing(scheme, column(8), forcing(altmax=depth, altmax_lastyear=0.0)).diffusivity[0]
        for depth in (thaw, np.nextafter(thaw, 2.0))
    )
    cryo = CtsmParameters().cryoturb_diffusion_k
    assert_array_equal(at, np.where(np.arange(21) < 8, cryo, 0.0))
    assert_array_equal(beyond, np.where(np.arange(21) < 9, cryo, 0.0))


def test_trap_08_limit_of_cryoturbation_is_inclusive_and_takes_the_deeper_year() -> None:
    scheme = CtsmScheme.of("ctsm5.4")
    parameters = CtsmParameters()
    for now, last, expected in (
        (2.0, 1.0, parameters.cryoturb_diffusion_k),
        (1.0, 2.0, parameters.cryoturb_diffusion_k),
        (np.nextafter(2.0, 3.0), 1.0, parameters.som_diffus),
        (1.0, 2.1, parameters.som_diffus),
        (0.0, 0.0, 0.0),
    ):
        found = mixing(scheme, column(), forcing(altmax=now, altmax_lastyear=last))
        assert_allclose(found.diffusivity[0, 0], expected, rtol=1e-15)


def test_trap_08_mixing_ends_one_level_below_bedrock() -> None:
    for thaw in (1.0, 5.0):
        air = forcing(altmax=thaw, altmax_lastyear=0.0)
        profile = mixing(CtsmScheme.of("ctsm5.4"), column(12), air).diffusivity[0]
        assert_array_equal(profile[13:], 0.0)
    shallow = mixing(
        CtsmScheme.of("ctsm5.4"), column(5), forcing(altmax=0.3, altmax_lastyear=0.0)
    ).diffusivity[0]
    assert shallow[5] == 0.0, "the linear decrease ends at the interface below bedrock"
    assert shallow[4] > 0.0


def test_trap_09_zero_diffusivity_stands_for_1e_30_and_shows_nowhere() -> None:
    pools = carbon()
    frozen = forcing(altmax=0.0, altmax_lastyear=0.0)
    after = transport(CtsmScheme.of("ctsm5.4"), column(), frozen, pools, 1.0, dt=DAY).pools
    assert_allclose(after, pools + 1.0, rtol=1e-15)


def test_trap_10_advection_does_not_conserve_even_without_bedrock() -> None:
    advecting = CtsmParameters(som_adv_flux=1e-9)
    pools = carbon()

    def change_of_stock(switches: CtsmSwitches) -> float:
        scheme = CtsmScheme.of("ctsm5.4", advecting, switches)
        after = transport(scheme, column(), forcing(), pools, 0.0, dt=DAY, calls=10).pools
        return abs(stock(after) / stock(pools) - 1.0)

    assert change_of_stock(CtsmSwitches()) > 1e-7
    assert change_of_stock(CtsmSwitches(conservative=True)) < 1e-14


def test_trap_10_first_level_loses_by_its_old_concentration() -> None:
    """What is gained at the top by the new one, and lost at the bottom, makes up the rest."""
    velocity = 1e-9
    pools = carbon()
    scheme = CtsmScheme.of("ctsm5.4", CtsmParameters(som_adv_flux=velocity))
    after = transport(scheme, column(), forcing(), pools, 0.0, dt=DAY).pools
    top, bottom = after[:, L1:, 0] - pools[:, L1:, 0], after[:, L1:, -1]
    assert_allclose(stock(after) - stock(pools), velocity * DAY * (top - bottom).sum(), rtol=1e-6)


def test_trap_11_woody_debris_is_not_transported() -> None:
    pools = carbon()
    change = np.zeros_like(pools)
    change[:, CWD] = 7.0
    after = transport(CtsmScheme.of("clm5.0"), column(), forcing(), pools, change, dt=DAY).pools
    assert_array_equal(after[:, CWD], pools[:, CWD] + 7.0)
    assert np.any(after[:, S1] != pools[:, S1])


def test_trap_12_freezing_point_is_unfrozen() -> None:
    parameters = CtsmParameters(q10=2.0, froz_q10=50.0)
    scheme = CtsmScheme.of("ctsm5.4", parameters, PLAIN)

    def scalar(kelvin: float) -> float:
        air = forcing(temperature=np.full((1, 20), kelvin))
        return float(rates(scheme, column(), air).temperature_scalar[0, 0])

    below = np.nextafter(273.15, 0.0)
    assert scalar(273.15) == pytest.approx(2.0**-2.5, rel=1e-15)
    assert scalar(263.15) == pytest.approx(2.0**-2.5 / 50.0, rel=1e-14)
    assert scalar(below) == pytest.approx(scalar(273.15), rel=1e-12)


def test_trap_12_water_is_capped_at_maxpsi_and_stops_at_minpsi() -> None:
    potential = np.full((1, 20), -2.0)
    potential[0, :4] = [0.0, -0.002, np.nextafter(-2.0, 0.0), -15.0]
    scalar = rates(
        CtsmScheme.of("ctsm5.4"), column(), forcing(water_potential=potential)
    ).water_scalar[0]
    assert_array_equal(scalar[[0, 1, 3, 4]], [1.0, 1.0, 0.0, 0.0])
    assert 0.0 < scalar[2] < 1e-15


def test_trap_13_depth_scale_comes_from_namelist_or_file(shared_data: Any) -> None:
    file_of_50 = shared_data / "data" / "clm_params" / "clm5_params.c171117.nc"
    file_of_54 = shared_data / "data" / "ctsm_run" / "ctsm54_form_params.nc"
    chosen = CtsmParameters.from_paramfile(file_of_50, "clm5.0", decomp_depth_efolding=0.5)
    assert chosen.decomp_depth_efolding == 0.5
    assert CtsmParameters.from_paramfile(file_of_54, "ctsm5.4").decomp_depth_efolding == 10.0


@pytest.mark.parametrize("version", VERSIONS)
def test_trap_14_what_is_missing_in_cwd_fractions_is_not_decomposed(version: str) -> None:
    whole = CtsmScheme.of(version, CtsmParameters(cwd_fcel=0.6, cwd_flig=0.4))
    partial = CtsmScheme.of(version, CtsmParameters(cwd_fcel=0.5, cwd_flig=0.4))
    losses = []
    for scheme in (whole, partial):
        step = one_step(scheme, column(), forcing(), carbon(), dt=DAY)
        losses.append(carbon()[:, CWD] - step.pools[:, CWD])
        respired = stock(step.respiration) * DAY
        assert stock(step.pools) + respired == pytest.approx(stock(carbon()), rel=1e-14)
    assert_allclose(losses[1], 0.9 * losses[0], rtol=1e-9)


@pytest.mark.parametrize("respired", [1.0, 0.9])
@pytest.mark.parametrize("version", VERSIONS)
def test_transition_that_passes_nothing_on_demands_no_nitrogen(
    version: str, respired: float
) -> None:
    scheme = CtsmScheme.of(version, CtsmParameters(rf_s3s1=respired))
    free, limited = (
        one_step(scheme, column(), forcing(fpi=fpi), carbon(), dt=DAY).respiration[0, 7]
        for fpi in (1.0, 0.5)
    )
    assert_allclose(limited, free if respired == 1.0 else 0.5 * free, rtol=1e-14)


def test_trap_15_fractions_are_the_same_in_both_generations() -> None:
    sand = np.linspace(0.0, 100.0, 20)
    old, new = (rates(CtsmScheme.of(v), column(sand=sand), forcing()) for v in VERSIONS)
    assert_array_equal(old.path_fraction, new.path_fraction)
    assert_array_equal(old.respired_fraction, new.respired_fraction)


@pytest.mark.parametrize("version", VERSIONS)
def test_trap_16_rates_follow_the_days_of_the_year(version: str) -> None:
    ordinary = base_rates(CtsmScheme.of(version, CtsmParameters(days_per_year=365.0)))
    for days in (366.0, 365.2425):
        other = base_rates(CtsmScheme.of(version, CtsmParameters(days_per_year=days)))
        assert_allclose(ordinary / other, days / 365.0, rtol=1e-14)


def test_trap_17_inundation_wets_unfrozen_layers_in_clm50_only() -> None:
    kelvin = np.full((1, 20), 280.0)
    kelvin[0, :2] = [273.15, np.nextafter(273.15, 300.0)]
    air = forcing(
        temperature=kelvin,
        water_potential=-15.0,
        inundated_fraction=0.25,
        oxygen_unsaturated=0.1,
        oxygen_saturated=0.6,
    )
    switches = CtsmSwitches(use_lch4=True, anoxia=True, anoxia_wtsat=True)
    found = rates(CtsmScheme.of("clm5.0", switches=switches), column(), air)
    assert_array_equal(found.water_scalar[0, :2], [0.0, 0.25])
    assert_allclose(found.oxygen_scalar, 0.2 * 0.75 + 0.6 * 0.25, rtol=1e-15)
    with pytest.raises(KernelError, match="anoxia_wtsat"):
        CtsmScheme.of("ctsm5.4", switches=switches)


def test_trap_17_oxygen_counts_only_with_methane_and_anoxia() -> None:
    air = forcing(oxygen_unsaturated=0.5)
    for lch4, anoxia, expected in ((True, True, 0.5), (True, False, 1.0), (False, True, 1.0)):
        switches = CtsmSwitches(use_lch4=lch4, anoxia=anoxia)
        found = rates(CtsmScheme.of("ctsm5.4", switches=switches), column(), air)
        assert_array_equal(found.oxygen_scalar, expected)


def test_trap_18_path_fractions_of_soil_pools_are_literals() -> None:
    found = rates(CtsmScheme.of("ctsm5.4"), column(sand=30.0), forcing())
    t = 0.85 - 0.68 * 0.01 * 70.0
    assert_allclose(found.path_fraction[0, 5:7, 0], [0.42 / 0.45, 0.03 / 0.45], rtol=1e-15)
    assert_allclose(
        found.path_fraction[0, 3:5, 0], [1.0 - 0.004 / (1.0 - t), 0.004 / (1.0 - t)], rtol=1e-15
    )
    assert_allclose(found.respired_fraction[0, 3:5, 0], t, rtol=1e-15)


def test_trap_19_matrix_ignores_spinup_of_soil_pools() -> None:
    spinup = CtsmScheme.of("ctsm5.4", switches=CtsmSwitches(spinup=True))
    blocks = [
        transfer_matrix(scheme, column(latitude=70.0), forcing(), dt=DAY)
        for scheme in (spinup, CtsmScheme.of("ctsm5.4"))
    ]
    assert_array_equal(*blocks)


def column_sums(block: np.ndarray) -> np.ndarray:
    """What each level loses by the matrix, weighted by thickness."""
    matrix = np.zeros((20, 20))
    for j in range(20):
        matrix[j, j] = block[3 * j]
        if j > 0:
            matrix[j, j - 1] = block[3 * j - 2]
        if j < 19:
            matrix[j, j + 1] = block[3 * j + 2]
    return np.asarray(SOIL_GRID.thickness @ matrix)


@pytest.mark.parametrize(("nbedrock", "is_open"), [(5, False), (18, False), (19, True), (20, True)])
def test_trap_19_matrix_is_open_at_the_bottom_of_deep_soils(nbedrock: int, is_open: bool) -> None:
    block = transfer_matrix(CtsmScheme.of("ctsm5.4"), column(nbedrock), forcing(), dt=DAY)[0]
    sums = column_sums(block)[:nbedrock]
    closed = np.abs(sums) < 1e-15
    assert closed[:-1].all()
    assert closed[-1] == (not is_open)


def test_trap_20_defaults_are_the_released_parameters(shared_data: Any) -> None:
    released = shared_data / "data" / "clm_params"
    for date in ("c171117", "c190829", "c200717"):
        found = CtsmParameters.from_paramfile(released / f"clm5_params.{date}.nc", "clm5.0")
        assert_allclose(found.vector(), CtsmParameters().vector(), rtol=1e-12)
    assert CtsmParameters().minpsi_hr == -2.0
    assert CtsmParameters().maxpsi_hr == -0.002
