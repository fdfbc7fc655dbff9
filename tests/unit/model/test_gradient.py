"""The adjoint against complex-step derivatives of a dense model written from the equations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model import SOIL_GRID, Columns, coefficients, soil_carbon, steady_state_vjp
from ctsm_socnn.parameters import PARAMETER_NAMES, parameter

MakeForcing = Callable[..., dict[str, Any]]
MakeParameters = Callable[..., NDArray[np.float64]]
Complex = NDArray[np.complex128]
STEP = 1e-30
LAYERS = np.arange(20)


def dense_soil_carbon(forcing: dict[str, Any], column: int, p: Complex) -> Complex:
    """Soil carbon from one dense solve of 140 unknowns, for complex parameters."""
    value = dict(zip(PARAMETER_NAMES, p, strict=True))
    scalar, litter_scalar = dense_scalars(forcing, column, value)
    transport = dense_transport(forcing, column, value)
    turnover = [value[f"tau_{name}"] for name in ("cwd", "l1", "l2", "l2", "s1", "s2", "s3")]
    passed = {
        (2, 0): value["fcwdl2"],
        (3, 0): 1.0 - value["fcwdl2"],
        (4, 1): value["fl1s1"],
        (4, 2): value["fl2s1"],
        (5, 3): value["fl3s2"],
        (5, 4): value["fs1s2"],
        (6, 4): value["fs1s3"],
        (4, 5): value["fs2s1"],
        (6, 5): value["fs2s3"],
        (4, 6): value["fs3s1"],
    }
    matrix = np.zeros((7, 20, 7, 20), dtype=complex)
    for pool in range(7):
        rate = (litter_scalar if pool in (1, 2, 3) else scalar) / turnover[pool]
        matrix[pool, LAYERS, pool, LAYERS] += rate
        for (receiver, donor), share in passed.items():
            if donor == pool:
                matrix[receiver, LAYERS, pool, LAYERS] -= share * rate
        if pool > 0:
            matrix[pool, :, pool, :] += transport
    source = np.zeros((7, 20), dtype=complex)
    annual = [np.sum(values[column]) for values in forcing["inputs"]]
    source[:4] = np.outer(annual, dense_profile(forcing, column, value["beta"]))
    pools = np.linalg.solve(matrix.reshape(140, 140), source.ravel()).reshape(7, 20)
    soc: Complex = pools[4:].sum(axis=0)
    return soc


def dense_scalars(
    forcing: dict[str, Any], column: int, value: dict[str, complex]
) -> tuple[Complex, Complex]:
    warmth = value["q10"] ** ((forcing["temperature"][column] - 298.15) / 10.0)
    wet = forcing["water"][column] * value["w_scaling"]
    wet = np.where(wet.real < 1.0, wet, 1.0)
    depth = np.exp(-SOIL_GRID.node_depth / value["efolding"])
    monthly = warmth * wet * forcing["oxygen"][column]
    return monthly.mean(axis=0) * depth, (monthly * forcing["nitrogen"][column]).mean(0) * depth


def dense_transport(forcing: dict[str, Any], column: int, value: dict[str, complex]) -> Complex:
    """Exchange of the kernel's own records, which the golden file checks by themselves."""
    columns = Columns.from_arrays(**{name: np.real(field) for name, field in forcing.items()})
    bio_above, cryo_above, floor_above, bio_below, cryo_below, floor_below = columns.exchange[
        column
    ]
    above = value["diffus"] * bio_above + value["cryo"] * cryo_above + floor_above
    below = value["diffus"] * bio_below + value["cryo"] * cryo_below + floor_below
    matrix = np.diag(above + below)
    matrix[LAYERS[1:], LAYERS[:-1]] -= above[1:]
    matrix[LAYERS[:-1], LAYERS[1:]] -= below[:-1]
    return matrix


def dense_profile(forcing: dict[str, Any], column: int, beta: complex) -> Complex:
    if not np.all(forcing["thaw_last_year"][column] > 0.0):
        return np.where(LAYERS == 0, 1.0 / SOIL_GRID.thickness[0], 0.0).astype(complex)
    powers = beta ** (100.0 * SOIL_GRID.interface_depth)
    share = powers[:-1] - powers[1:]
    profile: Complex = share / share.sum() / SOIL_GRID.thickness
    return profile


def complex_step_gradient(
    forcing: dict[str, Any], column: int, p: NDArray[np.float64], bar: NDArray[np.float64]
) -> NDArray[np.float64]:
    gradient = np.empty(21)
    for i in range(21):
        shifted = p.astype(complex)
        shifted[i] += 1j * STEP * p[i]
        gradient[i] = (dense_soil_carbon(forcing, column, shifted) @ bar).imag / (STEP * p[i])
    return gradient


@pytest.fixture(scope="module")
def cases(make_forcing: MakeForcing) -> dict[str, Any]:
    """Columns mixed by frost, by animals, by either in turn; shallow rock; a frozen year."""
    forcing: dict[str, Any] = make_forcing(6, bedrock=20)
    forcing["bedrock"] = np.array([20, 19, 12, 4, 9, 1])
    forcing["thaw"][2, :6] = 2.5
    forcing["thaw"][4] = 0.0
    forcing["thaw_last_year"][4, :3] = 0.0
    return forcing


@pytest.fixture(scope="module")
def well_conditioned(make_parameters: MakeParameters) -> NDArray[np.float64]:
    """Decomposition at depth is fast enough for the dense solve to be accurate."""
    parameters: NDArray[np.float64] = make_parameters(6)
    parameters[:, PARAMETER_NAMES.index("efolding")] = [0.8, 1.0, 2.0, 1.5, 3.0, 10.0]
    parameters[:, PARAMETER_NAMES.index("tau_s3")] = parameter("tau_s3").lower
    return parameters


def test_dense_model_gives_the_kernels_soil_carbon(
    cases: dict[str, Any], well_conditioned: NDArray[np.float64]
) -> None:
    soc = soil_carbon(Columns.from_arrays(**cases), well_conditioned)
    for column in range(6):
        dense = dense_soil_carbon(cases, column, well_conditioned[column].astype(complex)).real
        np.testing.assert_allclose(soc[column], dense, rtol=1e-9, atol=1e-11 * dense.max())


@pytest.mark.parametrize("column", range(6))
def test_adjoint_agrees_with_the_complex_step(
    cases: dict[str, Any], well_conditioned: NDArray[np.float64], column: int
) -> None:
    columns = Columns.from_arrays(**cases)
    bar = np.random.default_rng(column).standard_normal(20)
    bars = np.zeros((6, 20))
    bars[column] = bar
    soc, gradient = steady_state_vjp(columns, well_conditioned, bars)
    expected = complex_step_gradient(cases, column, well_conditioned[column], bar)
    size = np.abs(bar) @ soc[column] / well_conditioned[column]
    np.testing.assert_allclose(gradient[column] / size, expected / size, rtol=1e-9, atol=1e-12)
    assert gradient[column, PARAMETER_NAMES.index("tau_cwd")] == 0.0


def test_every_parameter_but_one_has_an_effect_somewhere(
    cases: dict[str, Any], well_conditioned: NDArray[np.float64]
) -> None:
    columns = Columns.from_arrays(**cases)
    _, gradient = steady_state_vjp(columns, well_conditioned, np.ones((6, 20)))
    without = [name for name, g in zip(PARAMETER_NAMES, gradient.T, strict=True) if not g.any()]
    assert without == ["tau_cwd"]


def test_gradient_at_the_cap_of_the_water_scalar_is_that_from_above(
    cases: dict[str, Any], well_conditioned: NDArray[np.float64]
) -> None:
    capped = cases | {"water": np.full_like(cases["water"], 0.5)}
    columns = Columns.from_arrays(**capped)
    which = PARAMETER_NAMES.index("w_scaling")
    parameters = well_conditioned.copy()
    parameters[:, which] = 2.0
    _, at_cap = steady_state_vjp(columns, parameters, np.ones((6, 20)))
    assert np.all(at_cap[:, which] == 0.0)
    parameters[:, which] = 2.0 - 1e-9
    _, below_cap = steady_state_vjp(columns, parameters, np.ones((6, 20)))
    assert np.all(below_cap[:, which] < 0.0)


def test_tangent_and_adjoint_are_transposes(
    cases: dict[str, Any], well_conditioned: NDArray[np.float64]
) -> None:
    """<u, J v> = <J' u, v>, with J v from the complex step of the dense model."""
    generator = np.random.default_rng(5)
    columns = Columns.from_arrays(**cases)
    u = generator.standard_normal((6, 20))
    v = well_conditioned * generator.standard_normal((6, 21))
    _, gradient = steady_state_vjp(columns, well_conditioned, u)
    for column in range(6):
        shifted = well_conditioned[column] + 1j * STEP * v[column]
        tangent = dense_soil_carbon(cases, column, shifted).imag / STEP
        size = np.abs(gradient[column] * v[column]).sum()
        assert abs(u[column] @ tangent - gradient[column] @ v[column]) < 1e-10 * size


def test_coefficients_are_those_of_the_dense_model(
    cases: dict[str, Any], well_conditioned: NDArray[np.float64]
) -> None:
    ours = coefficients(Columns.from_arrays(**cases), well_conditioned)
    for column in range(6):
        value = dict(zip(PARAMETER_NAMES, well_conditioned[column], strict=True))
        scalar, litter_scalar = dense_scalars(cases, column, value)
        profile = dense_profile(cases, column, value["beta"])
        np.testing.assert_allclose(ours.scalar[column], scalar.real, rtol=1e-13)
        np.testing.assert_allclose(ours.litter_scalar[column], litter_scalar.real, rtol=1e-13)
        np.testing.assert_allclose(
            ours.profile[column], profile.real, rtol=1e-9, atol=1e-13 * profile.real.max()
        )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_seed_that_is_not_finite_is_refused_with_its_row(
    cases: dict[str, Any], well_conditioned: NDArray[np.float64], value: float
) -> None:
    bar = np.ones((6, 20))
    bar[4, 7] = value
    with pytest.raises(KernelError, match=rf"row 4: soc_bar\[7\] is {value}; it must be finite"):
        steady_state_vjp(Columns.from_arrays(**cases), well_conditioned, bar)
