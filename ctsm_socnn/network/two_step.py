"""The published design: a network learns the parameters estimated by assimilation at sites.

Preset `published` follows Tao et al. (2020): posterior means as targets, unbounded outputs, and a
product as loss (500 mean square error times 25 mean relative error), which vanishes as soon as
either factor does. Preset `sound` keeps the idea, with bounded outputs, targets weighted by how
well the data of the site constrain them, and a sum as loss.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor, nn

from ctsm_socnn.network.device import CPU, Device
from ctsm_socnn.network.ensemble import MemberTask, Progress, TrainingSet, train_ensemble
from ctsm_socnn.network.model import Model
from ctsm_socnn.network.settings import NetworkSettings
from ctsm_socnn.network.site_selection import require_same_sites
from ctsm_socnn.parameters import lower_bounds, to_unit, upper_bounds
from ctsm_socnn.schemas import validate_posterior

__all__ = ["train_two_step"]

_OF_POSTERIOR: Final = ("site", "parameter")
_NUGGET: Final = 0.1
"""Spread in the unit cube between sites with equal covariates; keeps weights finite where a
posterior is narrow."""
_PRODUCT_SQUARE: Final = 500.0
_PRODUCT_RELATIVE: Final = 25.0


def train_two_step(
    sites: xr.Dataset,
    posterior: xr.Dataset,
    settings: NetworkSettings,
    seed: int,
    *,
    device: Device = CPU,
    work: Path | None = None,
    progress: Progress | None = None,
) -> Model:
    """Train an ensemble on the posteriors of sites.

    Parameters
    ----------
    sites : xarray.Dataset
        The training sites, in the sites schema.
    posterior : xarray.Dataset
        Of the same sites in the same order; sites that did not converge are left out and counted.
    settings : NetworkSettings
    seed : int
    device : Device
    work : Path, optional
        Directory for resuming a killed training.
    progress : callable, optional

    Raises
    ------
    NetworkError
        If the two datasets do not match or too few sites are left.
    """
    require_same_sites(sites, validate_posterior(posterior))
    mean = posterior["mean"].values
    reasons = {
        "assimilation not converged": posterior["converged"].values != 1,
        "posterior missing": ~np.isfinite(mean).all(axis=1),
    }
    told = sites.assign(
        posterior_mean=(_OF_POSTERIOR, mean), posterior_sd=(_OF_POSTERIOR, posterior["sd"].values)
    )
    training = TrainingSet.prepare(told, reasons, settings)
    target = to_unit(training.sites["posterior_mean"].values)
    spread = training.sites["posterior_sd"].values / (upper_bounds() - lower_bounds())

    def member_task(chosen: NDArray[np.intp]) -> MemberTask:
        loss = (
            _Product(target[chosen], device)
            if settings.preset == "published"
            else _Weighted(target[chosen], spread[chosen], device)
        )
        return MemberTask(training.inputs.take(chosen), loss)

    typical = np.clip(np.median(target, axis=0), 0.0, 1.0)
    return train_ensemble(
        "two-step",
        training,
        member_task,
        settings,
        seed,
        start=typical,
        device=device,
        work=work,
        progress=progress,
    )


class _Product:
    """500 mean square error times 25 mean relative error, in the unit cube."""

    def __init__(self, target: NDArray[np.float64], device: Device) -> None:
        self.target = torch.from_numpy(target).to(device.place)

    def loss(self, unit: Tensor, rows: NDArray[np.intp]) -> Tensor:
        target = self.target[torch.from_numpy(rows).to(self.target.device)]
        error = unit - target
        square = torch.mean(error**2)
        relative = torch.mean(torch.abs(error / target))
        return _PRODUCT_SQUARE * square * _PRODUCT_RELATIVE * relative

    def parameters(self) -> list[nn.Parameter]:
        return []


class _Weighted:
    """Mean square error in the unit cube, each target weighted by 1 / (sd^2 + nugget^2)."""

    def __init__(
        self, target: NDArray[np.float64], spread: NDArray[np.float64], device: Device
    ) -> None:
        weight = 1.0 / (np.nan_to_num(spread, nan=1.0) ** 2 + _NUGGET**2)
        self.target = torch.from_numpy(target).to(device.place)
        self.weight = torch.from_numpy(weight / weight.mean()).to(device.place)

    def loss(self, unit: Tensor, rows: NDArray[np.intp]) -> Tensor:
        selected = torch.from_numpy(rows).to(self.target.device)
        return torch.mean(self.weight[selected] * (unit - self.target[selected]) ** 2)

    def parameters(self) -> list[nn.Parameter]:
        return []
