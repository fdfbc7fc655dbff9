"""Steady state of a CTSM scheme as a differentiable torch operation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.ctsm_equilibrium import mean_steady_state
from ctsm_socnn.model.ctsm_forcing import CtsmColumns, CtsmForcing
from ctsm_socnn.model.ctsm_parameters import CtsmParameters
from ctsm_socnn.model.ctsm_scheme import CtsmScheme
from ctsm_socnn.model.ctsm_sensitivity import steady_state_gradient

__all__ = ["pools"]


def pools(
    scheme: CtsmScheme,
    columns: CtsmColumns,
    climatology: CtsmForcing,
    parameters: torch.Tensor,
    inputs: torch.Tensor | None = None,
    *,
    weights: ArrayLike | None = None,
    threads: int | None = None,
) -> torch.Tensor:
    """Pools at the steady state of the mean year, differentiable once by parameters and input.

    Computed in double precision by the Fortran kernel; the gradient is its adjoint.

    Parameters
    ----------
    scheme : CtsmScheme
        Its version and switches count; its parameters are replaced.
    columns, climatology, weights
        As for `mean_steady_state`.
    parameters : torch.Tensor, shape (sets, 31), on the CPU
        In the order of `CtsmParameters.names()`; `columns.parameter_set` says which row each column
        uses.
    inputs : torch.Tensor, shape (1 or records, n, 7, 20), gC m-3 s-1, optional
        By default those of the climatology.
    threads : int, optional
        By default torch's number of threads.

    Returns
    -------
    torch.Tensor, shape (n, 7, 20), gC m-3, of the parameters' type
        In the order of `CTSM_POOLS`; soil carbon is the sum of the last three.

    Raises
    ------
    KernelError
        As `mean_steady_state`; also for shapes that do not fit and negative input.
    """
    names = CtsmParameters.names()
    if parameters.ndim != 2 or parameters.shape[1] != len(names):
        raise KernelError(
            f"parameters have shape {tuple(parameters.shape)}; they must be (sets, {len(names)})"
        )
    carbon = torch.tensor(climatology.inputs) if inputs is None else inputs
    result: torch.Tensor = _SteadyPools.apply(  # type: ignore[no-untyped-call]
        parameters,
        carbon,
        scheme,
        columns,
        climatology,
        weights,
        threads or torch.get_num_threads(),
    )
    return result


class _SteadyPools(torch.autograd.Function):
    """The kernel forward, its adjoint backward."""

    @staticmethod
    def forward(
        ctx: Any,
        parameters: torch.Tensor,
        inputs: torch.Tensor,
        scheme: CtsmScheme,
        columns: CtsmColumns,
        climatology: CtsmForcing,
        weights: ArrayLike | None,
        threads: int,
    ) -> torch.Tensor:
        """Run the steady state."""
        sets = tuple(CtsmParameters(*row) for row in _as_numpy(parameters).tolist())
        forcing = climatology.with_inputs(_as_numpy(inputs))
        ctx.case = replace(scheme, parameters=sets), columns, forcing
        ctx.options = {"weights": weights, "threads": threads}
        ctx.types = parameters.dtype, inputs.dtype
        steady = mean_steady_state(*ctx.case, **ctx.options)
        return torch.from_numpy(np.ascontiguousarray(steady.pools)).to(parameters.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, pools_bar: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Run the adjoint; gradients of columns that share parameters or input add up."""
        scheme, columns, forcing = ctx.case
        bar = _as_numpy(pools_bar)
        gradient = steady_state_gradient(scheme, columns, forcing, bar, **ctx.options)
        of_sets = np.zeros((len(scheme.parameters), gradient.parameters.shape[1]))
        np.add.at(of_sets, columns.parameter_set, gradient.parameters)
        of_inputs = np.swapaxes(gradient.inputs, 0, 1)
        if len(forcing.inputs) == 1:
            of_inputs = of_inputs.sum(axis=0, keepdims=True)
        by_sets, by_inputs = (
            torch.from_numpy(np.ascontiguousarray(values)).to(dtype)
            for values, dtype in zip((of_sets, of_inputs), ctx.types, strict=True)
        )
        return by_sets, by_inputs, *(None,) * 5


def _as_numpy(tensor: torch.Tensor) -> NDArray[np.float64]:
    values: NDArray[np.float64] = tensor.detach().to(torch.float64).contiguous().numpy()
    return values
