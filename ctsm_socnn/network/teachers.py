"""Teachers: statistical models of soil carbon, fitted to profiles, from which networks learn.

Boosted trees are piecewise constant in the covariates, a Gaussian process is smooth; their mean
predicts better than either. They predict two quantities: the mean of carbon, which minimises errors
of values and stocks, and its typical value (exponential of the mean logarithm), which minimises
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
"""Leaves of the trees for square roots and for logarithms. Logarithms allow more: their noise has
no long tail towards rich soils."""
_FARTHEST: Final = 6.0
"""Scaled numbers are clipped to this when similarity is computed."""
_OF_CLASS: Final = 0.7
"""Distance between sites of different classes, divided by the root of 2, in standard deviations."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Expectation:
    """Mean and typical carbon of some layers, each of shape (m,), gC m-3."""

    average: Array
    typical: Array


@dataclass(frozen=True, eq=False)
class Teachers:
    """Mean of boosted trees and a Gaussian process, made by `fit` or `from_arrays`.

    The average is fitted to square roots, whose errors, unlike those of values, are similar in poor
    and rich layers. The square of an expected root is biased low; a factor corrects that.

    Attributes
    ----------
    class_counts : tuple of int
        Number of classes of each categorical input.
    trees : mapping of str to tuple of lightgbm.Booster
        For square roots and logarithms.
    process : ProfileProcess
    relevance : ndarray, shape (features,)
        Factor of each feature in distances between sites.
    factor : float
        Mean carbon divided by the mean of squared expected roots, at the profiles.
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
        """Fit teachers to profiles.

        Parameters
        ----------
        inputs : Inputs
            Of the training sites.
        transform : InputTransform
            Describes the inputs.
        operator : ObservationOperator
            Observations of the training sites.
        positions : ndarray, shape (n, 3), km
            Of the training sites. They serve to weight profiles that are close to each other;
            predictions depend on the position only if it is among the inputs.
        seed : int
        """
        rows = _with_depth(inputs, operator.site, operator.depth)
        values = {"root": np.sqrt(operator.values), "log": np.log(operator.values)}
        # On one thread, because the order of summation changes the last digits.
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
        """Predict carbon at layers.

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
        """Predict square root and logarithm, shape (m, 2)."""
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
        """Return what `from_arrays` needs to restore the teachers, trees as text."""
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
        """Restore teachers from their `arrays`."""
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
    """One row per layer: the inputs of its site and the logarithm of its depth."""
    by_site = np.column_stack([inputs.numeric, inputs.classes])
    return np.column_stack([by_site[site], np.log(depth + _SHALLOWEST)])


def likeness_features(inputs: Inputs, class_counts: Sequence[int]) -> Array:
    """Features whose distances measure the similarity of two sites, shape (n, any)."""
    numbers = np.clip(inputs.numeric, -_FARTHEST, _FARTHEST)
    classes = [
        _OF_CLASS * np.eye(count)[inputs.classes[:, i]] for i, count in enumerate(class_counts)
    ]
    return np.column_stack([numbers, *classes])


def _input_of_features(transform: InputTransform) -> NDArray[np.intp]:
    """Input to which each of the `likeness_features` belongs."""
    sizes = [1] * len(transform.numeric) + list(transform.class_counts)
    return np.repeat(np.arange(len(sizes)), sizes)
