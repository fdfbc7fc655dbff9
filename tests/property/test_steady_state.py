"""What must hold of the published model's steady state for any forcing and any parameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ctsm_socnn.model import (
    SOIL_GRID,
    Columns,
    coefficients,
    input_jacobian,
    jacobian,
    soil_carbon,
    steady_state,
    steady_state_vjp,
)
from ctsm_socnn.parameters import PARAMETER_NAMES, lower_bounds, upper_bounds

Doubles = NDArray[np.float64]
COUNT = 8
SMALLEST = 1e-290  # gC m-3: below it, doubles hold fewer digits
PASSED_ON = {
    0: ("fcwdl2",),
    1: ("fl1s1",),
    2: ("fl2s1",),
    3: ("fl3s2",),
    4: ("fs1s2", "fs1s3"),
    5: ("fs2s1", "fs2s3"),
    6: ("fs3s1",),
}

seeds = st.integers(0, 2**32 - 1)
bedrocks = st.integers(1, 20)
cases = settings(max_examples=40, deadline=None, derandomize=True)


def world(seed: int, bedrock: int) -> tuple[Columns, Doubles]:
    """Columns of every mixing branch, frozen or not, and parameters from the whole prior."""
    generator = np.random.default_rng(seed)
    shape = (COUNT, 12, 20)
    columns = Columns.from_arrays(
        temperature=generator.uniform(240.0, 310.0, shape),
        water=generator.uniform(0.0, 1.0, shape),
        oxygen=generator.uniform(0.0, 1.0, shape),
        nitrogen=generator.uniform(0.0, 1.0, shape),
        thaw=generator.uniform(-1.0, 4.0, (COUNT, 12)).clip(0.0),
        thaw_last_year=generator.uniform(-0.1, 4.0, (COUNT, 12)).clip(0.0),
        bedrock=np.full(COUNT, bedrock),
        inputs=[generator.uniform(0.0, 50.0, (COUNT, 12)) for _ in range(4)],
    )
    unit = generator.uniform(0.0, 1.0, (COUNT, 21))
    return columns, lower_bounds() + unit * (upper_bounds() - lower_bounds())


def deep_rates(parameters: Doubles) -> Doubles:
    """The same parameters with decomposition that does not vanish at depth."""
    parameters = parameters.copy()
    parameters[:, PARAMETER_NAMES.index("efolding")] += 0.4
    return parameters


def respiration(columns: Columns, parameters: Doubles) -> Doubles:
    """Column total of what decomposition gives off, gC m-2 yr-1."""
    value = dict(zip(PARAMETER_NAMES, parameters.T, strict=True))
    pools, found = steady_state(columns, parameters).pools, coefficients(columns, parameters)
    total = np.zeros(len(parameters))
    for pool, name in enumerate(("cwd", "l1", "l2", "l2", "s1", "s2", "s3")):
        scalar = found.litter_scalar if pool in (1, 2, 3) else found.scalar
        kept = 1.0 if pool == 0 else sum(value[share] for share in PASSED_ON[pool])
        loss = (scalar * pools[:, pool] * SOIL_GRID.thickness).sum(axis=1) / value[f"tau_{name}"]
        total += (1.0 - kept) * loss
    return total


@cases
@given(seeds, bedrocks)
def test_carbon_is_finite_and_never_negative(seed: int, bedrock: int) -> None:
    pools = steady_state(*world(seed, bedrock)).pools
    assert np.isfinite(pools).all()
    assert (pools >= 0.0).all()


@cases
@given(seeds, bedrocks)
def test_gradient_is_finite(seed: int, bedrock: int) -> None:
    _, gradient = steady_state_vjp(*world(seed, bedrock), np.ones((COUNT, 20)))
    assert np.isfinite(gradient).all()


@cases
@given(seeds, bedrocks, st.floats(1e-6, 1e3))
def test_carbon_is_linear_in_the_input(seed: int, bedrock: int, factor: float) -> None:
    columns, parameters = world(seed, bedrock)
    scale = np.array([factor, factor, factor, factor, 1.0])
    scaled = replace(columns, annual_input=columns.annual_input * scale)
    soc = soil_carbon(columns, parameters)
    np.testing.assert_allclose(
        soil_carbon(scaled, parameters), factor * soc, rtol=1e-12, atol=SMALLEST
    )


@cases
@given(seeds, st.sampled_from([19, 20]))
def test_respiration_equals_input_where_bedrock_lies_below_the_soil(
    seed: int, bedrock: int
) -> None:
    columns, parameters = world(seed, bedrock)
    parameters = deep_rates(parameters)
    given_off = respiration(columns, parameters)
    np.testing.assert_allclose(given_off, columns.annual_input[:, :4].sum(axis=1), rtol=1e-9)


@cases
@given(seeds, st.integers(2, 16))
def test_carbon_is_lost_or_made_at_bedrock_as_published(seed: int, bedrock: int) -> None:
    columns, parameters = world(seed, bedrock)
    ratio = respiration(columns, deep_rates(parameters)) / columns.annual_input[:, :4].sum(axis=1)
    assert np.abs(ratio - 1.0).max() > 1e-9


@cases
@given(seeds, bedrocks)
def test_carbon_is_the_sum_of_what_each_input_gives(seed: int, bedrock: int) -> None:
    columns, parameters = world(seed, bedrock)
    by_input = input_jacobian(columns, parameters)
    rebuilt = np.einsum("rlp,rp->rl", by_input, columns.annual_input[:, :4])
    np.testing.assert_allclose(rebuilt, soil_carbon(columns, parameters), rtol=1e-11, atol=SMALLEST)


@cases
@given(seeds, bedrocks)
def test_adjoint_is_the_transpose_of_the_jacobian(seed: int, bedrock: int) -> None:
    """<u, J v> = <J' u, v> to 1e-12 of the terms' size."""
    columns, parameters = world(seed, bedrock)
    generator = np.random.default_rng(seed + 1)
    u = generator.standard_normal((COUNT, 20))
    v = parameters * generator.standard_normal((COUNT, 21))
    matrix = jacobian(columns, deep_rates(parameters))
    _, gradient = steady_state_vjp(columns, deep_rates(parameters), u)
    terms = u[:, :, np.newaxis] * matrix * v[:, np.newaxis, :]
    difference = terms.sum(axis=(1, 2)) - (gradient * v).sum(axis=1)
    assert (np.abs(difference) <= 1e-12 * np.abs(terms).sum(axis=(1, 2))).all()
