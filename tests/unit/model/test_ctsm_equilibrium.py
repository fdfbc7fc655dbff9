from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.ctsm_equilibrium import (
    accelerated_spinup,
    mean_steady_state,
    periodic_steady_state,
)
from ctsm_socnn.model.ctsm_forcing import CtsmForcing
from ctsm_socnn.model.ctsm_parameters import CtsmParameters, CtsmSwitches
from ctsm_socnn.model.ctsm_scheme import CtsmScheme, one_step
from ctsm_socnn.model.simulation import monthly_records, simulate

from .ctsm_world import NBEDROCK, monthly_forcing, soil_columns, stock

CLOSED = CtsmSwitches(conservative=True)
DAY = 86400.0
VERSIONS = ("clm5.0", "ctsm5.4")


def record_of(forcing: CtsmForcing, record: int) -> CtsmForcing:
    fields = {
        name: values[record : record + 1] if len(values) > 1 else values
        for name, values in vars(forcing).items()
    }
    return CtsmForcing(**fields)


@pytest.mark.parametrize("version", VERSIONS)
def test_mean_steady_state_balances_very_short_steps(version: str) -> None:
    scheme = CtsmScheme.of(version, CtsmParameters(som_adv_flux=3e-12), CLOSED)
    columns, forcing = soil_columns(), monthly_forcing()
    pools = mean_steady_state(scheme, columns, forcing, weights=np.full(12, 1.0 / 12.0)).pools
    dt = 1.0
    change = np.zeros_like(pools)
    turnover = np.zeros_like(pools)
    for month in range(12):
        step = one_step(scheme, columns, record_of(forcing, month), pools, dt=dt)
        change += step.pools - pools
        turnover += np.abs(step.pools - pools)
    assert np.all(np.abs(change).sum((1, 2)) < 1e-5 * turnover.sum((1, 2)))


def test_mean_steady_state_holds_nothing_below_bedrock_and_is_positive() -> None:
    state = mean_steady_state(CtsmScheme.of("ctsm5.4"), soil_columns(), monthly_forcing())
    below = np.arange(20) >= NBEDROCK[:, None]
    assert_array_equal(np.moveaxis(state.pools, 1, 2)[below], 0.0)
    assert np.all(np.moveaxis(state.pools, 1, 2)[~below] > 0.0)
    assert_allclose(state.soc, state.pools[:, 4:].sum(axis=1))


def test_input_below_bedrock_counts_in_the_last_layer() -> None:
    forcing = monthly_forcing()
    inputs = np.zeros((1, len(NBEDROCK), 7, 20))
    inputs[:, :, 1, 0] = 1e-6
    low, high = inputs.copy(), inputs.copy()
    low[:, 4, 1, 10] = 1e-6
    thickness = np.array([0.02, 0.04, 0.06])
    high[:, 4, 1, 2] = 1e-6 * 0.36 / thickness[2]
    states = [
        mean_steady_state(
            CtsmScheme.of("ctsm5.4"),
            soil_columns(),
            CtsmForcing(**{**vars(forcing), "inputs": each}),
        ).pools[4]
        for each in (low, high)
    ]
    assert_allclose(states[0], states[1], rtol=1e-12)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dt", [DAY, 6 * 3600.0])
def test_periodic_steady_state_returns_to_itself(version: str, dt: float) -> None:
    scheme = CtsmScheme.of(version)
    columns, forcing = soil_columns(), monthly_forcing()
    state = periodic_steady_state(scheme, columns, forcing, dt=dt)
    decade = simulate(
        scheme, columns, forcing, state.pools, dt=dt, record=monthly_records(dt, years=10)
    )
    largest = state.pools.max(axis=-1, keepdims=True)
    assert np.max(np.abs(decade["pools"].values[0] - state.pools) / largest) < 1e-10
    assert state.cycles < 30


def test_steady_state_and_a_long_transient_agree() -> None:
    quick = CtsmParameters(tau_s2=0.5, tau_s3=2.0)
    scheme = CtsmScheme.of("ctsm5.4", quick)
    columns, forcing = soil_columns(), monthly_forcing(temperature=np.full((12, 7, 20), 298.15))
    state = periodic_steady_state(scheme, columns, forcing)
    transient = simulate(
        scheme,
        columns,
        forcing,
        np.zeros_like(state.pools),
        dt=DAY,
        record=monthly_records(DAY, years=400),
    )
    largest = state.pools.max(axis=-1, keepdims=True)
    assert np.max(np.abs(transient["pools"].values[0] - state.pools) / largest) < 1e-9


def test_mean_and_periodic_steady_states_hold_nearly_the_same_soil_carbon() -> None:
    scheme = CtsmScheme.of("ctsm5.4", switches=CLOSED)
    mean = mean_steady_state(scheme, soil_columns(), monthly_forcing())
    cycle = periodic_steady_state(scheme, soil_columns(), monthly_forcing())
    assert_allclose(stock(mean.pools[:, 5:]), stock(cycle.pools[:, 5:]), rtol=2e-3)


def test_accelerated_spinup_comes_near_the_steady_state_sooner() -> None:
    scheme = CtsmScheme.of("ctsm5.4")
    columns, forcing = soil_columns(), monthly_forcing()
    target = stock(periodic_steady_state(scheme, columns, forcing).pools)
    start = np.zeros((len(columns), 7, 20))
    accelerated = accelerated_spinup(
        scheme, columns, forcing, start, accelerated_years=100, final_years=20
    )
    plain = simulate(
        scheme, columns, forcing, start, dt=DAY, record=monthly_records(DAY, years=120)
    )
    deep = NBEDROCK > 8
    distance = np.abs(accelerated["stock"].values[-1] / target - 1.0)[deep]
    assert np.all(distance < 0.1)
    assert np.all(distance < 0.5 * np.abs(plain["stock"].values[-1] / target - 1.0)[deep])


def test_carbon_that_nothing_removes_is_an_error_that_names_the_layer() -> None:
    frozen = monthly_forcing(water_potential=-15.0, altmax=0.0, altmax_lastyear=0.0)
    with pytest.raises(KernelError, match=r"layer 1 of column 0 .* no steady state"):
        mean_steady_state(CtsmScheme.of("ctsm5.4"), soil_columns(), frozen)


def test_debris_that_decays_beyond_the_range_of_numbers_is_an_error_that_names_the_layer() -> None:
    steep = CtsmParameters(decomp_depth_efolding=0.01, som_diffus=1e-12)
    with pytest.raises(KernelError, match=r"layer 12 of column 0 .* no steady state"):
        mean_steady_state(CtsmScheme.of("ctsm5.4", steep), soil_columns(), monthly_forcing())


def test_weights_and_cycle_limits_are_checked() -> None:
    arguments = CtsmScheme.of("ctsm5.4"), soil_columns(), monthly_forcing()
    with pytest.raises(KernelError, match="12 shares"):
        mean_steady_state(*arguments, weights=np.full(12, 0.1))
    with pytest.raises(KernelError, match="not closed after 1 years"):
        periodic_steady_state(*arguments, max_cycles=1)


def test_threads_do_not_change_a_bit() -> None:
    states = [
        mean_steady_state(
            CtsmScheme.of("ctsm5.4"), soil_columns(), monthly_forcing(), threads=threads
        ).pools
        for threads in (1, 2)
    ]
    assert_array_equal(*states)


def test_impossible_years_are_named() -> None:
    scheme, columns, forcing = CtsmScheme.of("ctsm5.4"), soil_columns(), monthly_forcing()
    with pytest.raises(KernelError, match="weights must be 12 shares"):
        mean_steady_state(scheme, columns, forcing, weights=np.full(12, np.nan))
    with pytest.raises(KernelError, match="step 1 uses record -1"):
        periodic_steady_state(scheme, columns, forcing, record=np.array([-1, 0], dtype=np.int32))
    with pytest.raises(KernelError, match="dt is 0"):
        periodic_steady_state(scheme, columns, forcing, dt=0.0)
    with pytest.raises(KernelError, match="max_cycles is 0; it must be 1 or more"):
        periodic_steady_state(scheme, columns, forcing, max_cycles=0)
    with pytest.raises(KernelError, match="accelerated_years is 0; it must be 1 or more"):
        accelerated_spinup(
            scheme, columns, forcing, np.ones((7, 7, 20)), accelerated_years=0, final_years=1
        )
