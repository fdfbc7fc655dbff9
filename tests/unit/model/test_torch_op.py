from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model import Columns, soil_carbon
from ctsm_socnn.model.torch_op import observe, soc

MakeForcing = Callable[..., dict[str, Any]]
MakeParameters = Callable[..., NDArray[np.float64]]


@pytest.fixture(scope="module")
def columns(make_forcing: MakeForcing) -> Columns:
    return Columns.from_arrays(**make_forcing(3, bedrock=8))


def test_values_are_the_kernels(columns: Columns, make_parameters: MakeParameters) -> None:
    parameters = make_parameters(4)
    index = np.array([2, 0, 0, 1])
    expected = soil_carbon(columns, parameters, index)
    for chosen in (index, torch.from_numpy(index)):
        result = soc(columns, torch.from_numpy(parameters), chosen)
        assert result.dtype == torch.float64
        np.testing.assert_array_equal(result.numpy(), expected)


def test_gradcheck(columns: Columns, make_parameters: MakeParameters) -> None:
    """In units of each parameter's own size, so that one step suits all."""
    parameters = torch.from_numpy(make_parameters(3))
    relative = torch.ones_like(parameters, requires_grad=True)
    scale = soc(columns, parameters).max()
    assert torch.autograd.gradcheck(
        lambda share: soc(columns, parameters * share) / scale, (relative,), eps=1e-6, atol=1e-7
    )


def test_single_precision_goes_in_and_out(
    columns: Columns, make_parameters: MakeParameters
) -> None:
    parameters = torch.from_numpy(make_parameters(3)).to(torch.float32).requires_grad_()
    result = soc(columns, parameters)
    result.sum().backward()
    assert result.dtype == torch.float32
    assert parameters.grad is not None
    assert parameters.grad.dtype == torch.float32
    assert torch.isfinite(parameters.grad).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_observations_are_the_sparse_product_and_its_transpose(dtype: torch.dtype) -> None:
    generator = np.random.default_rng(0)
    dense = generator.uniform(size=(5, 40)) * (generator.uniform(size=(5, 40)) > 0.7)
    carbon = torch.from_numpy(generator.uniform(size=(2, 20))).to(dtype).requires_grad_()
    values = observe(sparse.csr_array(dense), carbon)
    bar = torch.from_numpy(generator.uniform(size=5)).to(dtype)
    values.backward(bar)
    assert values.dtype == dtype
    tolerance = {"rtol": 1e-6, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 1e-13}
    expected = dense @ carbon.detach().double().numpy().ravel()
    np.testing.assert_allclose(values.detach().numpy(), expected, **tolerance)
    assert carbon.grad is not None
    gradient = (dense.T @ bar.double().numpy()).reshape(2, 20)
    np.testing.assert_allclose(carbon.grad.numpy(), gradient, **tolerance)


def test_an_empty_batch_has_an_empty_gradient(columns: Columns) -> None:
    parameters = torch.empty((0, 21), dtype=torch.float64, requires_grad=True)
    soc(columns, parameters, np.empty(0, dtype=np.int64)).sum().backward()
    assert parameters.grad is not None
    assert parameters.grad.shape == (0, 21)


def test_second_derivative_is_refused(columns: Columns, make_parameters: MakeParameters) -> None:
    parameters = torch.from_numpy(make_parameters(3)).requires_grad_()
    (gradient,) = torch.autograd.grad(
        soc(columns, parameters).square().sum(), parameters, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_impossible_parameters_are_named(columns: Columns, make_parameters: MakeParameters) -> None:
    parameters = torch.from_numpy(make_parameters(3))
    parameters[2, 2] = -1.0
    with pytest.raises(KernelError, match="row 2: q10"):
        soc(columns, parameters)
