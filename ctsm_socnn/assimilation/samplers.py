"""The compiled samplers, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ctsm_socnn import _kernel
from ctsm_socnn.assimilation.chains import (
    MOST_STORED_DRAWS,
    Chains,
    SamplingPlan,
    starting_points,
    stream_words,
)
from ctsm_socnn.assimilation.published_scheme import sample_as_published
from ctsm_socnn.assimilation.site_problem import SiteProblem
from ctsm_socnn.parameters import lower_bounds, upper_bounds

__all__ = ["PUBLISHED_SCHEME", "SAMPLERS", "Sampler"]

PUBLISHED_SCHEME: Final = "published"


@dataclass(frozen=True)
class Sampler:
    """A sampler of several sites and the plan that suits it.

    Attributes
    ----------
    run : callable
        Problems, plan and one seed a problem, to one `Chains` a problem.
    default_plan : SamplingPlan
    """

    run: Callable[
        [Sequence[SiteProblem], SamplingPlan, Sequence[np.random.SeedSequence]], list[Chains]
    ]
    default_plan: SamplingPlan


def _hamiltonian(
    problems: Sequence[SiteProblem], plan: SamplingPlan, seeds: Sequence[np.random.SeedSequence]
) -> list[Chains]:
    return [
        _hamiltonian_site(problem, plan, seed)
        for problem, seed in zip(problems, seeds, strict=True)
    ]


def _hamiltonian_site(
    problem: SiteProblem, plan: SamplingPlan, seed: np.random.SeedSequence
) -> Chains:
    draws, cost, acceptance, divergent, gradients = _kernel.hamiltonian_site(
        *problem.column,
        lower_bounds(),
        upper_bounds(),
        *problem.profile,
        stream_words(seed, plan.chains + 1),
        starting_points(seed, plan.chains),
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


def _adaptive_metropolis(
    problems: Sequence[SiteProblem], plan: SamplingPlan, seeds: Sequence[np.random.SeedSequence]
) -> list[Chains]:
    return [
        _adaptive_metropolis_site(problem, plan, seed)
        for problem, seed in zip(problems, seeds, strict=True)
    ]


def _adaptive_metropolis_site(
    problem: SiteProblem, plan: SamplingPlan, seed: np.random.SeedSequence
) -> Chains:
    thinning = max(1, plan.draws // MOST_STORED_DRAWS)
    draws, cost, acceptance = _kernel.adaptive_metropolis_site(
        *problem.column,
        lower_bounds(),
        upper_bounds(),
        *problem.profile,
        stream_words(seed, plan.chains),
        starting_points(seed, plan.chains),
        plan.warmup,
        thinning,
        plan.draws // thinning,
    )
    return Chains(
        draws=np.moveaxis(draws, (0, 1, 2), (0, 2, 1)),
        cost=cost.T,
        acceptance=acceptance,
        divergent=0.0,
        evaluations=plan.chains * (plan.warmup + plan.draws),
    )


SAMPLERS: Final[Mapping[str, Sampler]] = {
    "hamiltonian": Sampler(_hamiltonian, SamplingPlan(8, 300, 200)),
    "adaptive-metropolis": Sampler(_adaptive_metropolis, SamplingPlan(8, 10_000, 20_000)),
    PUBLISHED_SCHEME: Sampler(sample_as_published, SamplingPlan(3, 20_000, 50_000)),
}
"""Name -> sampler."""
