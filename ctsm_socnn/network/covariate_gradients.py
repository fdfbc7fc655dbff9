"""Sensitivity of soil carbon and parameters to covariates, by the adjoint of network and kernel.

Gradients are those of the ensemble's centre, per standard deviation of an input over the training
sites. Where inputs come on the model's grid and nearly all sites share them with others, only
distinct ones count (`TrainingDomain.fit`). Classes have no gradient, nor has the refinement,
because its teachers are step functions. Forcing summaries count as inputs of the network; the
direct response of the kernel to the forcing is not included.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model import SOIL_GRID, Columns
from ctsm_socnn.model.torch_op import soc as soc_op
from ctsm_socnn.network.inputs import Inputs
from ctsm_socnn.network.model import Model
from ctsm_socnn.network.stocks import STOCK_DEPTH
from ctsm_socnn.parameters import PARAMETER_NAMES, lower_bounds, upper_bounds
from ctsm_socnn.schemas import without_forcing
from ctsm_socnn.validation.scores import LOG_FLOOR

__all__ = ["GRADIENT_DEPTHS", "covariate_gradients"]

GRADIENT_DEPTHS: Final = (0.05, 0.2, 0.5, 1.0)
"""m; soil carbon is taken from the layers that contain these depths."""
_SMALLEST: Final = 1e-12


def covariate_gradients(model: Model, sites: xr.Dataset) -> xr.Dataset:
    """Differentiate soil carbon and parameters with respect to the inputs, at sites.

    Parameters
    ----------
    model : Model
    sites : xarray.Dataset
        With the model's covariates and the forcing; sites that lack either are left out.

    Returns
    -------
    xarray.Dataset
        `soc_gradient` (site, target, input): change of ln(soil carbon) in a layer, or of the
        0-1 m stock, per standard deviation of the input; `parameter_gradient` (site,
        parameter, input): change of the parameter as a share of its range. A model with class
        covariates only has no such input.

    Raises
    ------
    NetworkError
        If no site is left.
    """
    inputs = model.transform(sites)
    rows = np.flatnonzero(inputs.usable & ~without_forcing(sites))
    if rows.size == 0:
        raise NetworkError(
            f"{rows.size} of {len(inputs)} sites have covariates and forcing; gradients need both"
        )
    chosen = inputs.take(rows)
    numeric = torch.from_numpy(chosen.numeric).requires_grad_()
    unit = _centre(model, numeric, chosen)
    columns = Columns.from_sites(sites.isel(site=rows))
    low, span = (torch.from_numpy(a) for a in (lower_bounds(), upper_bounds() - lower_bounds()))
    targets, labels = _carbon_targets(soc_op(columns, low + span * unit))
    step = torch.from_numpy(model.domain.points.std(axis=0))
    of_carbon = [_gradient(target, numeric) * step for target in targets]
    of_parameters = [_gradient(unit[:, i], numeric) * step for i in range(unit.shape[1])]
    return xr.Dataset(
        {
            "soc_gradient": (("site", "target", "input"), _stacked(of_carbon)),
            "parameter_gradient": (("site", "parameter", "input"), _stacked(of_parameters)),
        },
        coords={
            "target": labels,
            "parameter": list(PARAMETER_NAMES),
            "input": [item.name for item in model.transform.numeric],
            "site": rows,
        },
    )


def _centre(model: Model, numeric: Tensor, inputs: Inputs) -> Tensor:
    """Geometric mean of the members, as `Model.centre`, with its graph; nearness is constant."""
    nearness = model.nearness(model.domain.distance(inputs))
    logs = torch.log(model.member_values(numeric, inputs, nearness).clamp_min(_SMALLEST))
    return torch.exp(logs.mean(dim=0))


def _carbon_targets(soc: Tensor) -> tuple[list[Tensor], list[str]]:
    """Logarithms of soil carbon, each of shape (site,), and their names."""
    layers = np.searchsorted(SOIL_GRID.interface_depth, GRADIENT_DEPTHS, side="left") - 1
    thickness = np.diff(np.minimum(SOIL_GRID.interface_depth, STOCK_DEPTH))
    stock = soc @ torch.from_numpy(thickness)
    values = [*(soc[:, int(layer)] for layer in layers), stock]
    labels = [*(f"soc at {depth:g} m" for depth in GRADIENT_DEPTHS), "stock 0-1 m"]
    return [torch.log(value.clamp_min(LOG_FLOOR)) for value in values], labels


def _gradient(target: Tensor, numeric: Tensor) -> Tensor:
    """Differentiate each site's target by its own inputs; sites are independent in the network."""
    (gradient,) = torch.autograd.grad(
        target.sum(), numeric, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return gradient


def _stacked(gradients: list[Tensor]) -> NDArray[np.float64]:
    return np.asarray(torch.stack(gradients, dim=1).detach().numpy())
