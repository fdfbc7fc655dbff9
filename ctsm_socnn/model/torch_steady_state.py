"""Steady state of the published model in torch's own operations, for devices other than the CPU.

The equations and the elimination are those of `fortran/{proda_rates,proda_input,steady_state}.f90`;
`docs/kernel.md` explains them. Rows are computed side by side: only layers, from the top down and
back, are a loop. Pools and layers come before rows in the shape of every tensor, so that what is
computed together lies together in memory.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.arguments import checked_rows, column_of_row
from ctsm_socnn.model.columns import Columns
from ctsm_socnn.model.grid import SOIL_GRID
from ctsm_socnn.parameters import PARAMETER_NAMES

__all__ = ["torch_soil_carbon"]

_LEAST_SCALAR: Final = {torch.float64: 1e-90, torch.float32: 1e-14}
"""Added to each layer's scalar, as `least_scalar` in Fortran; in single precision so large that the
derivative of an absurd stock is still within the range of numbers."""
_LEAST_IN_SINGLE: Final = 1e-8
"""Rows with a slower scalar than this anywhere are beyond single precision."""
_LEAST_EFOLDING: Final = 1e-5
"""m: `least_efolding` in Fortran."""
_STEP: Final = 0.02
"""m: all interfaces are multiples of it."""

_Records = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
_Values = dict[str, torch.Tensor]

_records: WeakKeyDictionary[Columns, dict[tuple[torch.device, torch.dtype], _Records]] = (
    WeakKeyDictionary()
)


@dataclass(frozen=True, eq=False)
class _Coefficients:
    """What stands in the equations, each of shape (layer, row); see `coefficients.Coefficients`."""

    scalar: torch.Tensor
    litter_scalar: torch.Tensor
    lower: torch.Tensor
    upper: torch.Tensor
    profile: torch.Tensor


def torch_soil_carbon(
    columns: Columns,
    parameters: torch.Tensor,
    index: NDArray[np.integer[Any]] | None = None,
) -> torch.Tensor:
    """Steady-state soil carbon by layer, differentiable once with respect to the parameters.

    The columns' records are copied to the parameters' device once, and kept as long as the columns.
    Single precision cannot resolve decomposition at depth that is slower than once in 1e8 turnover
    times: rows with such a layer are computed in double precision. What of their carbon or gradient
    is beyond the range of single precision becomes its largest number.

    Parameters
    ----------
    columns : Columns
    parameters : torch.Tensor, shape (row, 21)
        Physical units, on any device. Half precision is computed in float32.
    index : ndarray of int, shape (row,), optional
        0-based column of each row, as in `steady_state`.

    Returns
    -------
    torch.Tensor, shape (row, 20), gC m-3, of the parameters' type and on their device

    Raises
    ------
    KernelError
        As `steady_state`.
    """
    rows = parameters if parameters.dtype in _LEAST_SCALAR else parameters.to(torch.float32)
    rows = rows[None] if rows.ndim == 1 else rows
    _require_possible(columns, rows.detach(), index)
    column = column_of_row(len(columns), len(rows), index) - 1
    chosen = torch.as_tensor(column, device=rows.device, dtype=torch.int64)
    soc, slowest = _soil_carbon(columns, rows, chosen)
    if rows.dtype == torch.float32:
        slow = torch.nonzero(slowest < _LEAST_IN_SINGLE).squeeze(1)
        if len(slow) > 0:
            exact, _ = _soil_carbon(columns, _cast(rows[slow], torch.float64), chosen[slow])
            soc = soc.index_copy(0, slow, _cast(exact, torch.float32))
    return soc.to(parameters.dtype)


def _soil_carbon(
    columns: Columns, rows: torch.Tensor, chosen: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Soil carbon in the precision of the rows, shape (row, 20), and each row's slowest scalar."""
    climate, exchange, annual_input = (
        record.index_select(-1, chosen) for record in _records_of(columns, rows)
    )
    value = dict(zip(PARAMETER_NAMES, rows.T.contiguous().unbind(), strict=True))
    c = _coefficients(value, climate, exchange, annual_input)
    source = _enter_soil(value, annual_input, c, _solve_litter(value, c))
    return _solve_soil(value, c, source).T, c.litter_scalar.detach().amin(0)


def _cast(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    result: torch.Tensor = _Cast.apply(values, dtype)  # type: ignore[no-untyped-call]
    return result


class _Cast(torch.autograd.Function):
    """Change of precision; what a type cannot hold becomes its largest number, both ways."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Convert the values."""
        ctx.dtype = values.dtype
        return _within_range(values, dtype)

    @staticmethod
    def backward(ctx: Any, bar: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Convert the gradient back."""
        return _within_range(bar, ctx.dtype), None


def _within_range(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    if dtype == torch.float64:
        return values.to(dtype)
    limit = torch.finfo(dtype).max
    return values.clamp(-limit, limit).to(dtype)


def _require_possible(
    columns: Columns, values: torch.Tensor, index: NDArray[np.integer[Any]] | None
) -> None:
    """Check the extremes; only if these are impossible, fetch all rows from the device to name one."""
    if len(values) > 0:
        extremes = torch.stack(torch.aminmax(values, dim=0)).cpu().double().numpy()
        with suppress(KernelError):
            checked_rows(columns, extremes, np.zeros(2, dtype=np.int64))
            return
    checked_rows(columns, values.cpu().double().numpy(), index)


def _records_of(columns: Columns, like: torch.Tensor) -> _Records:
    """Return the columns' records with the column as last axis, on the device and of the type of `like`."""
    of_columns = _records.setdefault(columns, {})
    place = (like.device, like.dtype)
    if place not in of_columns:
        climate, exchange, annual_input = (
            torch.from_numpy(np.ascontiguousarray(np.moveaxis(record, 0, -1))).to(like)
            for record in (columns.climate, columns.exchange, columns.annual_input)
        )
        of_columns[place] = (climate, exchange, annual_input)
    return of_columns[place]


def _coefficients(
    value: _Values, climate: torch.Tensor, exchange: torch.Tensor, annual_input: torch.Tensor
) -> _Coefficients:
    decades, water, oxygen, nitrogen = climate
    wetness = water * value["w_scaling"]
    wetness = torch.where(wetness < 1.0, wetness, torch.ones_like(wetness))  # slope 0 at the cap
    monthly = torch.exp(torch.log(value["q10"]) * decades) * wetness * oxygen
    node_depth = _by_layer(SOIL_GRID.node_depth, monthly)
    depth = torch.exp(-node_depth / value["efolding"].clamp(min=_LEAST_EFOLDING))
    least = _LEAST_SCALAR[monthly.dtype]
    lower_bio, lower_cryo, lower_floor, upper_bio, upper_cryo, upper_floor = exchange
    return _Coefficients(
        scalar=monthly.sum(0) * depth + least,
        litter_scalar=(monthly * nitrogen).sum(0) * depth + least,
        lower=value["diffus"] * lower_bio + value["cryo"] * lower_cryo + lower_floor,
        upper=value["diffus"] * upper_bio + value["cryo"] * upper_cryo + upper_floor,
        profile=_input_profile(value["beta"], annual_input[4] > 0.0),
    )


def _input_profile(beta: torch.Tensor, surface_only: torch.Tensor) -> torch.Tensor:
    """Share of the input per metre of each layer: `input_profiles` in Fortran."""
    steps = np.rint(SOIL_GRID.thickness / _STEP).astype(int)
    increments = np.diff(steps, append=steps[-1])
    y = beta * beta
    power, geometric = [torch.ones_like(y)], [torch.zeros_like(y)]
    for _ in range(max(increments.max(), steps[0])):
        geometric.append(geometric[-1] + power[-1])
        power.append(power[-1] * y)
    top, across, series = power[0], power[steps[0]], geometric[steps[0]]
    shares = []
    for more in increments:
        shares.append(top * series)
        top = top * across
        series = series + across * geometric[more]
        across = across * power[more]
    share = torch.stack(shares)
    at_surface = torch.zeros_like(share)
    at_surface[0] = 1.0
    thickness = _by_layer(SOIL_GRID.thickness, share)
    return torch.where(surface_only, at_surface, share / share.sum(0)) / thickness


def _by_layer(values: NDArray[np.float64], like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(values.copy()).to(like)[:, None]


def _solve_litter(value: _Values, c: _Coefficients) -> torch.Tensor:
    """Loss of L1 and of L2 or L3 per unit of annual input, shape (layer, 2, row), m-1 yr-1."""
    tau = torch.stack([value["tau_l1"], value["tau_l2"]])
    kept = carried = torch.zeros_like(tau)
    down, y = [], []
    for s, lower, upper, profile in zip(c.litter_scalar, c.lower, c.upper, c.profile, strict=True):
        remainder = s + tau * lower * kept
        pivot = remainder + tau * upper
        kept = remainder / pivot
        carried = (profile + tau * lower * carried) / pivot
        down.append(tau * upper / pivot)
        y.append(carried)
    for j in range(len(y) - 2, -1, -1):
        y[j] = y[j] + down[j] * y[j + 1]
    return torch.stack(y)


def _enter_soil(
    value: _Values, annual_input: torch.Tensor, c: _Coefficients, litter: torch.Tensor
) -> torch.Tensor:
    """Carbon that leaves litter and enters S1, S2 and S3, shape (layer, 3, row), gC m-3 yr-1."""
    debris, to_l1, to_l2, to_l3, _ = annual_input
    from_l1 = value["fl1s1"] * to_l1
    from_l2 = value["fl2s1"] * (to_l2 + value["fcwdl2"] * debris)
    from_l3 = value["fl3s2"] * (to_l3 + (1.0 - value["fcwdl2"]) * debris)
    metabolic, structural = c.litter_scalar * litter[:, 0], c.litter_scalar * litter[:, 1]
    to_s1 = from_l1 * metabolic + from_l2 * structural
    to_s2 = from_l3 * structural
    return torch.stack([to_s1, to_s2, torch.zeros_like(to_s1)], dim=1)


def _solve_soil(value: _Values, c: _Coefficients, source: torch.Tensor) -> torch.Tensor:
    """Soil carbon by layer, shape (layer, row), gC m-3.

    The elimination is not recorded: its derivatives are large and cancel where decomposition is
    slow. Autograd sees the residual of the equations instead, and the solution as linear in it.
    """
    tau = torch.stack([value["tau_s1"], value["tau_s2"], value["tau_s3"]])
    fraction = _fractions(value)
    with torch.no_grad():
        inverse = _factorise_soil(tau, fraction, c)
        down, up = c.lower[:, None] * tau, c.upper[:, None] * tau
        y = _substitute(inverse, down, up, source)
    residual = source - _loss(y, tau, fraction, c)  # zero but for rounding
    solution: torch.Tensor = _Solution.apply(  # type: ignore[no-untyped-call]
        y, residual, inverse, down, up
    )
    return (tau * solution).sum(1)


class _Solution(torch.autograd.Function):
    """Solution of the soil's equations; backward solves the transposed ones with the same pivots."""

    @staticmethod
    def forward(ctx: Any, y: torch.Tensor, *residual_and_factors: torch.Tensor) -> torch.Tensor:
        """Return the solution, which is known already."""
        ctx.save_for_backward(*residual_and_factors[1:])
        return y.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, y_bar: torch.Tensor) -> tuple[None, torch.Tensor, None, None, None]:
        """Return the derivative with respect to the residual."""
        inverse, down, up = ctx.saved_tensors
        from_above, from_below = up.roll(1, 0), down.roll(-1, 0)
        solved = _substitute(inverse.transpose(1, 2), from_above, from_below, y_bar)
        return None, solved, None, None, None


def _loss(
    y: torch.Tensor, tau: torch.Tensor, fraction: torch.Tensor, c: _Coefficients
) -> torch.Tensor:
    """Left side of the soil's equations, shape (layer, 3, row), gC m-3 yr-1."""
    decay = y - (fraction * y[:, None]).sum(2)
    step = y[1:] - y[:-1]
    none = torch.zeros_like(y[:1])
    mixing = c.lower[:, None] * torch.cat([none, step]) - c.upper[:, None] * torch.cat([step, none])
    return c.scalar[:, None] * decay + tau * mixing


def _factorise_soil(tau: torch.Tensor, fraction: torch.Tensor, c: _Coefficients) -> torch.Tensor:
    """Inverse pivots of S1-S3, shape (layer, 3, 3, row): `factorise_soil` in Fortran.

    Each column of a pivot is first divided by its diagonal entry, so that single precision can hold
    the product of three.
    """
    respired = 1.0 - fraction.sum(0)
    off_diagonal = 1.0 - torch.eye(3).to(tau)[:, :, None]
    sums, passed = torch.zeros_like(tau), torch.zeros_like(fraction)
    inverses = []
    for s, lower, upper in zip(c.scalar, c.lower, c.upper, strict=True):
        flow = s * fraction + lower * passed
        remainder = s * respired + lower * sums
        diagonal = remainder + upper * tau + flow.sum(0)
        kept, down = remainder / diagonal, upper * tau / diagonal
        inverse = _inverse(flow / diagonal, kept + down)
        sums = tau * (kept[:, None] * inverse).sum(0)
        passed = off_diagonal * down[:, None] * inverse * tau
        inverses.append(inverse / diagonal[:, None])
    return torch.stack(inverses)


def _substitute(
    inverse: torch.Tensor, from_above: torch.Tensor, from_below: torch.Tensor, source: torch.Tensor
) -> torch.Tensor:
    """Forward and back substitution, shape (layer, 3, row); the outermost couplings are not used."""
    y = [_times(inverse[0], source[0])]
    for j in range(1, len(source)):
        y.append(_times(inverse[j], source[j] + from_above[j] * y[-1]))
    for j in range(len(source) - 2, -1, -1):
        y[j] = y[j] + _times(inverse[j], from_below[j] * y[j + 1])
    return torch.stack(y)


def _fractions(value: _Values) -> torch.Tensor:
    """Fractions of the loss of pool q that enter pool p, shape (p, q, row); none on the diagonal."""
    none = torch.zeros_like(value["fs1s2"])
    return torch.stack(
        [
            torch.stack([none, value["fs2s1"], value["fs3s1"]]),
            torch.stack([value["fs1s2"], none, none]),
            torch.stack([value["fs1s3"], value["fs2s3"], none]),
        ]
    )


def _inverse(flow: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """Inverse of 3 x 3 blocks with ones on the diagonal, minus `flow` off it, and column sums `p`.

    Cofactors are sums over spanning forests (the matrix-tree theorem): nothing is subtracted.
    """
    (_, o12, o13), (o21, _, o23), (o31, o32, _) = (row.unbind() for row in flow)
    p1, p2, p3 = p
    cofactors = torch.stack(
        [
            torch.stack([p2 + o12 + o32 * (p3 + o13), o12 + o13 * o32, o13 + o12 * o23]),
            torch.stack([o21 + o23 * o31, p1 + o21 + o31 * (p3 + o23), o23 + o21 * o13]),
            torch.stack([o31 + o32 * o21, o32 + o31 * o12, p1 + o31 + o21 * (p2 + o32)]),
        ]
    )
    return cofactors / (p * cofactors[:, 0]).sum(0)


def _times(matrix: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """Return the product of (3, 3, row) and (3, row), row by row."""
    return (matrix * vector).sum(1)
