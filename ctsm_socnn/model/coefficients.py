"""Coefficients of the published model's equations, for diagnosis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn import _kernel
from ctsm_socnn.model.arguments import checked_rows, records
from ctsm_socnn.model.columns import Columns

__all__ = ["Coefficients", "coefficients"]


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Coefficients by layer, each of shape (row, 20).

    Attributes
    ----------
    scalar : ndarray, 1
        Month mean of temperature, water and oxygen scalars, times the depth scalar. The decay rate
        of CWD, S1, S2 and S3 is this over the turnover time.
    litter_scalar : ndarray, 1
        The same of L1, L2 and L3, whose month mean holds the nitrogen scalar too.
    lower, upper : ndarray, yr-1
        Month mean of the exchange with the layer above and below.
    profile : ndarray, m-1
        Share of the carbon input per metre of layer.
    """

    scalar: NDArray[np.float64]
    litter_scalar: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    profile: NDArray[np.float64]


def coefficients(
    columns: Columns, parameters: ArrayLike, index: ArrayLike | None = None
) -> Coefficients:
    """Coefficients of the steady state.

    Parameters
    ----------
    columns, parameters, index
        As `ctsm_socnn.model.steady_state`.

    Raises
    ------
    KernelError
        As `ctsm_socnn.model.steady_state`.
    """
    rows, column = checked_rows(columns, parameters, index)
    arrays = _kernel.proda_coefficients(*records(columns), rows.T, column)
    return Coefficients(*(array.T for array in arrays))
