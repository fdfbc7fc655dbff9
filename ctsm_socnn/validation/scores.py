"""Scores of modelled against observed soil carbon: pure functions on arrays.

`nse` is 1 - SSE/SST about the mean of the observations; `r2` is the squared correlation. The two
agree only for an unbiased regression, and papers call both "R2"; here they never share a name.
`ccc` is Lin's (1989, Biometrics 45, 255-268) concordance: correlation less what bias and scale cost.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.errors import ValidationError

__all__ = ["LOG_FLOOR", "SCORE_NAMES", "scores", "stock"]

LOG_FLOOR: Final = 1.0
"""Least value whose logarithm is compared, in the unit of the values.

1 gC m-3 is far below what a laboratory can tell from zero; without a floor one deep layer which a
parameter set empties to 1e-200 would decide every log score.
"""

_LINEAR: Final = ("nse", "r2", "ccc", "rmse", "bias")
SCORE_NAMES: Final = ("n", *_LINEAR, *(f"log_{name}" for name in _LINEAR))
"""Keys of what `scores` returns, in the order of tables."""


def scores(
    observed: ArrayLike, modelled: ArrayLike, weights: ArrayLike | None = None
) -> dict[str, float]:
    """Scores of modelled against observed values, plain and on log10.

    Parameters
    ----------
    observed, modelled : array_like, shape (m,), gC m-3 (or gC m-2 for stocks)
        Finite and not negative. For log10, values below `LOG_FLOOR` are raised to it.
    weights : array_like, shape (m,), optional
        Such as areas; positive. Equal by default.

    Returns
    -------
    dict
        `n`; `nse` (1 - SSE/SST), `r2` (squared correlation), `ccc` (concordance), `rmse` and `bias`
        (modelled - observed), in the unit of the values; the same of log10 as `log_nse` and so on,
        in decades. `nse` is NaN where all observations are equal, `r2` also where all modelled
        values are, `ccc` where both are and agree.

    Raises
    ------
    ValidationError
        If there is nothing to compare, the lengths differ, a value or weight is negative or not
        finite, or all weights are 0.
    """
    seen = _checked("observed", observed)
    made = _checked("modelled", modelled)
    if seen.shape != made.shape:
        raise ValidationError(
            f"{seen.size} observed and {made.size} modelled values cannot be compared; "
            "apply the observation operator to the modelled profile first"
        )
    if seen.size == 0:
        raise ValidationError("there is no observation to compare with; check the selection")
    shares = np.ones(seen.shape) if weights is None else _checked("weight", weights)
    if shares.shape != seen.shape or not shares.sum() > 0.0:
        raise ValidationError(
            f"{shares.size} weights with a sum of {shares.sum():g} were given for {seen.size} values; "
            "each needs one, and some must be positive"
        )
    log_scores = _linear_scores(_log10(seen), _log10(made), shares)
    return {
        "n": float(seen.size),
        **_linear_scores(seen, made, shares),
        **{f"log_{name}": value for name, value in log_scores.items()},
    }


def stock(soc: ArrayLike, interface_depth: ArrayLike, to_depth: float = 1.0) -> NDArray[np.float64]:
    """Carbon between the surface and a depth.

    Parameters
    ----------
    soc : array_like, shape (..., layer), gC m-3
        Layer means.
    interface_depth : array_like, shape (layer + 1,), m
        Upper interface of each layer and the lower one of the last, `SOIL_GRID.interface_depth`.
    to_depth : float, m
        Depth to integrate to; a layer that it cuts counts with the part above.

    Returns
    -------
    ndarray, shape (...), gC m-2

    Raises
    ------
    ValidationError
        If `to_depth` is not positive or reaches below the last interface.
    """
    interfaces = np.asarray(interface_depth, dtype=np.float64)
    if not 0.0 < to_depth <= interfaces[-1]:
        raise ValidationError(
            f"a stock to {to_depth} m was asked for; the layers reach from 0 to {interfaces[-1]} m"
        )
    thickness = np.diff(np.minimum(interfaces, to_depth))
    profile: NDArray[np.float64] = np.asarray(soc, dtype=np.float64)
    return np.asarray(profile @ thickness)


def _checked(role: str, values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64).ravel()
    bad = ~(np.isfinite(array) & (array >= 0.0))
    if bad.any():
        first = int(np.argmax(bad))
        raise ValidationError(
            f"{int(bad.sum())} {role} values are negative or not finite, the first is "
            f"{array[first]} at index {first}; leave them out before scoring"
        )
    return array


def _log10(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log10(np.maximum(values, LOG_FLOOR)))


def _linear_scores(
    observed: NDArray[np.float64], modelled: NDArray[np.float64], weights: NDArray[np.float64]
) -> dict[str, float]:
    total = float(weights.sum())
    error = modelled - observed
    spread_observed = observed - float((weights * observed).sum()) / total
    spread_modelled = modelled - float((weights * modelled).sum()) / total
    sst = float((weights * spread_observed) @ spread_observed)
    ssm = float((weights * spread_modelled) @ spread_modelled)
    covariance = float((weights * spread_observed) @ spread_modelled)
    sse = float((weights * error) @ error)
    bias = float((weights * error).sum()) / total
    # Not `sst > 0`: the mean of equal values may differ from them in the last bit.
    varied = bool(np.ptp(observed) > 0.0)
    both_varied = varied and bool(np.ptp(modelled) > 0.0)
    apart = sst + ssm + total * bias**2
    return {
        "nse": 1.0 - sse / sst if varied else float("nan"),
        "r2": covariance**2 / (sst * ssm) if both_varied else float("nan"),
        "ccc": 2.0 * covariance / apart if apart > 0.0 else float("nan"),
        "rmse": float(np.sqrt(sse / total)),
        "bias": bias,
    }
