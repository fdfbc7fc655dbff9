"""Training through the model: covariates to parameters to soil carbon to loss.

The kernel's adjoint gives the gradient, so the network learns from what was measured and not from
another fit's parameters. Batches are of sites; each site brings as many observations as it has.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor, nn

from ctsm_socnn.model import Columns
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.model.torch_op import soc as soc_op
from ctsm_socnn.network.ensemble import Progress, TrainingSet, train_ensemble
from ctsm_socnn.network.losses import SocLoss
from ctsm_socnn.network.model import Model
from ctsm_socnn.network.settings import NetworkSettings
from ctsm_socnn.network.shared_start import fit_shared_parameters
from ctsm_socnn.network.site_selection import without_forcing, without_observations
from ctsm_socnn.network.stocks import stock_weights
from ctsm_socnn.parameters import lower_bounds, upper_bounds

__all__ = ["ProfileObjective", "train_end_to_end"]

_N_LAYERS = 20


def train_end_to_end(
    sites: xr.Dataset,
    settings: NetworkSettings,
    seed: int,
    *,
    work: Path | None = None,
    progress: Progress | None = None,
) -> Model:
    """Train an ensemble through the kernel.

    Parameters
    ----------
    sites : xarray.Dataset
        The training sites, in the sites schema.
    settings : NetworkSettings
    seed : int
    work : Path, optional
        Directory for resuming a killed training.
    progress : callable, optional

    Raises
    ------
    NetworkError
        If too few sites are left or the loss stops being a number.
    """
    reasons = {
        "forcing missing": without_forcing(sites),
        "no usable observation": without_observations(sites, settings.below_bedrock),
    }
    training = TrainingSet.prepare(sites, reasons, settings)
    columns = Columns.from_sites(training.sites)
    operator = ObservationOperator.from_sites(training.sites, settings.below_bedrock)
    start = fit_shared_parameters(
        ProfileObjective(columns, operator, settings), len(columns), settings.parameters, seed
    )
    return train_ensemble(
        "end-to-end",
        training,
        lambda: ProfileObjective(columns, operator, settings),
        settings,
        seed,
        start=start,
        work=work,
        progress=progress,
    )


class ProfileObjective:
    """Loss of the soil carbon that parameters make, plus the penalty of the prior.

    Parameters
    ----------
    columns : Columns
        Forcing of the training sites.
    operator : ObservationOperator
        Their observations.
    settings : NetworkSettings
    """

    def __init__(
        self, columns: Columns, operator: ObservationOperator, settings: NetworkSettings
    ) -> None:
        self._columns = columns
        self._site = operator.site
        self._observed = torch.from_numpy(operator.values)
        self._weights = torch.from_numpy(layer_weights(operator))
        self._low = torch.from_numpy(lower_bounds())
        self._span = torch.from_numpy(upper_bounds() - lower_bounds())
        self._loss = SocLoss(settings.loss, operator.values, operator.depth, operator.site)
        self._prior_weight = settings.parameters.prior_weight
        self._thickness = torch.from_numpy(stock_weights(operator))
        self._stock_weight = settings.stock_weight
        self._stock_variance = _stock_variance(operator)

    def parameters(self) -> list[nn.Parameter]:
        """Quantities that are learnt beside the network."""
        return self._loss.parameters()

    def loss(self, unit: Tensor, rows: NDArray[np.intp]) -> Tensor:
        """Loss of unit-cube parameters `unit` (len(rows), 21) at the sites `rows`."""
        soc = soc_op(self._columns, self._low + self._span * unit, rows)
        place = np.full(len(self._columns), -1)
        place[rows] = np.arange(len(rows))
        which = np.flatnonzero(place[self._site] >= 0)
        local = torch.from_numpy(place[self._site[which]])
        chosen = torch.from_numpy(which)
        modelled = (soc[local] * self._weights[chosen]).sum(dim=1)
        error = self._thickness[chosen] * (modelled - self._observed[chosen])
        stock_error = torch.zeros(len(rows), dtype=error.dtype).index_add(0, local, error)
        return (
            self._loss(modelled, self._observed[chosen], chosen)
            + self._stock_weight * torch.mean(stock_error**2) / self._stock_variance
            + self._prior_weight * torch.mean((unit - 0.5) ** 2)
        )


def layer_weights(operator: ObservationOperator) -> NDArray[np.float64]:
    """Weights of each observation on its own site's layers, shape (m, 20)."""
    matrix = operator.matrix.tocoo()
    weights = np.zeros((len(operator.values), _N_LAYERS))
    weights[matrix.row, matrix.col % _N_LAYERS] = matrix.data
    return weights


def _stock_variance(operator: ObservationOperator) -> float:
    stocks = np.bincount(operator.site, weights=stock_weights(operator) * operator.values)
    variance = float(np.var(stocks))
    return variance if variance > 0.0 else 1.0
