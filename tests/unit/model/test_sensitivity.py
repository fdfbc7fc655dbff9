"""Adjoint and tangent by parameters, monthly climate and input, against each other and a dense model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model import (
    CLIMATE_FIELDS,
    Columns,
    full_gradient,
    input_jacobian,
    jacobian,
    soil_carbon,
    soil_carbon_change,
    steady_state_vjp,
)
from ctsm_socnn.parameters import PARAMETER_NAMES, lower_bounds, upper_bounds

from .test_gradient import STEP, dense_soil_carbon

MakeForcing = Callable[..., dict[str, Any]]
MakeParameters = Callable[..., NDArray[np.float64]]
Array = NDArray[np.float64]
ROWS = 40
"""Five full blocks."""


@pytest.fixture(scope="module")
def forcing(make_forcing: MakeForcing) -> dict[str, Any]:
    """Columns mixed by frost and by animals, over rock of every depth; one frozen for a month."""
    made = make_forcing(ROWS, seed=8)
    made["bedrock"] = np.arange(ROWS) % 20 + 1
    made["thaw"] = np.linspace(0.0, 4.0, ROWS)[:, np.newaxis] + np.zeros(12)
    made["thaw_last_year"][3, 0] = 0.0
    return made


def uniform_parameters(seed: int) -> Array:
    unit = np.random.default_rng(seed).uniform(0.0, 1.0, (ROWS, 21))
    return lower_bounds() + unit * (upper_bounds() - lower_bounds())


@pytest.mark.parametrize("seed", range(5))
def test_adjoint_is_the_transpose_of_the_tangent(forcing: dict[str, Any], seed: int) -> None:
    """<u, J v> = <J' u, v> to 1e-12, with v in parameters, climate and inputs at once.

    Parameters are drawn from their whole range, so that stocks span many orders of magnitude.
    """
    generator = np.random.default_rng(seed)
    columns, parameters = Columns.from_arrays(**forcing), uniform_parameters(seed)
    index = generator.permutation(ROWS)
    u = generator.uniform(0.5, 1.5, (ROWS, 20))
    v = {
        "parameters_change": parameters * generator.standard_normal((ROWS, 21)),
        "climate_change": generator.standard_normal((ROWS, 4, 12, 20)),
        "inputs_change": generator.standard_normal((ROWS, 4)) * 100.0,
    }
    forward = u * soil_carbon_change(columns, parameters, index=index, **v)
    backward = full_gradient(columns, parameters, u, index=index)
    products = [
        (gradient * change).reshape(ROWS, -1)
        for gradient, change in zip(backward, v.values(), strict=True)
    ]
    both = np.concatenate(products, axis=1)
    size = np.maximum(np.abs(both).sum(axis=1), np.abs(forward).sum(axis=1))
    assert np.all(size > 0.0)
    assert np.all(np.abs(forward.sum(axis=1) - both.sum(axis=1)) < 1e-12 * size)


@pytest.mark.parametrize("field", CLIMATE_FIELDS)
def test_gradient_by_climate_agrees_with_the_complex_step(
    forcing: dict[str, Any], make_parameters: MakeParameters, field: str
) -> None:
    columns, parameters = Columns.from_arrays(**forcing), make_parameters(ROWS)
    parameters[:, PARAMETER_NAMES.index("efolding")] = 3.0
    bar = np.random.default_rng(1).standard_normal((ROWS, 20))
    gradient = full_gradient(columns, parameters, bar).climate[:, CLIMATE_FIELDS.index(field)]
    direction = np.random.default_rng(2).standard_normal((ROWS, 12, 20))
    for column in (0, 3, 9, 18):
        shifted = forcing | {field: forcing[field] + 1j * STEP * direction}
        dense = dense_soil_carbon(shifted, column, parameters[column].astype(complex))
        expected = (bar[column] @ dense).imag / STEP
        ours = gradient[column] * direction[column]
        assert abs(ours.sum() - expected) < 1e-9 * np.abs(ours).sum()
        assert np.abs(ours).sum() > 0.0


def test_parts_agree_with_the_functions_for_one_thing(
    forcing: dict[str, Any], make_parameters: MakeParameters
) -> None:
    columns, parameters = Columns.from_arrays(**forcing), make_parameters(ROWS)
    bar = np.random.default_rng(3).standard_normal((ROWS, 20))
    gradient = full_gradient(columns, parameters, bar)
    _, by_parameters = steady_state_vjp(columns, parameters, bar)
    np.testing.assert_array_equal(gradient.parameters, by_parameters)
    by_layer = np.einsum("rl,rli->ri", bar, input_jacobian(columns, parameters))
    np.testing.assert_allclose(gradient.inputs, by_layer, rtol=1e-11)
    which = PARAMETER_NAMES.index("tau_s3")
    change = soil_carbon_change(columns, parameters, parameters_change=np.eye(21)[which])
    expected = jacobian(columns, parameters)[:, :, which]
    np.testing.assert_allclose(change, expected, rtol=1e-10, atol=1e-10 * np.abs(change).max())


def test_soil_carbon_is_linear_in_the_input(
    forcing: dict[str, Any], make_parameters: MakeParameters
) -> None:
    columns, parameters = Columns.from_arrays(**forcing), make_parameters(ROWS)
    along = soil_carbon_change(
        columns, parameters, inputs_change=columns.annual_input[:, :4], threads=2
    )
    np.testing.assert_allclose(along, soil_carbon(columns, parameters), rtol=1e-12)


def test_derivatives_are_finite_and_one_sided_at_the_kinks(
    forcing: dict[str, Any], make_parameters: MakeParameters
) -> None:
    """Water at its cap, 273.15 K, thaw at an interface, scalars of zero, parameters on bounds."""
    kinks = forcing | {
        "water": np.full((ROWS, 12, 20), 0.5),
        "temperature": np.full((ROWS, 12, 20), 273.15),
        "thaw": np.full((ROWS, 12), 0.92),
        "thaw_last_year": np.full((ROWS, 12), 0.92),
        "oxygen": np.where(np.arange(20) > 12, 0.0, forcing["oxygen"]),
        "nitrogen": np.where(np.arange(20) > 12, 0.0, forcing["nitrogen"]),
    }
    columns = Columns.from_arrays(**kinks)
    parameters = make_parameters(ROWS)
    parameters[:, PARAMETER_NAMES.index("w_scaling")] = 2.0
    parameters[20:24, :] = np.stack([lower_bounds(), upper_bounds()] * 2)
    parameters[20:24, PARAMETER_NAMES.index("fs1s3")] = 0.0
    gradient = full_gradient(columns, parameters, 1.0)
    assert all(np.isfinite(each).all() for each in gradient)
    assert not gradient.climate[:20, CLIMATE_FIELDS.index("water")].any()
    parameters[:, PARAMETER_NAMES.index("w_scaling")] = 1.9
    below = full_gradient(columns, parameters, 1.0).climate[:20, CLIMATE_FIELDS.index("water")]
    assert below.any()


def test_directions_must_fit(forcing: dict[str, Any], make_parameters: MakeParameters) -> None:
    columns, parameters = Columns.from_arrays(**forcing), make_parameters(ROWS)
    with pytest.raises(KernelError, match=r"climate_change has shape \(3,\); it must fit \(40, 4,"):
        soil_carbon_change(columns, parameters, climate_change=np.ones(3))
    with pytest.raises(KernelError, match=r"soc_bar has shape \(7,\); it must fit \(40, 20\)"):
        full_gradient(columns, parameters, np.ones(7))


def test_seeds_and_directions_must_be_finite(
    forcing: dict[str, Any], make_parameters: MakeParameters
) -> None:
    columns, parameters = Columns.from_arrays(**forcing), make_parameters(ROWS)
    bar = np.ones((ROWS, 20))
    bar[11, 3] = np.nan
    with pytest.raises(KernelError, match=r"row 11: soc_bar\[3\] is nan; it must be finite"):
        full_gradient(columns, parameters, bar)
    climate = np.zeros((ROWS, 4, 12, 20))
    climate[2, 1, 11, 19] = np.inf
    with pytest.raises(KernelError, match=r"row 2: climate_change\[1, 11, 19\] is inf; it must be"):
        soil_carbon_change(columns, parameters, climate_change=climate)
