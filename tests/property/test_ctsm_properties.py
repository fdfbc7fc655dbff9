"""What must hold of the CTSM schemes for any column, parameters and forcing."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ctsm_socnn.model import (
    CtsmColumns,
    CtsmForcing,
    CtsmParameters,
    CtsmScheme,
    CtsmSwitches,
    mean_steady_state,
    monthly_records,
    simulate,
)
from ctsm_socnn.model.grid import SOIL_GRID

DAY = 86400.0


@st.composite
def parameter_sets(draw: st.DrawFn) -> CtsmParameters:
    def between(low: float, high: float) -> float:
        return draw(st.floats(low, high))

    cellulose = between(0.0, 1.0)
    return CtsmParameters(
        tau_s2=between(0.5, 20.0),
        tau_s3=between(20.0, 500.0),
        rf_l1s1=between(0.0, 0.95),
        rf_s2s1=between(0.05, 0.95),
        rf_s3s1=between(0.05, 0.95),
        cwd_fcel=cellulose,
        cwd_flig=1.0 - cellulose,
        q10=between(1.0, 4.0),
        decomp_depth_efolding=between(0.3, 20.0),
        som_diffus=between(0.0, 1e-10),
        cryoturb_diffusion_k=between(0.0, 1e-10),
        som_adv_flux=draw(st.sampled_from([0.0, 1e-11, -1e-11])),
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[CtsmScheme, CtsmColumns, CtsmForcing]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    nbedrock = np.array(draw(st.lists(st.integers(1, 20), min_size=1, max_size=4)))
    n = len(nbedrock)
    thaw = rng.choice([0.05, 0.5, 1.9, 2.0, 5.0], n)
    inputs = rng.uniform(0.0, 1e-6, (12, n, 7, 20)) * np.exp(-SOIL_GRID.node_depth)
    forcing = CtsmForcing.from_arrays(
        rng.uniform(255.0, 305.0, (12, n, 20)),
        -np.exp(rng.uniform(np.log(0.001), np.log(1.5), (12, n, 20))),
        fpi=rng.uniform(0.1, 1.0, (12, n, 20)),
        altmax=thaw,
        altmax_lastyear=thaw,
        inputs=inputs,
    )
    switches = CtsmSwitches(conservative=True, spinup=draw(st.booleans()))
    version = draw(st.sampled_from(["clm5.0", "ctsm5.4"]))
    columns = CtsmColumns.from_arrays(nbedrock, rng.uniform(0.0, 100.0, (n, 20)), latitude=60.0)
    return CtsmScheme.of(version, draw(parameter_sets()), switches), columns, forcing


@given(cases())
@settings(max_examples=40, deadline=None)
def test_carbon_closes_and_stays_positive(
    case: tuple[CtsmScheme, CtsmColumns, CtsmForcing],
) -> None:
    scheme, columns, forcing = case
    start = np.full((len(columns), 7, 20), 500.0)
    run = simulate(scheme, columns, forcing, start, dt=DAY, record=monthly_records(DAY))
    scale = run["stock"] + run["respiration"] + run["input"]
    assert float((np.abs(run["carbon_balance"]) / scale).max()) < 1e-12
    assert float(run["pools"].min()) >= 0.0


@given(cases())
@settings(max_examples=40, deadline=None)
def test_steady_state_respires_what_comes_in_and_is_linear_in_it(
    case: tuple[CtsmScheme, CtsmColumns, CtsmForcing],
) -> None:
    scheme, columns, forcing = case
    weights = np.full(12, 1.0 / 12.0)
    state = mean_steady_state(scheme, columns, forcing, weights=weights)
    doubled = CtsmForcing(**{**vars(forcing), "inputs": 2.0 * forcing.inputs})
    twice = mean_steady_state(scheme, columns, doubled, weights=weights)
    assert np.all(state.pools >= 0.0)
    np.testing.assert_allclose(twice.pools, 2.0 * state.pools, rtol=1e-13)
    second = 1.0
    run = simulate(scheme, columns, forcing, state.pools, dt=second)
    np.testing.assert_allclose(run["respiration"], run["input"], rtol=1e-4)
