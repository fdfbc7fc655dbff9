from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model import CtsmParameters, CtsmScheme, CtsmSwitches, mean_steady_state
from ctsm_socnn.model.ctsm_sensitivity import steady_state_gradient
from ctsm_socnn.model.ctsm_torch_op import pools

from .ctsm_world import NBEDROCK, monthly_forcing, soil_columns

SCHEMES = [
    CtsmScheme.of("ctsm5.4", switches=CtsmSwitches(use_lch4=True, anoxia=True)),
    CtsmScheme.of("clm5.0", switches=CtsmSwitches(spinup=True)),
]
SETS = (CtsmParameters(), CtsmParameters(q10=2.0, tau_s2=7.0, cwd_fcel=0.6, cwd_flig=0.4))
COLUMNS = soil_columns(parameter_set=np.arange(len(NBEDROCK)) % 2)


def vectors() -> torch.Tensor:
    return torch.from_numpy(np.stack([each.vector() for each in SETS]))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_values_are_those_of_the_mean_steady_state(scheme: CtsmScheme) -> None:
    forcing = monthly_forcing()
    expected = mean_steady_state(replace(scheme, parameters=SETS), COLUMNS, forcing)
    assert_array_equal(pools(scheme, COLUMNS, forcing, vectors()).numpy(), expected.pools)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_gradcheck_by_parameters_and_input(scheme: CtsmScheme) -> None:
    """In units of each parameter's own size, so that one step suits all; layers at random weights."""
    forcing, parameters = monthly_forcing(kinks=False), vectors()
    inputs = torch.tensor(forcing.inputs)
    scale = pools(scheme, COLUMNS, forcing, parameters).amax(dim=2, keepdim=True)
    layers = torch.from_numpy(np.random.default_rng(0).uniform(size=20))
    by_parameter = torch.ones_like(parameters, requires_grad=True)
    by_month = torch.ones(12, 1, 1, 1, dtype=torch.float64, requires_grad=True)

    def relative(share: torch.Tensor, month: torch.Tensor) -> torch.Tensor:
        steady = pools(scheme, COLUMNS, forcing, parameters * share, inputs * month)
        return (steady / scale) @ layers

    assert torch.autograd.gradcheck(relative, (by_parameter, by_month), eps=1e-6, atol=1e-7)


def test_columns_that_share_parameters_and_months_that_share_input_add_up() -> None:
    scheme, forcing = SCHEMES[0], monthly_forcing()
    constant = torch.tensor(forcing.inputs[:1]).requires_grad_()
    parameters = vectors().requires_grad_()
    pools(scheme, COLUMNS, forcing, parameters, constant).sum().backward()
    gradient = steady_state_gradient(
        replace(scheme, parameters=SETS),
        COLUMNS,
        forcing.with_inputs(forcing.inputs[:1]),
        np.ones((len(COLUMNS), 7, 20)),
    )
    assert parameters.grad is not None
    assert constant.grad is not None
    assert_allclose(parameters.grad[1].numpy(), gradient.parameters[1::2].sum(axis=0), rtol=1e-14)
    assert_allclose(constant.grad[0].numpy(), gradient.inputs.sum(axis=1), rtol=1e-13)


def test_single_precision_goes_in_and_out() -> None:
    scheme = CtsmScheme.of("ctsm5.4")
    parameters = vectors().to(torch.float32).requires_grad_()
    result = pools(scheme, COLUMNS, monthly_forcing(), parameters)
    result.sum().backward()
    assert result.dtype == torch.float32
    assert parameters.grad is not None
    assert torch.isfinite(parameters.grad).all()


def test_bad_arguments_are_named() -> None:
    scheme, forcing = SCHEMES[0], monthly_forcing()
    with pytest.raises(
        KernelError, match=r"parameters have shape \(31,\); they must be \(sets, 31\)"
    ):
        pools(scheme, COLUMNS, forcing, vectors()[0])
    with pytest.raises(KernelError, match=r"parameter_set is 1 in column 1"):
        pools(scheme, COLUMNS, forcing, vectors()[:1])
    with pytest.raises(KernelError, match=r"inputs is -1\.0 in record 0, column 0, layer 1"):
        pools(scheme, COLUMNS, forcing, vectors(), -torch.ones(1, 7, 7, 20, dtype=torch.float64))
    wrong = vectors()
    wrong[0, 0] = -1.0
    with pytest.raises(KernelError, match="parameter tau_l1 is -1"):
        pools(scheme, COLUMNS, forcing, wrong)
