from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model import SOIL_GRID, Columns, soil_carbon, steady_state, steady_state_vjp
from ctsm_socnn.parameters import PARAMETER_NAMES, clm5_defaults, lower_bounds, upper_bounds

MakeForcing = Callable[..., dict[str, Any]]
MakeParameters = Callable[..., NDArray[np.float64]]
Q10, EFOLDING, TAU_CWD, TAU_L1, TAU_S1, W_SCALING, BETA = (
    PARAMETER_NAMES.index(name)
    for name in ("q10", "efolding", "tau_cwd", "tau_l1", "tau_s1", "w_scaling", "beta")
)


@pytest.fixture(scope="module")
def columns(make_forcing: MakeForcing) -> Columns:
    return Columns.from_arrays(**make_forcing(3))


def test_soil_carbon_is_the_sum_of_the_soil_pools(
    columns: Columns, make_parameters: MakeParameters
) -> None:
    result = steady_state(columns, make_parameters(3))
    assert result.pools.shape == (3, 7, 20)
    np.testing.assert_array_equal(result.soc, result.pools[:, 4:].sum(axis=1))
    np.testing.assert_allclose(soil_carbon(columns, make_parameters(3)), result.soc, rtol=1e-15)


def test_results_go_into_memory_that_is_given(
    columns: Columns, make_parameters: MakeParameters
) -> None:
    parameters, bar = make_parameters(3), np.ones((3, 20))
    soc, gradient = np.empty((3, 20)), np.empty((3, 21))
    assert soil_carbon(columns, parameters, out=soc) is soc
    np.testing.assert_array_equal(soc, soil_carbon(columns, parameters))
    again = np.empty((3, 20))
    given = steady_state_vjp(columns, parameters, bar, out=(again, gradient))
    assert given[0] is again
    assert given[1] is gradient
    expected = steady_state_vjp(columns, parameters, bar)
    np.testing.assert_array_equal(again, expected[0])
    np.testing.assert_array_equal(gradient, expected[1])


@pytest.mark.parametrize(
    "memory",
    [np.empty((2, 20)), np.empty((3, 20), dtype=np.float32), np.empty((20, 3)).T],
    ids=["shape", "type", "order"],
)
def test_memory_that_cannot_take_the_result_is_refused(
    columns: Columns, make_parameters: MakeParameters, memory: NDArray[Any]
) -> None:
    with pytest.raises(KernelError, match=r"out has shape .* must be a writeable, C-contiguous"):
        soil_carbon(columns, make_parameters(3), out=memory)


def test_results_do_not_depend_on_neighbours_order_or_threads(
    columns: Columns, make_parameters: MakeParameters
) -> None:
    parameters = make_parameters(37)
    index = np.arange(37) % 3
    soc = soil_carbon(columns, parameters, index, threads=1)
    np.testing.assert_array_equal(soil_carbon(columns, parameters, index, threads=2), soc)
    order = np.random.default_rng(0).permutation(37)
    np.testing.assert_array_equal(soil_carbon(columns, parameters[order], index[order]), soc[order])
    for row in (0, 11, 36):
        alone = soil_carbon(columns.take([index[row]]), parameters[row])
        np.testing.assert_array_equal(alone[0], soc[row])


def test_gradient_returns_the_same_soil_carbon(
    columns: Columns, make_parameters: MakeParameters
) -> None:
    parameters = make_parameters(3)
    soc, _ = steady_state_vjp(columns, parameters, np.ones((3, 20)))
    np.testing.assert_array_equal(soc, soil_carbon(columns, parameters))


def test_one_column_serves_all_rows(columns: Columns, make_parameters: MakeParameters) -> None:
    parameters = make_parameters(5)
    one = columns.take([1])
    np.testing.assert_array_equal(
        soil_carbon(one, parameters), soil_carbon(columns, parameters, np.ones(5, dtype=int))
    )


def test_defaults_of_clm5_work(columns: Columns) -> None:
    soc = soil_carbon(columns, np.tile(clm5_defaults(), (3, 1)))
    stock = soc @ SOIL_GRID.thickness
    assert np.all(stock > 1e2)
    assert np.all(stock < 1e6)


@pytest.mark.parametrize("bedrock", [1, 8, 20])
@pytest.mark.parametrize(
    "at_zero", [[EFOLDING], [TAU_L1], [TAU_S1], [W_SCALING], [EFOLDING, TAU_L1, TAU_S1, W_SCALING]]
)
def test_bounds_of_zero_give_finite_values_and_gradients(
    make_forcing: MakeForcing, make_parameters: MakeParameters, at_zero: list[int], bedrock: int
) -> None:
    columns = Columns.from_arrays(**make_forcing(3, bedrock=bedrock))
    parameters = make_parameters(3)
    parameters[:, at_zero] = 0.0
    soc, gradient = steady_state_vjp(columns, parameters, np.ones((3, 20)))
    assert np.isfinite(soc).all()
    assert np.isfinite(gradient).all()
    assert np.all(soc >= 0.0)


@pytest.mark.parametrize("corner", ["lower", "upper"])
def test_corners_of_the_bounds_are_finite(columns: Columns, corner: str) -> None:
    bounds = lower_bounds() if corner == "lower" else upper_bounds()
    soc, gradient = steady_state_vjp(columns, np.tile(bounds, (3, 1)), np.ones((3, 20)))
    assert np.isfinite(soc).all()
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("which", [TAU_L1, TAU_S1])
def test_zero_turnover_time_is_the_limit(
    columns: Columns, make_parameters: MakeParameters, which: int
) -> None:
    at_zero, near_zero = make_parameters(3), make_parameters(3)
    at_zero[:, which] = 0.0
    near_zero[:, which] = 1e-9
    result, near = steady_state(columns, at_zero), steady_state(columns, near_zero)
    np.testing.assert_allclose(result.soc, near.soc, rtol=1e-6)
    emptied = 1 if which == TAU_L1 else 4
    assert np.all(result.pools[:, emptied] == 0.0)


def test_even_distribution_of_input_is_the_limit_of_beta(
    columns: Columns, make_parameters: MakeParameters
) -> None:
    at_one, near_one = make_parameters(3), make_parameters(3)
    at_one[:, BETA] = 1.0
    near_one[:, BETA] = 1.0 - 1e-10
    np.testing.assert_allclose(
        soil_carbon(columns, at_one), soil_carbon(columns, near_one), rtol=1e-6
    )


def test_frozen_and_dry_all_year_is_finite(
    make_forcing: MakeForcing, make_parameters: MakeParameters
) -> None:
    forcing = make_forcing(2)
    forcing["water"][:] = 0.0
    forcing["thaw"][:] = 0.0
    forcing["thaw_last_year"][:] = 0.0
    columns = Columns.from_arrays(**forcing)
    soc, gradient = steady_state_vjp(columns, make_parameters(2), np.ones((2, 20)))
    assert np.isfinite(soc).all()
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("q10", 0.0, r"row 1: q10 .* is 0; it must be finite and positive"),
        ("q10", 200.0, r"row 1: q10 .* is 200; .* at most 100"),
        ("tau_s2", np.inf, r"row 1: tau_s2 .* is inf yr"),
        ("q10", np.nan, r"row 1: q10 .* is nan"),
        ("tau_s3", -1.0, r"row 1: tau_s3 .* is -1 yr"),
        ("fl1s1", 1.2, r"row 1: fl1s1 .* is 1\.2; .* at most 1"),
        ("beta", 1.5, r"row 1: beta"),
        ("fs1s2", 0.99, r"row 1: fs1s2 \+ fs1s3 is .*; it must be at most 1"),
    ],
)
def test_impossible_parameters_are_named(
    columns: Columns, make_parameters: MakeParameters, name: str, value: float, message: str
) -> None:
    parameters = make_parameters(3)
    parameters[:, PARAMETER_NAMES.index("fs1s3")] = 0.04
    parameters[1, PARAMETER_NAMES.index(name)] = value
    with pytest.raises(KernelError, match=message):
        soil_carbon(columns, parameters)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_first_impossible_row_is_named_whatever_the_threads(
    columns: Columns, make_parameters: MakeParameters, threads: int
) -> None:
    parameters = make_parameters(1000)
    parameters[[998, 500, 321], PARAMETER_NAMES.index("fs2s3")] = 1.0
    parameters[321, PARAMETER_NAMES.index("fs2s1")] = 0.5
    parameters[322, PARAMETER_NAMES.index("tau_l1")] = np.nan
    with pytest.raises(
        KernelError, match=r"row 321: fs2s1 \+ fs2s3 is 1\.5; it must be at most 1: more carbon"
    ):
        soil_carbon(columns, parameters, np.zeros(1000, dtype=int), threads)


def test_fractions_may_exceed_one_by_rounding(
    columns: Columns, make_parameters: MakeParameters
) -> None:
    parameters = make_parameters(3)
    parameters[:, PARAMETER_NAMES.index("fs1s3")] = 0.04
    parameters[1, PARAMETER_NAMES.index("fs1s2")] = 0.96 + 5e-13
    assert np.isfinite(soil_carbon(columns, parameters)).all()


def test_wrong_shapes_are_named(columns: Columns, make_parameters: MakeParameters) -> None:
    parameters = make_parameters(3)
    with pytest.raises(
        KernelError, match=r"parameters have shape \(3, 20\); they must be \(rows, 21\)"
    ):
        soil_carbon(columns, parameters[:, :20])
    with pytest.raises(KernelError, match="2 parameter rows and 3 columns need an index"):
        soil_carbon(columns, parameters[:2])
    with pytest.raises(KernelError, match=r"row 2: index is 3, columns are 0\.\.2"):
        soil_carbon(columns, parameters, np.array([0, 1, 3]))
    with pytest.raises(KernelError, match=r"index has shape \(2,\)"):
        soil_carbon(columns, parameters, np.array([0, 1]))
    with pytest.raises(KernelError, match=r"soc_bar has shape \(3,\); it must be \(3, 20\)"):
        steady_state_vjp(columns, parameters, np.ones(3))
    with pytest.raises(KernelError, match="threads is 0"):
        soil_carbon(columns, parameters, threads=0)


def test_threads_follow_the_environment(
    columns: Columns, make_parameters: MakeParameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctsm_socnn.model.arguments import thread_count

    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert thread_count(None) == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert thread_count(None) >= 1
    assert thread_count(5) == 5
