"""Imagined sites to learn from, with the soil carbon that regression trees expect there.

A thousand profiles are few for a network, and each is one draw of much that covariates do not say.
Trees fitted on the profiles say what to expect at them and between them: an imagined site has the
forcing and the depths of a training site, and its covariates mixed with those of another that is
like it. The network learns to reproduce that through the kernel; what the kernel cannot produce, it
cannot learn.

Two kinds of trees answer two questions: what carbon is on the average, which counts for errors of
values and stocks, and what it is typically, which counts for errors of logarithms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from threadpoolctl import threadpool_limits

from ctsm_socnn.model.observation import LARGEST_SOC, ObservationOperator
from ctsm_socnn.network.inputs import Inputs, InputTransform

_Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]

__all__ = ["ImaginedSites", "imagined_sites"]

_NEIGHBOURS: Final = 200
"""Among so many nearest sites in covariate space the other one is drawn."""
_MOST_MIXED: Final = 1.0
"""Largest share of covariates that are taken from it; each site draws its own share below."""
_LEAST_SOC: Final = 1.0
_SHALLOWEST: Final = 0.01
_OF_PLACE: Final = ("forcing_", "lon", "lat")
"""Inputs that belong to the place whose forcing the kernel takes, and are not mixed."""


@dataclass(frozen=True, eq=False)
class ImaginedSites:
    """Sites, and the carbon that trees expect there.

    Attributes
    ----------
    inputs : Inputs
        Of n imagined sites.
    site : ndarray of int, shape (n,)
        Training site whose forcing each has.
    operator : ObservationOperator
        Of the imagined sites; `values` are the carbon on the average, shape (m,), gC m-3.
    typical : ndarray, shape (m,), gC m-3
        The carbon for errors of logarithms.
    """

    inputs: Inputs
    site: NDArray[np.intp]
    operator: ObservationOperator
    typical: NDArray[np.float64]


def imagined_sites(
    inputs: Inputs,
    transform: InputTransform,
    operator: ObservationOperator,
    per_site: int,
    seed: int,
) -> ImaginedSites:
    """Imagine sites like the training sites.

    Parameters
    ----------
    inputs : Inputs
        Of the training sites.
    transform : InputTransform
        Says what the inputs are.
    operator : ObservationOperator
        Observations of the training sites.
    per_site : int
        Imagined sites for each training site.
    seed : int
    """
    generator = np.random.default_rng(seed)
    average, typical = _fitted(inputs, operator, int(generator.integers(2**31)))
    mixtures = [_mixed(inputs, transform, generator) for _ in range(per_site)]
    places = [_with_depth(mixture, operator) for mixture in mixtures]
    values = np.concatenate([average.predict(rows) for rows in places])
    return ImaginedSites(
        inputs=_joined(mixtures),
        site=np.tile(np.arange(len(inputs)), per_site),
        operator=replace(_repeated(operator, per_site), values=values),
        typical=np.concatenate([typical.predict(rows) for rows in places]),
    )


def _joined(parts: list[Inputs]) -> Inputs:
    return Inputs(
        np.concatenate([part.numeric for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.usable for part in parts]),
    )


class _Trees:
    """Mean of two boosted ensembles and a forest, each on its own scale of carbon."""

    def __init__(self, boosted_on: str, forest_on: str, seed: int) -> None:
        self._members = [
            (_boosting(seed), boosted_on),
            (_boosting(seed + 1), boosted_on),
            (_forest(seed), forest_on),
        ]
        self._mean_of = boosted_on if boosted_on == forest_on else "value"

    def fit(self, places: NDArray[np.float64], values: NDArray[np.float64]) -> _Trees:
        for estimator, scale in self._members:
            estimator.fit(places, _FORWARD[scale](values))
        return self

    def predict(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Carbon at rows of inputs and depth, gC m-3."""
        forward, backward = _FORWARD[self._mean_of], _BACKWARD[self._mean_of]
        with threadpool_limits(1, "openmp"):
            answers = [_BACKWARD[s](e.predict(places)) for e, s in self._members]
        held = np.clip(answers, _LEAST_SOC, LARGEST_SOC)
        return np.asarray(backward(forward(held).mean(axis=0)))


def _square_of_positive(root: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.maximum(root, 0.0) ** 2)


def _itself(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values


_FORWARD: Final[dict[str, _Function]] = {"log": np.log, "root": np.sqrt, "value": _itself}
_BACKWARD: Final[dict[str, _Function]] = {
    "log": np.exp,
    "root": _square_of_positive,
    "value": _itself,
}


def _boosting(seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=200, learning_rate=0.05, max_leaf_nodes=15, max_features=0.5, random_state=seed
    )


def _forest(seed: int) -> RandomForestRegressor:
    return RandomForestRegressor(
        80, min_samples_leaf=3, max_features=0.33, random_state=seed, n_jobs=1
    )


def _fitted(inputs: Inputs, operator: ObservationOperator, seed: int) -> tuple[_Trees, _Trees]:
    """Trees for the average and for the typical carbon.

    On one thread, because sums of boosting in another order have other last digits.
    """
    places = _with_depth(inputs, operator)
    with threadpool_limits(1, "openmp"):
        return (
            _Trees("root", "value", seed).fit(places, operator.values),
            _Trees("log", "log", seed + 2).fit(places, operator.values),
        )


def _with_depth(inputs: Inputs, operator: ObservationOperator) -> NDArray[np.float64]:
    """One row an observation: the inputs of its site and the logarithm of its depth."""
    by_site = np.column_stack([inputs.numeric, inputs.classes])
    return np.column_stack([by_site[operator.site], np.log(operator.depth + _SHALLOWEST)])


def _mixed(inputs: Inputs, transform: InputTransform, generator: np.random.Generator) -> Inputs:
    """Training sites, each with some covariates of a site that is like it."""
    n = len(inputs)
    _, found = cKDTree(inputs.numeric).query(inputs.numeric, min(n, _NEIGHBOURS + 1))
    nearest = np.reshape(found, (n, -1))
    other = nearest[np.arange(n), generator.integers(0, nearest.shape[1], n)]
    share = generator.uniform(0.0, _MOST_MIXED, (n, 1))
    of_place = np.array([item.name.startswith(_OF_PLACE) for item in transform.numeric], dtype=bool)
    taken = (generator.random(inputs.numeric.shape) < share) & ~of_place
    taken_classes = generator.random(inputs.classes.shape) < share
    return Inputs(
        np.where(taken, inputs.numeric[other], inputs.numeric),
        np.where(taken_classes, inputs.classes[other], inputs.classes),
        inputs.usable,
    )


def _repeated(operator: ObservationOperator, times: int) -> ObservationOperator:
    """Observe `times` copies of all sites, one after another."""
    first = np.repeat(np.arange(times), len(operator.values)) * operator.n_sites
    return ObservationOperator(
        site=np.tile(operator.site, times) + first,
        obs=np.tile(operator.obs, times),
        values=np.tile(operator.values, times),
        depth=np.tile(operator.depth, times),
        matrix=sparse.csr_array(sparse.block_diag([operator.matrix] * times, format="csr")),
        excluded=operator.excluded,
    )
