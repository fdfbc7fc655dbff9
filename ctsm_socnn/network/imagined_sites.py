"""Imagined sites to learn from, with the soil carbon that teachers expect there.

A thousand profiles are few for a network, and each is one draw of much that covariates do not say.
Teachers fitted on the profiles, boosted trees and a Gaussian process, say what to expect at them
and between them: an imagined site has the forcing and the depths of a training site, and its
covariates mixed with those of another that is like it. The network learns to reproduce that through
the kernel; what the kernel cannot produce, it cannot learn.

They answer two questions: what carbon is on the average, which counts for errors of
values and stocks, and what it is typically, which counts for errors of logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from ctsm_socnn.model.observation import LARGEST_SOC, ObservationOperator
from ctsm_socnn.network.inputs import Inputs, InputTransform
from ctsm_socnn.network.profile_process import ProfileProcess, Profiles
from ctsm_socnn.network.relevance import relevances

__all__ = ["ImaginedSites", "imagined_sites"]

_NEIGHBOURS: Final = 200
"""Among so many nearest sites in covariate space the other one is drawn."""
_MOST_MIXED: Final = 1.0
"""Largest share of covariates that are taken from it; each site draws its own share below."""
_LEAST_SOC: Final = 1.0
_SHALLOWEST: Final = 0.01
_BOOSTED: Final = 2
_LEAVES: Final = (15, 31)
"""Leaves of the trees for roots and for logarithms. Logarithms bear more: their noise has no long
tail on the side of rich soils."""
_FARTHEST: Final = 6.0
"""Scaled numbers farther out count as so far when likeness is measured."""
_OF_CLASS: Final = 0.7
"""Two sites of different classes are so far apart, times the root of 2, in standard deviations."""
_OF_PLACE: Final = ("forcing_", "lon", "lat")
"""Inputs that belong to the place whose forcing the kernel takes, and are not mixed."""


@dataclass(frozen=True, eq=False)
class ImaginedSites:
    """Sites, and the carbon that teachers expect there.

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
    positions: NDArray[np.float64],
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
    positions : ndarray, shape (n, 3), km
        Of the training sites. They are used to weigh profiles that are close to each other; what
        is expected does not depend on the place.
    per_site : int
        Imagined sites for each training site.
    seed : int
    """
    generator = np.random.default_rng(seed)
    teachers = _Teachers(inputs, transform, operator, positions, int(generator.integers(2**31)))
    nearest = _most_alike(inputs)
    mixtures = [_mixed(inputs, nearest, transform, generator) for _ in range(per_site)]
    labels = [teachers.expect(mixture, operator) for mixture in mixtures]
    values = np.concatenate([average for average, _ in labels])
    return ImaginedSites(
        inputs=_joined(mixtures),
        site=np.tile(np.arange(len(inputs)), per_site),
        operator=replace(_repeated(operator, per_site), values=values),
        typical=np.concatenate([typical for _, typical in labels]),
    )


def _joined(parts: list[Inputs]) -> Inputs:
    return Inputs(
        np.concatenate([part.numeric for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.usable for part in parts]),
    )


class _Teachers:
    """Expected carbon, on the average and typically: mean of boosted trees and a process.

    The average comes from square roots, whose errors are alike at poor and rich layers, as those
    of values are not. The square of an expected root is too little; a factor mends that.
    """

    def __init__(
        self,
        inputs: Inputs,
        transform: InputTransform,
        operator: ObservationOperator,
        positions: NDArray[np.float64],
        seed: int,
    ) -> None:
        self._transform = transform
        rows = _with_depth(inputs, operator)
        values = np.column_stack([np.sqrt(operator.values), np.log(operator.values)])
        # On one thread, because sums in another order have other last digits.
        with threadpool_limits(1):
            self._trees = [
                [_boosting(leaves, seed + number).fit(rows, column) for number in range(_BOOSTED)]
                for leaves, column in zip(_LEAVES, values.T, strict=True)
            ]
            features, group = _features(inputs, transform), _input_of_features(transform)
            layers = Profiles(features, positions, operator.site, operator.depth)
            self._relevance = relevances(layers, values[:, 1], group, seed)
            scaled = replace(layers, features=self._relevance * features)
            self._process = ProfileProcess(scaled, values, seed)
        root = self._scaled(inputs, operator)[:, 0]
        self._factor = float(operator.values.mean() / np.mean(root**2))

    def expect(
        self, inputs: Inputs, operator: ObservationOperator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Expect average and typical carbon (gC m-3) at the depths of the operator's observations."""
        root, log = self._scaled(inputs, operator).T
        average = self._factor * np.maximum(root, 0.0) ** 2
        typical = np.exp(np.minimum(log, np.log(LARGEST_SOC)))
        return _possible(average), _possible(typical)

    def _scaled(self, inputs: Inputs, operator: ObservationOperator) -> NDArray[np.float64]:
        """Expect root and logarithm, shape (m, 2)."""
        rows = _with_depth(inputs, operator)
        features = self._relevance * _features(inputs, self._transform)
        with threadpool_limits(1):
            smooth = self._process.expect(features, operator.site, operator.depth)
            boxes = [
                np.mean([tree.predict(rows) for tree in trees], axis=0) for trees in self._trees
            ]
        return np.asarray(0.5 * (np.column_stack(boxes) + smooth))


def _possible(carbon: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(carbon, _LEAST_SOC, LARGEST_SOC)


def _boosting(leaves: int, seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=200,
        learning_rate=0.05,
        max_leaf_nodes=leaves,
        max_features=0.5,
        random_state=seed,
    )


def _with_depth(inputs: Inputs, operator: ObservationOperator) -> NDArray[np.float64]:
    """One row an observation: the inputs of its site and the logarithm of its depth."""
    by_site = np.column_stack([inputs.numeric, inputs.classes])
    return np.column_stack([by_site[operator.site], np.log(operator.depth + _SHALLOWEST)])


def _features(inputs: Inputs, transform: InputTransform) -> NDArray[np.float64]:
    """Give numbers whose distances say how much alike two sites are, shape (n, any)."""
    numbers = np.clip(inputs.numeric, -_FARTHEST, _FARTHEST)
    classes = [
        _OF_CLASS * np.eye(count)[inputs.classes[:, i]]
        for i, count in enumerate(transform.class_counts)
    ]
    return np.column_stack([numbers, *classes])


def _input_of_features(transform: InputTransform) -> NDArray[np.intp]:
    """Say of which input each of the `_features` is."""
    sizes = [1] * len(transform.numeric) + list(transform.class_counts)
    return np.repeat(np.arange(len(sizes)), sizes)


def _most_alike(inputs: Inputs) -> NDArray[np.intp]:
    """Rows of the sites most like each, itself among them, shape (n, any)."""
    n = len(inputs)
    _, found = cKDTree(inputs.numeric).query(inputs.numeric, min(n, _NEIGHBOURS + 1))
    return np.reshape(found, (n, -1))


def _mixed(
    inputs: Inputs,
    nearest: NDArray[np.intp],
    transform: InputTransform,
    generator: np.random.Generator,
) -> Inputs:
    """Training sites, each with some covariates of one of its `nearest`."""
    n = len(inputs)
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
