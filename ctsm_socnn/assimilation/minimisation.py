"""Minimisation of a smooth function over the unit cube from several starting points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import qmc

from ctsm_socnn.assimilation.progress import progress_bar

__all__ = ["Minimum", "descend", "minimise_from_several_starts"]

_MARGIN: Final = 1e-3
"""Distance kept from the faces of the cube: at some of them the model's carbon is zero or endless."""

_MOST_ITERATIONS: Final = 500

Objective = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]


@dataclass(frozen=True)
class Minimum:
    """Where one start led.

    Attributes
    ----------
    point : ndarray, shape (dimension,)
        In the unit cube.
    value : float
    trace : ndarray, shape (iteration,)
        Value after each iteration.
    """

    point: NDArray[np.float64]
    value: float
    trace: NDArray[np.float64]


def minimise_from_several_starts(
    objective: Objective,
    n_dimensions: int,
    *,
    starts: int,
    seed: int,
    iterations: int = _MOST_ITERATIONS,
    progress: bool = False,
) -> list[Minimum]:
    """Minimise from the middle of the cube and from a Latin hypercube (L-BFGS-B).

    Parameters
    ----------
    objective : callable
        Point, shape (n_dimensions,), to value and gradient.
    n_dimensions : int
    starts : int
        Number of starting points, the middle included.
    seed : int
        Of the Latin hypercube.
    iterations : int
        At most so many from each start.
    progress : bool
        Show how many starts are done.

    Returns
    -------
    list of Minimum, the best first
    """
    hypercube = qmc.LatinHypercube(n_dimensions, rng=np.random.default_rng(seed))
    points = [np.full(n_dimensions, 0.5), *hypercube.random(max(0, starts - 1))]
    minima = []
    with progress_bar(len(points), 0, show=progress, what="starts") as bar:
        for point in points:
            minima.append(descend(objective, np.clip(point, 0.1, 0.9), iterations))
            bar.update()
    return sorted(minima, key=lambda minimum: minimum.value)


def descend(
    objective: Objective, start: NDArray[np.float64], iterations: int = _MOST_ITERATIONS
) -> Minimum:
    """Minimise from one point of the unit cube (L-BFGS-B); see `minimise_from_several_starts`."""
    trace: list[float] = []
    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(_MARGIN, 1.0 - _MARGIN)] * start.size,
        callback=lambda intermediate_result: trace.append(float(intermediate_result.fun)),
        options={"maxiter": iterations, "maxcor": 20, "ftol": 1e-10, "gtol": 1e-8},
    )
    return Minimum(np.asarray(found.x), float(found.fun), np.array(trace))
