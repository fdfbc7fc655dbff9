"""One set of parameters for all sites, from which the members of an ensemble start.

Fits of soil carbon on a logarithmic scale have bad local minima, so several starts are tried. All
members start at the best one: networks that start in one basin stay in it, and the mean of their
parameters is then as good as each of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ctsm_socnn.network.parameter_head import BoundedHead, predicted_parameters
from ctsm_socnn.network.settings import ParameterSettings
from ctsm_socnn.network.training import Objective

__all__ = ["fit_shared_parameters"]

_STARTS: Final = 3
_ITERATIONS: Final = 60
_SPREAD: Final = 1.2
"""Standard deviation of the random starts' scores."""
_PULL: Final = 0.3
"""Weight of the mean square of the scores. It keeps parameters that the profiles hardly constrain
off their bounds, where the sigmoid is so flat that networks would not vary them at all."""


def fit_shared_parameters(
    objective: Objective, n_sites: int, settings: ParameterSettings, seed: int
) -> NDArray[np.float64]:
    """Find the unit-cube parameters that fit all sites best.

    Parameters
    ----------
    objective : Objective
    n_sites : int
        Training sites of the objective.
    settings : ParameterSettings
        Bounds and held parameters.
    seed : int
        Of the random starts; the first start is the centre of the bounds.

    Returns
    -------
    ndarray, shape (21,), 1
    """
    generator = np.random.default_rng(seed)
    n_scores = len(predicted_parameters(settings)) + len(settings.tied)
    starts = generator.normal(0.0, _SPREAD, (_STARTS, n_scores))
    starts[0] = 0.0
    fits = [_fit(objective, n_sites, settings, torch.from_numpy(start)) for start in starts]
    return min(fits, key=lambda fit: fit[0])[1]


def _fit(
    objective: Objective, n_sites: int, settings: ParameterSettings, scores: torch.Tensor
) -> tuple[float, NDArray[np.float64]]:
    # All parameters that are not held have a score here, including tied ones.
    free = settings.model_copy(update={"tied": ()})
    head = BoundedHead(free)
    rows = np.arange(n_sites)
    scores = scores.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [scores], max_iter=_ITERATIONS, tolerance_change=1e-5, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        unit = head(scores[None, :]).expand(n_sites, -1)
        return objective.loss(unit, rows) + _PULL * torch.mean(scores**2)

    def closure() -> float:
        optimiser.zero_grad()
        value = loss()
        torch.autograd.backward(value)
        return float(value.detach())

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        unit = head(scores[None, :])[0].numpy()
        return float(loss()), unit
