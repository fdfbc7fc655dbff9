"""Losses for end-to-end training, by name.

All return a mean over the observations of a batch, so that their size does not depend on the
number of layers:

log
    Square difference of logarithms, divided by their variance in training. Deep layers, poor in
    carbon, count as much as the surface.
sqrt
    The same for square roots.
mixed
    Square difference of values plus that of logarithms, each divided by its variance: with equal
    weights 2 - NSE - NSE of the logarithm.
student
    Negative log likelihood of Student's t (4 degrees of freedom) for logarithms, with a learnt
    scale; outlying layers lose their influence.
published
    Tao et al.'s cost: weighted square difference over (0.6 observed)^2, weights high for
    observations far from the profile's mean in value and depth. It favours low values: being too
    high by some factor costs more than being too low by the same.
"""

from __future__ import annotations

import math
from typing import Final, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ctsm_socnn import _kernel
from ctsm_socnn.network.settings import LossName
from ctsm_socnn.validation.scores import LOG_FLOOR

__all__ = ["LOSS_NAMES", "SocLoss", "positive_variance", "published_weights"]

LOSS_NAMES: Final[tuple[LossName, ...]] = get_args(LossName)
_DEGREES_OF_FREEDOM: Final = 4.0
_PUBLISHED_SD: Final = 0.6
"""Observation error as a share of the observed value."""


class SocLoss:
    """A loss by name, scaled by its training observations.

    Parameters
    ----------
    name : {"log", "sqrt", "mixed", "student", "published"}
    values : ndarray, shape (m,), gC m-3
        All training observations.
    depth : ndarray, shape (m,), m
    site : ndarray of int, shape (m,)
    device : torch.device, optional
    log_weight : float
        Of `mixed`: weight of the logarithms relative to the values.
    """

    def __init__(
        self,
        name: LossName,
        values: NDArray[np.float64],
        depth: NDArray[np.float64],
        site: NDArray[np.int64],
        device: torch.device | None = None,
        log_weight: float = 1.0,
    ) -> None:
        self._log_weight = log_weight
        self._name = name
        self._variance = {
            "value": positive_variance(values),
            "log": positive_variance(np.log(np.maximum(values, LOG_FLOOR))),
            "sqrt": positive_variance(np.sqrt(values)),
        }
        weights = published_weights(values, depth, site) if name == "published" else np.empty(0)
        self._weights = torch.from_numpy(weights).to(device)
        self.log_scale = nn.Parameter(torch.zeros((), dtype=torch.float64, device=device))
        self._learnt = [self.log_scale] if name == "student" else []

    def parameters(self) -> list[nn.Parameter]:
        """Quantities that are learnt with the network."""
        return self._learnt

    def __call__(
        self, modelled: Tensor, observed: Tensor, which: Tensor, typical: Tensor | None = None
    ) -> Tensor:
        """Mean loss of some observations.

        Parameters
        ----------
        modelled, observed : Tensor, shape (b,), gC m-3
        which : Tensor of int, shape (b,)
            Their positions among the training observations.
        typical : Tensor, shape (b,), gC m-3, optional
            Reference for errors of logarithms, by default `observed`.
        """
        middle = observed if typical is None else typical
        match self._name:
            case "log":
                return self._log(modelled, middle)
            case "sqrt":
                return self._sqrt(modelled, observed)
            case "mixed":
                return self._mixed(modelled, observed, middle)
            case "student":
                return self._student(modelled, middle)
            case "published":
                return self._published(modelled, observed, self._weights[which])

    def _log(self, modelled: Tensor, typical: Tensor) -> Tensor:
        return torch.mean(_log_error(modelled, typical) ** 2) / self._variance["log"]

    def _sqrt(self, modelled: Tensor, observed: Tensor) -> Tensor:
        error = torch.sqrt(modelled.clamp(min=LOG_FLOOR)) - torch.sqrt(observed)
        return torch.mean(error**2) / self._variance["sqrt"]

    def _mixed(self, modelled: Tensor, observed: Tensor, typical: Tensor) -> Tensor:
        linear = torch.mean((modelled - observed) ** 2) / self._variance["value"]
        return linear + self._log_weight * self._log(modelled, typical)

    def _student(self, modelled: Tensor, typical: Tensor) -> Tensor:
        scaled = _log_error(modelled, typical) * torch.exp(-self.log_scale)
        half = 0.5 * (_DEGREES_OF_FREEDOM + 1.0)
        return torch.mean(half * torch.log1p(scaled**2 / _DEGREES_OF_FREEDOM)) + self.log_scale

    @staticmethod
    def _published(modelled: Tensor, observed: Tensor, weights: Tensor) -> Tensor:
        relative = (modelled - observed) / (_PUBLISHED_SD * observed)
        return torch.mean(weights * 0.5 * relative**2)


def published_weights(
    values: NDArray[np.float64], depth: NDArray[np.float64], site: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Weights of the published cost: max(1, 10 exp(-(mean rank - 1))) within each profile.

    The ranks are those of the distances of value and depth from the profile's mean, the
    farthest first (`da_cesm2_clm5_cen_vr_v2.m`, lines 279-286). `site` must be sorted.
    """
    first = 1 + np.searchsorted(site, np.arange(site.max(initial=-1) + 2))
    weights: NDArray[np.float64] = _kernel.published_weights(first, depth, values)
    return weights


def _log_error(modelled: Tensor, observed: Tensor) -> Tensor:
    floor = modelled.clamp(min=LOG_FLOOR)
    return torch.log(floor) - torch.log(observed.clamp(min=LOG_FLOOR))


def positive_variance(values: NDArray[np.float64]) -> float:
    """Variance by which errors are divided; 1 where values do not vary."""
    variance = float(np.var(values))
    return variance if variance > 0.0 and math.isfinite(variance) else 1.0
