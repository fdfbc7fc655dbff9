"""Sensitivity of a CTSM scheme's steady state to parameters, forcing scalars and carbon input.

Derivatives are those of `mean_steady_state`, exact to rounding: `steady_state_gradient` gives the
gradient of a weighted sum of pools (adjoint), `steady_state_change` the change of the pools along one
direction (tangent), `soil_carbon_jacobian` the derivative of SOC by layer with respect to every
parameter. At a kink of the model (freezing point, minpsi, maxpsi, an interface at the depth of the
active layer) they are those of the branch that the model takes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn import _kernel
from ctsm_socnn.model.arguments import broadcast
from ctsm_socnn.model.columns import N_LAYERS
from ctsm_socnn.model.ctsm_equilibrium import require_steady, year_weights
from ctsm_socnn.model.ctsm_forcing import CtsmColumns, CtsmForcing, as_pools
from ctsm_socnn.model.ctsm_parameters import CtsmParameters
from ctsm_socnn.model.ctsm_scheme import CtsmScheme, site_arguments
from ctsm_socnn.model.equilibrium import SOIL_POOLS

__all__ = [
    "SCALARS",
    "Gradient",
    "soil_carbon_jacobian",
    "steady_state_change",
    "steady_state_gradient",
]

Array = NDArray[np.float64]

SCALARS: Final = ("temperature", "water", "oxygen", "fpi")
"""Forcing scalars with respect to which results are differentiated, in their order."""


class Gradient(NamedTuple):
    """Gradient of a weighted sum of steady pools, column by column.

    `parameters` (n, 31), in the order of `CtsmParameters.names()`; `scalars` (n, records, 4, 20), in
    the order of `SCALARS`; `inputs` (n, records, 7, 20).
    """

    parameters: Array
    scalars: Array
    inputs: Array


def steady_state_gradient(
    scheme: CtsmScheme,
    columns: CtsmColumns,
    climatology: CtsmForcing,
    pools_bar: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    threads: int | None = None,
) -> Gradient:
    """Gradient of sum(pools_bar * pools) at the steady state of the mean year (adjoint).

    Parameters
    ----------
    scheme, columns, climatology, weights
        As for `mean_steady_state`.
    pools_bar : (n, 7, 20)
        Weight of each pool and layer, per gC m-3.

    Raises
    ------
    KernelError
        If `pools_bar` does not fit, or naming the column where it is not finite or that has no
        steady state.
    """
    shares = year_weights(climatology, weights)
    site, count = site_arguments(scheme, columns, climatology, threads)
    bar = as_pools(pools_bar, len(columns), "pools_bar", "per gC m-3")
    *gradient, status = _kernel.ctsm_adjoint(*site, shares, bar.T, count)
    require_steady(status)
    return Gradient(*(each.T for each in gradient))


def steady_state_change(
    scheme: CtsmScheme,
    columns: CtsmColumns,
    climatology: CtsmForcing,
    *,
    parameters: ArrayLike = 0.0,
    scalars: ArrayLike = 0.0,
    inputs: ArrayLike = 0.0,
    weights: ArrayLike | None = None,
    threads: int | None = None,
) -> Array:
    """Change of the steady pools along one direction (tangent), shape (n, 7, 20), gC m-3.

    Parameters
    ----------
    scheme, columns, climatology, weights
        As for `mean_steady_state`.
    parameters : (n, 31)
    scalars : (n, records, 4, 20)
    inputs : (n, records, 7, 20), gC m-3 s-1
        The direction, in the layout of `Gradient`; each is broadcast.

    Raises
    ------
    KernelError
        If a direction does not fit, or naming the row (column) where it is not finite or where
        carbon arrives that nothing removes.
    """
    shares = year_weights(climatology, weights)
    site, count = site_arguments(scheme, columns, climatology, threads)
    n, records = len(columns), climatology.n_records
    directions = (
        broadcast("parameters", parameters, (n, len(CtsmParameters.names()))),
        broadcast("scalars", scalars, (n, records, len(SCALARS), N_LAYERS)),
        broadcast("inputs", inputs, (n, records, 7, N_LAYERS)),
    )
    change, status = _kernel.ctsm_tangent(*site, shares, *(each.T for each in directions), count)
    require_steady(status)
    return change.T


def soil_carbon_jacobian(
    scheme: CtsmScheme,
    columns: CtsmColumns,
    climatology: CtsmForcing,
    *,
    weights: ArrayLike | None = None,
    threads: int | None = None,
) -> Array:
    """Return the derivative of steady SOC by layer (gC m-3) with respect to each parameter.

    Returns
    -------
    (n, 20, 31)
        One adjoint a layer; parameters in the order of `CtsmParameters.names()`.
    """
    jacobian = np.empty((len(columns), N_LAYERS, len(CtsmParameters.names())))
    for layer in range(N_LAYERS):
        bar = np.zeros((len(columns), 7, N_LAYERS))
        bar[:, SOIL_POOLS, layer] = 1.0
        jacobian[:, layer] = steady_state_gradient(
            scheme, columns, climatology, bar, weights=weights, threads=threads
        ).parameters
    return jacobian
