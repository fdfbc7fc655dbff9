"""Modelled observations of profiles, in torch's own operations, for any device."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

__all__ = ["TorchObservation"]


class TorchObservation:
    """Modelled values of observations, differentiable any number of times.

    Each observation takes the same number of layers, the most that any needs, so that a sum over them
    is a dense one and comes out the same each time.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array, shape (m, row * 20), 1
        As `ObservationOperator.matrix`.
    device : torch.device
    """

    def __init__(self, matrix: sparse.csr_array, device: torch.device) -> None:
        count = np.diff(matrix.indptr)
        most = int(count.max(initial=0))
        used = np.arange(most) < count[:, np.newaxis]
        layer = np.zeros(used.shape, dtype=np.int64)
        weight = np.zeros(used.shape)
        layer[used], weight[used] = matrix.indices, matrix.data
        self._layer = torch.from_numpy(layer).to(device)
        self._weight = torch.from_numpy(weight).to(device)

    def __call__(self, soc: torch.Tensor) -> torch.Tensor:
        """Values of `soc`, shape (row, 20), gC m-3, at the observations, shape (m,)."""
        weight = self._weight.to(soc.dtype)
        return (soc.reshape(-1)[self._layer] * weight).sum(1)
