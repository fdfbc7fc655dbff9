from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.ctsm_equilibrium import mean_steady_state
from ctsm_socnn.model.ctsm_forcing import CtsmForcing
from ctsm_socnn.model.ctsm_parameters import CtsmParameters, CtsmSwitches
from ctsm_socnn.model.ctsm_scheme import CtsmScheme
from ctsm_socnn.model.ctsm_sensitivity import (
    soil_carbon_jacobian,
    steady_state_change,
    steady_state_gradient,
)

from .ctsm_world import monthly_forcing, soil_columns

SPUN_UP = CtsmSwitches(spinup=True, use_lch4=True, anoxia=True)
INUNDATED = CtsmSwitches(use_lch4=True, anoxia=True, anoxia_wtsat=True)
CENTURY = CtsmSwitches(normalize_q10_to_century_tfunc=False, use_century_tfunc=True)
ODD = CtsmParameters(
    q10=2.2, froz_q10=3.1, som_adv_flux=2e-12, max_depth_cryoturb=1.1, mino2lim=0.4, tau_s2=7.0
)
SCHEMES = [
    CtsmScheme.of("ctsm5.4"),
    CtsmScheme.of("clm5.0"),
    CtsmScheme.of("ctsm5.4", ODD, SPUN_UP),
    CtsmScheme.of("ctsm5.4", replace(ODD, som_adv_flux=-2e-12), SPUN_UP),
    CtsmScheme.of("clm5.0", ODD, SPUN_UP),
    CtsmScheme.of("clm5.0", ODD, INUNDATED),
    CtsmScheme.of("ctsm5.4", ODD, CENTURY),
]
NAMES = CtsmParameters.names()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_adjoint_is_the_transpose_of_the_tangent(scheme: CtsmScheme) -> None:
    rng = np.random.default_rng(11)
    columns, forcing = soil_columns(), monthly_forcing(inundated_fraction=0.3)
    n = len(columns)
    parameters = rng.normal(size=(n, 31)) * np.abs(scheme.parameters[0].vector())
    scalars = rng.normal(size=(n, 12, 4, 20))
    inputs = rng.normal(size=(n, 12, 7, 20)) * 1e-6
    weights = rng.normal(size=(n, 7, 20))
    change = steady_state_change(
        scheme, columns, forcing, parameters=parameters, scalars=scalars, inputs=inputs
    )
    gradient = steady_state_gradient(scheme, columns, forcing, weights)
    forward = (weights * change).sum(axis=(1, 2))
    backward = (
        (gradient.parameters * parameters).sum(axis=1)
        + (gradient.scalars * scalars).sum(axis=(1, 2, 3))
        + (gradient.inputs * inputs).sum(axis=(1, 2, 3))
    )
    assert_allclose(forward, backward, rtol=1e-12)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_tangent_agrees_with_differences_in_every_parameter(scheme: CtsmScheme) -> None:
    columns, forcing = soil_columns(), monthly_forcing(kinks=False, inundated_fraction=0.3)
    base = scheme.parameters[0]
    size = np.abs(mean_steady_state(scheme, columns, forcing).pools).max()

    def pools(name: str, value: float) -> np.ndarray:
        moved = replace(scheme, parameters=(replace(base, **{name: value}),))
        return mean_steady_state(moved, columns, forcing).pools

    for i, name in enumerate(NAMES):
        value = getattr(base, name)
        if value == 0.0 or name in ("max_altdepth_cryoturbation", "cn_s1", "cn_s2", "cn_s3"):
            continue
        step = 1e-4 * abs(value)
        near = pools(name, value + step) - pools(name, value - step)
        far = pools(name, value + 2 * step) - pools(name, value - 2 * step)
        direction = np.zeros(31)
        direction[i] = abs(value)
        change = steady_state_change(scheme, columns, forcing, parameters=direction)
        differences = (8.0 * near - far) / (12.0e-4)
        assert np.abs(change - differences).max() < 1e-8 * size, name


def test_gradient_with_respect_to_input_is_exact_as_the_state_is_linear_in_it() -> None:
    scheme, columns, forcing = SCHEMES[2], soil_columns(), monthly_forcing()
    weights = np.random.default_rng(5).uniform(size=(len(columns), 7, 20))
    gradient = steady_state_gradient(scheme, columns, forcing, weights).inputs
    total = (weights * mean_steady_state(scheme, columns, forcing).pools).sum(axis=(1, 2))
    assert_allclose(
        (gradient * np.swapaxes(forcing.inputs, 0, 1)).sum(axis=(1, 2, 3)), total, rtol=1e-12
    )


def test_gradient_with_respect_to_scalars_agrees_with_differences() -> None:
    scheme, columns, forcing = SCHEMES[0], soil_columns(), monthly_forcing()
    weights = np.ones((len(columns), 7, 20))

    def total(shift: float) -> np.ndarray:
        fpi = forcing.fpi.copy()
        fpi[6, :, 1] = 0.7 + shift
        moved = CtsmForcing(**{**vars(forcing), "fpi": fpi})
        return mean_steady_state(scheme, columns, moved).pools.sum(axis=(1, 2))

    fpi = forcing.fpi.copy()
    fpi[6, :, 1] = 0.7
    at = CtsmForcing(**{**vars(forcing), "fpi": fpi})
    gradient = steady_state_gradient(scheme, columns, at, weights).scalars[:, 6, 3, 1]
    difference = (8 * (total(1e-3) - total(-1e-3)) - (total(2e-3) - total(-2e-3))) / 12e-3
    assert_allclose(gradient, difference, rtol=1e-6)


@pytest.mark.parametrize(
    "bounds",
    [
        CtsmParameters(),
        CtsmParameters(som_diffus=0.0, cryoturb_diffusion_k=0.0),
        CtsmParameters(rf_l1s1=0.0, rf_s3s1=1.0, cwd_fcel=0.0, cwd_flig=1.0, mino2lim=0.0),
        CtsmParameters(max_depth_cryoturb=0.7, max_altdepth_cryoturbation=0.7),
    ],
)
def test_gradients_are_finite_on_bounds_and_kinks(bounds: CtsmParameters) -> None:
    """Layers at 273.15 K, at minpsi and at maxpsi, active layers that end at interfaces."""
    for version in ("clm5.0", "ctsm5.4"):
        scheme = CtsmScheme.of(version, bounds, SPUN_UP)
        gradient = steady_state_gradient(
            scheme, soil_columns(), monthly_forcing(), np.ones((7, 7, 20))
        )
        assert all(np.isfinite(each).all() for each in gradient)


def test_depth_of_cryoturbation_counts_only_where_bedrock_is_deeper() -> None:
    """Thaw to 0.7 m over bedrock at 8.6, 1.2 and 0.48 m; mixing ends at 3 m or at bedrock."""
    columns = soil_columns().take([2, 2, 2])
    columns = replace(columns, nbedrock=np.array([20, 8, 5], dtype=np.int32))
    climatology = monthly_forcing()
    shallow = CtsmForcing.from_arrays(
        **{name: values[:, [2, 2, 2]] for name, values in vars(climatology).items()}
    )
    jacobian = soil_carbon_jacobian(CtsmScheme.of("ctsm5.4"), columns, shallow)
    by_depth = jacobian[..., NAMES.index("max_depth_cryoturb")]
    assert by_depth[0].any()
    assert not by_depth[1:].any()


def test_clm50_does_not_depend_on_the_turnover_times_of_its_file() -> None:
    jacobian = soil_carbon_jacobian(CtsmScheme.of("clm5.0"), soil_columns(), monthly_forcing())
    ignored = [NAMES.index(name) for name in ("tau_l1", "tau_s2", "tau_s3", "som_diffus")]
    assert jacobian.shape == (7, 20, 31)
    assert not jacobian[..., ignored].any()
    assert np.all(jacobian[:, 0, NAMES.index("q10")] != 0.0)


def test_directions_must_fit() -> None:
    with pytest.raises(KernelError, match="parameters has shape"):
        steady_state_change(
            CtsmScheme.of("ctsm5.4"), soil_columns(), monthly_forcing(), parameters=np.ones(5)
        )


def test_seeds_and_directions_must_be_finite() -> None:
    case = CtsmScheme.of("ctsm5.4"), soil_columns(), monthly_forcing()
    bar = np.ones((7, 7, 20))
    bar[5, 6, 1] = np.nan
    with pytest.raises(
        KernelError, match="pools_bar is nan in column 5, layer 2; it must be finite"
    ):
        steady_state_gradient(*case, bar)
    direction = np.zeros((7, 31))
    direction[3, 30] = np.inf
    with pytest.raises(KernelError, match=r"row 3: parameters\[30\] is inf; it must be finite"):
        steady_state_change(*case, parameters=direction)


def test_derivatives_where_nothing_removes_carbon_are_an_error() -> None:
    dead = monthly_forcing(water_potential=-15.0, altmax=0.0, altmax_lastyear=0.0)
    scheme, columns = CtsmScheme.of("ctsm5.4"), soil_columns()
    with pytest.raises(KernelError, match=r"layer 1 of column 0 .* no steady state"):
        steady_state_gradient(scheme, columns, dead, np.ones((7, 7, 20)))
    with pytest.raises(KernelError, match=r"layer 1 of column 0 .* no steady state"):
        steady_state_change(scheme, columns, dead)
    empty = dead.with_inputs(0.0)
    assert not steady_state_change(scheme, columns, empty, parameters=1.0).any()
    with pytest.raises(KernelError, match=r"layer 1 of column 0 .* no steady state"):
        steady_state_change(scheme, columns, empty, inputs=1e-7)
