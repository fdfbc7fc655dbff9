"""The steady state in torch's own operations against the Fortran kernel and its adjoint."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model import (
    Columns,
    coefficients,
    soil_carbon,
    steady_state_vjp,
    torch_op,
    torch_steady_state,
)
from ctsm_socnn.model.torch_steady_state import torch_soil_carbon
from ctsm_socnn.model.verification.block import profile_error
from ctsm_socnn.model.verification.proda import columns_of, parameters_of
from ctsm_socnn.parameters import PARAMETER_NAMES, lower_bounds, upper_bounds

MakeForcing = Callable[..., dict[str, Any]]
MakeParameters = Callable[..., NDArray[np.float64]]
ROWS = 300
SINGLE_LIMIT = 5e-5
"""Error of float32 that docs/benchmarks.md states, as a share of the profile's maximum."""
RESOLVED = 1e-8
"""Least litter scalar for which float32 is accurate: decomposition once in 1e8 turnover times."""


@dataclass(frozen=True)
class Batch:
    """Rows of parameters at columns, with a derivative of a loss by the soil carbon of each."""

    columns: Columns
    parameters: NDArray[np.float64]
    index: NDArray[np.int64]

    @property
    def soc_bar(self) -> NDArray[np.float64]:
        normal = np.random.default_rng(0).standard_normal((len(self.parameters), 20))
        return normal.astype(np.float32).astype(np.float64)  # exact in either precision

    def fortran(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return steady_state_vjp(self.columns, self.parameters, self.soc_bar, self.index)

    def torch(
        self, dtype: torch.dtype = torch.float64
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        parameters = torch.from_numpy(self.parameters).to(dtype).requires_grad_()
        soc = torch_soil_carbon(self.columns, parameters, self.index)
        soc_bar = torch.from_numpy(self.soc_bar).to(dtype)
        (gradient,) = torch.autograd.grad(soc, parameters, soc_bar)
        assert soc.dtype == gradient.dtype == dtype
        return soc.detach().double().numpy(), gradient.double().numpy()


@pytest.fixture(scope="module")
def made_up(make_forcing: MakeForcing, make_parameters: MakeParameters) -> Batch:
    """Columns mixed by frost or animals, shallow rock, and one frozen, with input at the surface."""
    forcing = make_forcing(5)
    forcing["bedrock"] = np.array([20, 19, 8, 3, 1])
    forcing["thaw"][4] = 0.0
    forcing["thaw_last_year"][4, :3] = 0.0
    return Batch(Columns.from_arrays(**forcing), make_parameters(ROWS), np.arange(ROWS) % 5)


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> Batch:
    path = shared_data / "golden" / "golden_proda_public.nc"
    if not path.is_file():
        pytest.skip("needs the reference steady states, which are absent")
    dataset = xr.load_dataset(path)
    index = dataset["forcing_index"].values.astype(np.int64)
    return Batch(columns_of(dataset), parameters_of(dataset), index)


@pytest.fixture(scope="module", params=["made_up", "golden"])
def batch(request: pytest.FixtureRequest) -> Batch:
    chosen: Batch = request.getfixturevalue(request.param)
    return chosen


def at_zero(batch: Batch, names: list[str]) -> Batch:
    parameters = batch.parameters.copy()
    parameters[:, [PARAMETER_NAMES.index(name) for name in names]] = 0.0
    return Batch(batch.columns, parameters, batch.index)


def test_soil_carbon_and_gradient_are_the_kernels(batch: Batch) -> None:
    expected, expected_gradient = batch.fortran()
    soc, gradient = batch.torch()
    assert profile_error(soc, expected) < 1e-10
    size = np.sum(np.abs(batch.soc_bar) * expected, axis=1, keepdims=True)
    scale = np.maximum(batch.parameters, 1e-3 * upper_bounds()) / size
    np.testing.assert_allclose(gradient * scale, expected_gradient * scale, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    "names",
    [
        ["efolding"],
        ["tau_l1"],
        ["tau_s1"],
        ["w_scaling"],
        ["efolding", "tau_l1", "tau_s1", "w_scaling"],
    ],
)
def test_bounds_of_zero_are_finite(made_up: Batch, names: list[str], dtype: torch.dtype) -> None:
    soc, gradient = at_zero(made_up, names).torch(dtype)
    assert np.isfinite(soc).all()
    assert np.isfinite(gradient).all()
    assert np.all(soc >= 0.0)


@pytest.mark.parametrize("name", ["efolding", "tau_l1", "tau_s1", "w_scaling"])
def test_bounds_of_zero_have_the_kernels_value(made_up: Batch, name: str) -> None:
    batch = at_zero(made_up, [name])
    assert profile_error(batch.torch()[0], batch.fortran()[0]) < 1e-10


@pytest.mark.parametrize("name", ["tau_l1", "tau_s1"])
def test_empty_pools_have_the_kernels_gradient(made_up: Batch, name: str) -> None:
    """Decomposition at depth is so slow that the elimination's own derivatives cancel."""
    batch = at_zero(made_up, [name])
    expected = batch.fortran()[1]
    floor = 1e-12 * np.abs(expected).max()
    np.testing.assert_allclose(batch.torch()[1], expected, rtol=1e-9, atol=floor)


@pytest.mark.parametrize("corner", ["lower", "upper"])
def test_corners_of_the_bounds_are_finite(made_up: Batch, corner: str) -> None:
    bounds = lower_bounds() if corner == "lower" else upper_bounds()
    soc, gradient = Batch(made_up.columns, np.tile(bounds, (5, 1)), np.arange(5)).torch()
    assert np.isfinite(soc).all()
    assert np.isfinite(gradient).all()


def test_single_precision_where_it_resolves_the_slowest_decomposition(batch: Batch) -> None:
    ours = coefficients(batch.columns, batch.parameters, batch.index)
    resolved = ours.litter_scalar.min(axis=1) > RESOLVED
    assert resolved.sum() > 50
    expected, _ = batch.fortran()
    soc, gradient = batch.torch(torch.float32)
    assert np.isfinite(gradient).all()
    assert 0.0 < profile_error(soc[resolved], expected[resolved]) < SINGLE_LIMIT


def test_rows_beyond_single_precision_are_computed_in_double(batch: Batch) -> None:
    rounded = batch.parameters.astype(np.float32).astype(np.float64)
    exact = Batch(batch.columns, rounded, batch.index)
    ours = coefficients(batch.columns, rounded, batch.index)
    slow = ours.litter_scalar.min(axis=1) < 0.5 * RESOLVED
    assert slow.sum() > 50
    expected, expected_gradient = exact.fortran()
    soc, gradient = exact.torch(torch.float32)
    largest = float(np.finfo(np.float32).max)
    expected = np.clip(expected, 0.0, largest)
    assert profile_error(soc[slow], expected[slow]) < 1e-6
    assert profile_error(soc, expected) < SINGLE_LIMIT
    within = slow & (expected.max(axis=1) < 1e30) & (np.abs(expected_gradient).max(axis=1) < 1e37)
    assert within.sum() > 20
    scale = np.abs(expected_gradient[within]).max(axis=1, keepdims=True)
    assert np.abs((gradient[within] - expected_gradient[within]) / scale).max() < 1e-6


def test_half_precision_is_computed_in_single(made_up: Batch) -> None:
    parameters = torch.from_numpy(made_up.parameters).to(torch.bfloat16)
    single = torch_soil_carbon(made_up.columns, parameters.float(), made_up.index)
    soc = torch_soil_carbon(made_up.columns, parameters, made_up.index)
    assert torch.equal(soc, single.to(torch.bfloat16))


def test_gradient_at_the_cap_of_the_water_scalar_is_that_from_above(
    make_forcing: MakeForcing, make_parameters: MakeParameters
) -> None:
    forcing = make_forcing(3)
    forcing["water"] = np.full_like(forcing["water"], 0.5)
    parameters = make_parameters(3)
    which = PARAMETER_NAMES.index("w_scaling")
    parameters[:, which] = 2.0
    batch = Batch(Columns.from_arrays(**forcing), parameters, np.arange(3))
    assert np.all(batch.torch()[1][:, which] == 0.0)


def test_rows_find_their_columns_as_in_the_kernel(
    made_up: Batch, make_parameters: MakeParameters
) -> None:
    for columns, rows in ((made_up.columns, 5), (made_up.columns.take([1]), 4)):
        parameters = make_parameters(rows)
        soc = torch_soil_carbon(columns, torch.from_numpy(parameters)).numpy()
        assert profile_error(soc, soil_carbon(columns, parameters)) < 1e-10
    none = torch_soil_carbon(made_up.columns, torch.empty(0, 21), np.empty(0, dtype=np.int64))
    assert none.shape == (0, 20)


def test_impossible_arguments_are_named(made_up: Batch) -> None:
    parameters = torch.from_numpy(made_up.parameters.copy())
    with pytest.raises(KernelError, match="need an index"):
        torch_soil_carbon(made_up.columns, parameters)
    with pytest.raises(KernelError, match=r"must be \(rows, 21\)"):
        torch_soil_carbon(made_up.columns, parameters[:, :20], made_up.index)
    parameters[2, PARAMETER_NAMES.index("q10")] = torch.nan
    with pytest.raises(KernelError, match="row 2: q10"):
        torch_soil_carbon(made_up.columns, parameters, made_up.index)


def test_records_are_copied_once_and_go_with_their_columns(made_up: Batch) -> None:
    columns = made_up.columns.take([0])
    like = torch.empty(1, dtype=torch.float32)
    first = torch_steady_state._records_of(columns, like)
    assert torch_steady_state._records_of(columns, like) is first
    assert torch_steady_state._records_of(columns, like.double())[0].dtype == torch.float64
    held = len(torch_steady_state._records)
    del columns
    gc.collect()
    assert len(torch_steady_state._records) == held - 1


def test_every_device_but_the_cpu_uses_torch() -> None:
    assert not torch_op.uses_torch(torch.empty(1, 21))
    assert torch_op.uses_torch(torch.empty(1, 21, device="meta"))


def test_operation_dispatches_by_device(made_up: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = torch.from_numpy(made_up.parameters)
    index = torch.from_numpy(made_up.index)
    expected = soil_carbon(made_up.columns, made_up.parameters, made_up.index)
    on_cpu = torch_op.soc(made_up.columns, parameters, index)
    np.testing.assert_array_equal(on_cpu.numpy(), expected)
    monkeypatch.setattr(torch_op, "uses_torch", lambda _: True)
    elsewhere = torch_op.soc(made_up.columns, parameters, index)
    assert torch.equal(elsewhere, torch_soil_carbon(made_up.columns, parameters, made_up.index))
    assert not torch.equal(elsewhere, on_cpu)
