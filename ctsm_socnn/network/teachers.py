"""Teachers: expected soil carbon at a place, fitted on profiles without any process.

Boosted trees cut covariate space into boxes and a Gaussian process draws smooth surfaces through it;
the mean of the two expects better than either. They answer two questions: what carbon is on the
average, which counts for errors of values and stocks, and what it is typically, which counts for
errors of logarithms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ctsm_socnn.model.observation import LARGEST_SOC, ObservationOperator
from ctsm_socnn.network.inputs import Inputs, InputTransform
from ctsm_socnn.network.profile_process import ProfileProcess, Profiles
from ctsm_socnn.network.relevance import relevances

__all__ = ["Expectation", "Teachers", "likeness_features"]

_LEAST_SOC: Final = 1.0
_SHALLOWEST: Final = 0.01
_BOOSTED: Final = 2
_ROUNDS: Final = 200
_LEAVES: Final = {"root": 15, "log": 31}
"""Leaves of the trees for roots and for logarithms. Logarithms bear more: their noise has no long
tail on the side of rich soils."""
_FARTHEST: Final = 6.0
"""Scaled numbers farther out count as so far when likeness is measured."""
_OF_CLASS: Final = 0.7
"""Two sites of different classes are so far apart, times the root of 2, in standard deviations."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Expectation:
    """Carbon at some layers, on the average and typically, each of shape (m,), gC m-3."""

    average: Array
    typical: Array


@dataclass(frozen=True, eq=False)
class Teachers:
    """Expected carbon: mean of boosted trees and a process, made by `fit` or `from_arrays`.

    The average comes from square roots, whose errors are alike at poor and rich layers, as those
    of values are not. The square of an expected root is too little; a factor mends that.

    Attributes
    ----------
    class_counts : tuple of int
        Number of classes of each categorical input.
    trees : mapping of str to tuple of lightgbm.Booster
        For roots and logarithms.
    process : ProfileProcess
    relevance : ndarray, shape (features,)
        How much each feature counts for the likeness of two sites.
    factor : float
        Mean carbon over the mean of squared expected roots, at the profiles.
    """

    class_counts: tuple[int, ...]
    trees: Mapping[str, tuple[lightgbm.Booster, ...]]
    process: ProfileProcess
    relevance: Array
    factor: float

    @classmethod
    def fit(
        cls,
        inputs: Inputs,
        transform: InputTransform,
        operator: ObservationOperator,
        positions: Array,
        seed: int,
    ) -> Teachers:
        """Fit teachers on profiles.

        Parameters
        ----------
        inputs : Inputs
            Of the training sites.
        transform : InputTransform
            Says what the inputs are.
        operator : ObservationOperator
            Observations of the training sites.
        positions : ndarray, shape (n, 3), km
            Of the training sites. They are used to weigh profiles that are close to each other;
            what is expected depends on the place only where it is among the inputs.
        seed : int
        """
        rows = _with_depth(inputs, operator.site, operator.depth)
        values = {"root": np.sqrt(operator.values), "log": np.log(operator.values)}
        # On one thread, because sums in another order have other last digits.
        with threadpool_limits(1):
            trees = {
                name: tuple(_boosted(rows, values[name], leaves, seed + i) for i in range(_BOOSTED))
                for name, leaves in _LEAVES.items()
            }
            counts = transform.class_counts
            features, group = likeness_features(inputs, counts), _input_of_features(transform)
            layers = Profiles(features, positions, operator.site, operator.depth)
            relevance = relevances(layers, values["log"], group, seed)
            scaled = replace(layers, features=relevance * features)
            process = ProfileProcess.fit(scaled, np.column_stack(list(values.values())), seed)
        unscaled = cls(counts, trees, process, relevance, 1.0)
        squares = unscaled._roots_and_logs(inputs, operator.site, operator.depth)[:, 0] ** 2
        return replace(unscaled, factor=float(operator.values.mean() / squares.mean()))

    def expect(self, inputs: Inputs, site: NDArray[np.intp], depth: Array) -> Expectation:
        """Expect carbon at layers.

        Parameters
        ----------
        inputs : Inputs
            Of any places.
        site : ndarray of int, shape (m,)
            Place of each layer.
        depth : ndarray, shape (m,), m
        """
        root, log = self._roots_and_logs(inputs, site, depth).T
        average = self.factor * np.maximum(root, 0.0) ** 2
        typical = np.exp(np.minimum(log, np.log(LARGEST_SOC)))
        return Expectation(_possible(average), _possible(typical))

    def _roots_and_logs(self, inputs: Inputs, site: NDArray[np.intp], depth: Array) -> Array:
        """Expect root and logarithm, shape (m, 2)."""
        rows = _with_depth(inputs, site, depth)
        features = self.relevance * likeness_features(inputs, self.class_counts)
        with threadpool_limits(1):
            smooth = self.process.expect(features, site, depth)
        boxes = [
            np.mean([np.asarray(tree.predict(rows, num_threads=1)) for tree in trees], axis=0)
            for trees in self.trees.values()
        ]
        return np.asarray(0.5 * (np.column_stack(boxes) + smooth))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that `from_arrays` needs to make the same teachers, trees as text."""
        texts = {
            f"trees_{name}_{i}": np.frombuffer(tree.model_to_string().encode(), dtype=np.uint8)
            for name, trees in self.trees.items()
            for i, tree in enumerate(trees)
        }
        process = {f"process_{name}": array for name, array in self.process.arrays().items()}
        own = {
            "class_counts": np.array(self.class_counts, dtype=np.int64),
            "relevance": self.relevance,
            "factor": np.array(self.factor),
        }
        return {**own, **process, **texts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Teachers:
        """Make the teachers whose `arrays` these are."""
        trees = {
            name: tuple(_from_text(arrays[f"trees_{name}_{i}"]) for i in range(_BOOSTED))
            for name in _LEAVES
        }
        prefix = "process_"
        of_process = {
            name.removeprefix(prefix): array
            for name, array in arrays.items()
            if name.startswith(prefix)
        }
        return cls(
            tuple(int(count) for count in arrays["class_counts"]),
            trees,
            ProfileProcess.from_arrays(of_process),
            arrays["relevance"],
            float(arrays["factor"]),
        )


def _possible(carbon: Array) -> Array:
    return np.clip(carbon, _LEAST_SOC, LARGEST_SOC)


def _boosted(rows: Array, values: Array, leaves: int, seed: int) -> lightgbm.Booster:
    settings = {
        "objective": "regression",
        "learning_rate": 0.05,
        "num_leaves": leaves,
        "feature_fraction_bynode": 0.5,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbose": -1,
    }
    return lightgbm.train(settings, lightgbm.Dataset(rows, values), _ROUNDS)


def _from_text(text: NDArray[np.uint8]) -> lightgbm.Booster:
    return lightgbm.Booster(model_str=text.tobytes().decode())


def _with_depth(inputs: Inputs, site: NDArray[np.intp], depth: Array) -> Array:
    """One row a layer: the inputs of its site and the logarithm of its depth."""
    by_site = np.column_stack([inputs.numeric, inputs.classes])
    return np.column_stack([by_site[site], np.log(depth + _SHALLOWEST)])


def likeness_features(inputs: Inputs, class_counts: Sequence[int]) -> Array:
    """Give numbers whose distances say how much alike two sites are, shape (n, any)."""
    numbers = np.clip(inputs.numeric, -_FARTHEST, _FARTHEST)
    classes = [
        _OF_CLASS * np.eye(count)[inputs.classes[:, i]] for i, count in enumerate(class_counts)
    ]
    return np.column_stack([numbers, *classes])


def _input_of_features(transform: InputTransform) -> NDArray[np.intp]:
    """Say of which input each of the `likeness_features` is."""
    sizes = [1] * len(transform.numeric) + list(transform.class_counts)
    return np.repeat(np.arange(len(sizes)), sizes)
