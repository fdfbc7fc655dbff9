"""Chains: their length, seeds and starting points, and what they return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import require_at_least
from ctsm_socnn.parameters import PARAMETER_NAMES

__all__ = [
    "MOST_STORED_DRAWS",
    "Chains",
    "ChosenChain",
    "Mode",
    "SamplingPlan",
    "starting_points",
    "stream_words",
]

MOST_STORED_DRAWS: Final = 500
"""Of each chain of a random walk; more of them would say nothing new."""

_WORDS_PER_STREAM: Final = 8


@dataclass(frozen=True)
class SamplingPlan:
    """How long a sampler runs.

    Attributes
    ----------
    chains : int
    warmup : int
        Iterations of each chain that are thrown away; of the published scheme, its first part.
    draws : int
        Iterations of each chain that are kept; of the published scheme, its second part.

    Raises
    ------
    ConfigError
        If there are too few to be diagnosed: chains are halved.
    """

    chains: int
    warmup: int
    draws: int

    def __post_init__(self) -> None:
        require_at_least(1, chains=self.chains)
        require_at_least(0, warmup=self.warmup)
        require_at_least(2, draws=self.draws)


@dataclass(frozen=True)
class ChosenChain:
    """The one chain that the published scheme summarises.

    Attributes
    ----------
    index : int
    mean, sd : ndarray, shape (parameter,), 0 to 1
        Over the second half of its accepted states.
    carbon : ndarray, shape (obs,), gC m-3
        Mean of modelled carbon at the observations. A state that the published code calls singular
        counts with the carbon of the one before it.
    gelman_rubin : ndarray, shape (parameter,), 1
        Of all chains, by the published formula.
    abandoned : bool
        Whether the site was given up after too many restarts.
    """

    index: int
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    carbon: NDArray[np.float64]
    gelman_rubin: NDArray[np.float64]
    abandoned: bool


@dataclass(frozen=True)
class Mode:
    """Where the density is greatest, for methods that look for that.

    Attributes
    ----------
    point : ndarray, shape (parameter,), 0 to 1
    found : bool
        Whether the search has ended there.
    """

    point: NDArray[np.float64]
    found: bool


@dataclass(frozen=True)
class Chains:
    """What a sampler returns for one site.

    Attributes
    ----------
    draws : ndarray, shape (parameter, chain, draw), 0 to 1
        Places between the bounds.
    cost : ndarray, shape (chain, draw)
        Negative log density up to a constant.
    acceptance : ndarray, shape (chain,), 1
    divergent : float, 1
        Share of divergent transitions; 0 for samplers that have none.
    evaluations : int
        Of the model.
    chosen : ChosenChain, optional
        Where one chain stands for all.
    mode : Mode, optional
        Where the draws are independent ones, around the mode.
    """

    draws: NDArray[np.float64]
    cost: NDArray[np.float64]
    acceptance: NDArray[np.float64]
    divergent: float
    evaluations: int
    chosen: ChosenChain | None = None
    mode: Mode | None = None

    @property
    def pooled(self) -> NDArray[np.float64]:
        """Draws that are summarised, shape (parameter, draw)."""
        if self.chosen is not None:
            return self.draws[:, self.chosen.index]
        return self.draws.reshape(self.draws.shape[0], -1)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the summarised states, shape (parameter,)."""
        return self.chosen.mean if self.chosen is not None else self.pooled.mean(axis=1)

    @property
    def sd(self) -> NDArray[np.float64]:
        """Standard deviation of the summarised states, shape (parameter,)."""
        return self.chosen.sd if self.chosen is not None else self.pooled.std(axis=1, ddof=1)

    @property
    def best(self) -> NDArray[np.float64]:
        """The mode, where it was looked for, else the draw of the least cost, shape (parameter,)."""
        if self.mode is not None:
            return self.mode.point
        chain, draw = np.unravel_index(self.cost.argmin(), self.cost.shape)
        return self.draws[:, chain, draw]


def stream_words(seed: np.random.SeedSequence, streams: int) -> NDArray[np.int32]:
    """Seeds of random streams, shape (8, stream)."""
    words = seed.generate_state(_WORDS_PER_STREAM * streams).view(np.int32)
    return words.reshape(streams, _WORDS_PER_STREAM).T


def starting_points(seed: np.random.SeedSequence, chains: int) -> NDArray[np.float64]:
    """Draw starting points, shape (parameter, chain), over the bounds, so that R-hat can tell."""
    generator = np.random.default_rng(seed)
    return generator.uniform(0.05, 0.95, (chains, len(PARAMETER_NAMES))).T
