"""The compiled samplers, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn import _kernel
from ctsm_socnn.assimilation.site_problem import SiteProblem
from ctsm_socnn.parameters import PARAMETER_NAMES, lower_bounds, upper_bounds

__all__ = ["SAMPLERS", "Chains", "Sampler", "SamplingPlan"]

_MOST_STORED_DRAWS: Final = 500
_WORDS_PER_STREAM: Final = 8


@dataclass(frozen=True)
class SamplingPlan:
    """How long a sampler runs.

    Attributes
    ----------
    chains : int
    warmup : int
        Iterations of each chain that are thrown away.
    draws : int
        Iterations of each chain that are kept; evenly spaced ones, 500 at most, are stored.
    """

    chains: int
    warmup: int
    draws: int

    @property
    def thinning(self) -> int:
        """Iterations from one stored draw to the next."""
        return max(1, self.draws // _MOST_STORED_DRAWS)


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
    """

    draws: NDArray[np.float64]
    cost: NDArray[np.float64]
    acceptance: NDArray[np.float64]
    divergent: float
    evaluations: int


@dataclass(frozen=True)
class Sampler:
    """A sampler and the plan that suits it."""

    run: Callable[[SiteProblem, SamplingPlan, np.random.SeedSequence], Chains]
    default_plan: SamplingPlan


def _adaptive_metropolis(
    problem: SiteProblem, plan: SamplingPlan, seed: np.random.SeedSequence
) -> Chains:
    draws, cost, acceptance = _kernel.adaptive_metropolis_site(
        *problem.column,
        lower_bounds(),
        upper_bounds(),
        *problem.profile,
        _stream_words(seed, plan.chains),
        _starting_points(seed, plan.chains),
        plan.warmup,
        plan.thinning,
        plan.draws // plan.thinning,
    )
    return Chains(
        draws=np.moveaxis(draws, (0, 1, 2), (0, 2, 1)),
        cost=cost.T,
        acceptance=acceptance,
        divergent=0.0,
        evaluations=plan.chains * (plan.warmup + plan.draws),
    )


def _hamiltonian(problem: SiteProblem, plan: SamplingPlan, seed: np.random.SeedSequence) -> Chains:
    draws, cost, acceptance, divergent, gradients = _kernel.hamiltonian_site(
        *problem.column,
        lower_bounds(),
        upper_bounds(),
        *problem.profile,
        _stream_words(seed, plan.chains + 1),
        _starting_points(seed, plan.chains),
        plan.warmup,
        plan.draws,
    )
    return Chains(
        draws=np.moveaxis(draws, (0, 1, 2), (0, 2, 1)),
        cost=cost.T,
        acceptance=acceptance,
        divergent=divergent,
        evaluations=gradients,
    )


def _stream_words(seed: np.random.SeedSequence, streams: int) -> NDArray[np.int32]:
    """Seeds of random streams, shape (8, stream)."""
    words = seed.generate_state(_WORDS_PER_STREAM * streams).view(np.int32)
    return words.reshape(streams, _WORDS_PER_STREAM).T


def _starting_points(seed: np.random.SeedSequence, chains: int) -> NDArray[np.float64]:
    """Draw starting points, shape (parameter, chain), spread over the bounds, so that R-hat can tell."""
    generator = np.random.default_rng(seed)
    return generator.uniform(0.05, 0.95, (chains, len(PARAMETER_NAMES))).T


SAMPLERS: Final[Mapping[str, Sampler]] = {
    "hamiltonian": Sampler(_hamiltonian, SamplingPlan(8, 300, 200)),
    "adaptive-metropolis": Sampler(_adaptive_metropolis, SamplingPlan(8, 10_000, 20_000)),
}
"""Name -> sampler."""
