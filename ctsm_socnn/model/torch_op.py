"""Steady-state soil carbon and its observations, as differentiable torch operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from ctsm_socnn.model.columns import Columns
from ctsm_socnn.model.equilibrium import soil_carbon, steady_state_vjp
from ctsm_socnn.model.torch_steady_state import torch_soil_carbon

__all__ = ["observe", "soc", "uses_torch"]


def uses_torch(parameters: torch.Tensor) -> bool:
    """Whether the equations are computed by torch: on every device but the CPU."""
    return parameters.device.type != "cpu"


def soc(
    columns: Columns,
    parameters: torch.Tensor,
    index: torch.Tensor | NDArray[np.integer[Any]] | None = None,
    threads: int | None = None,
) -> torch.Tensor:
    """Steady-state soil carbon by layer, differentiable once with respect to the parameters.

    On the CPU, computed in double precision by the Fortran kernel; the gradient is its adjoint. On
    any other device, by `torch_soil_carbon` in the parameters' precision.

    Parameters
    ----------
    columns : Columns
    parameters : torch.Tensor, shape (row, 21)
        Physical units.
    index : tensor or ndarray of int, shape (row,), optional
        0-based column of each row, as in `steady_state`.
    threads : int, optional
        On the CPU; by default torch's number of threads.

    Returns
    -------
    torch.Tensor, shape (row, 20), gC m-3, of the parameters' type and on their device

    Raises
    ------
    KernelError
        As `steady_state`.
    """
    column = index.detach().cpu().numpy() if isinstance(index, torch.Tensor) else index
    if uses_torch(parameters):
        return torch_soil_carbon(columns, parameters, column)
    result: torch.Tensor = _SoilCarbon.apply(  # type: ignore[no-untyped-call]
        parameters, columns, column, threads or torch.get_num_threads()
    )
    return result


def observe(matrix: sparse.csr_array, soc: torch.Tensor) -> torch.Tensor:
    """Modelled values of observations, on the CPU.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array, shape (m, row * 20), 1
        As `ObservationOperator.matrix`.
    soc : torch.Tensor, shape (row, 20), gC m-3

    Returns
    -------
    torch.Tensor, shape (m,), gC m-3
    """
    values: torch.Tensor = _Observe.apply(soc, matrix)  # type: ignore[no-untyped-call]
    return values


class _Observe(torch.autograd.Function):
    """A sparse product; torch's own is slower, and its gradient slower still."""

    @staticmethod
    def forward(ctx: Any, soc: torch.Tensor, matrix: sparse.csr_array) -> torch.Tensor:
        """Multiply."""
        ctx.matrix, ctx.shape = matrix, soc.shape
        return torch.from_numpy(matrix @ _as_numpy(soc).reshape(-1)).to(soc.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, bar: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Multiply by the transpose."""
        gradient = torch.from_numpy(ctx.matrix.T @ _as_numpy(bar))
        return gradient.reshape(ctx.shape).to(bar.dtype), None


class _SoilCarbon(torch.autograd.Function):
    """The kernel forward, its adjoint backward. Both start from the parameters: nothing is kept."""

    @staticmethod
    def forward(
        ctx: Any,
        parameters: torch.Tensor,
        columns: Columns,
        index: NDArray[np.integer[Any]] | None,
        threads: int,
    ) -> torch.Tensor:
        """Run the steady state."""
        ctx.save_for_backward(parameters)
        ctx.call = (columns, index, threads)
        values = soil_carbon(columns, _as_numpy(parameters), index, threads)
        return torch.from_numpy(values).to(parameters.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, soc_bar: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """Run the adjoint."""
        (parameters,) = ctx.saved_tensors
        columns, index, threads = ctx.call
        _, gradient = steady_state_vjp(
            columns, _as_numpy(parameters), _as_numpy(soc_bar), index, threads
        )
        return torch.from_numpy(gradient).to(parameters.dtype), None, None, None


def _as_numpy(tensor: torch.Tensor) -> NDArray[np.float64]:
    values: NDArray[np.float64] = tensor.detach().to(torch.float64).contiguous().numpy()
    return values
