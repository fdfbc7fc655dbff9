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
    Mode,
    SamplingPlan,
    starting_points,
    stream_words,
)
from ctsm_socnn.assimilation.published_scheme import sample_as_published
from ctsm_socnn.assimilation.site_problem import SiteProblem

__all__ = ["LAPLACE", "PUBLISHED_SCHEME", "SAMPLERS", "Sampler"]

LAPLACE: Final = "laplace"
PUBLISHED_SCHEME: Final = "published"

_STARTS_OF_THE_MODE: Final = 64

_Run = Callable[
    [Sequence[SiteProblem], SamplingPlan, Sequence[np.random.SeedSequence]], list[Chains]
]


@dataclass(frozen=True)
class Sampler:
    """A sampler of several sites and the plan that suits it.

    Attributes
    ----------
    run : callable
        Problems, plan and one seed a problem, to one `Chains` a problem.
    default_plan : SamplingPlan
    """

    run: _Run
    default_plan: SamplingPlan


def _one_by_one(
    sample_site: Callable[[SiteProblem, SamplingPlan, np.random.SeedSequence], Chains],
) -> _Run:
    def run(
        problems: Sequence[SiteProblem],
        plan: SamplingPlan,
        seeds: Sequence[np.random.SeedSequence],
    ) -> list[Chains]:
        return [
            sample_site(problem, plan, seed) for problem, seed in zip(problems, seeds, strict=True)
        ]

    return run


def _hamiltonian_site(
    problem: SiteProblem, plan: SamplingPlan, seed: np.random.SeedSequence
) -> Chains:
    draws, cost, acceptance, divergent, gradients = _kernel.hamiltonian_site(
        *problem.column,
        *problem.parameters,
        *problem.profile,
        stream_words(seed, plan.chains + 1),
        starting_points(seed, plan.chains),
        plan.warmup,
        plan.draws,
    )
    return Chains(
        draws=draws.swapaxes(1, 2),
        cost=cost.T,
        acceptance=acceptance,
        divergent=divergent,
        evaluations=gradients,
    )


def _adaptive_metropolis_site(
    problem: SiteProblem, plan: SamplingPlan, seed: np.random.SeedSequence
) -> Chains:
    thinning = max(1, plan.draws // MOST_STORED_DRAWS)
    draws, cost, acceptance = _kernel.adaptive_metropolis_site(
        *problem.column,
        *problem.parameters,
        *problem.profile,
        stream_words(seed, plan.chains),
        starting_points(seed, plan.chains),
        plan.warmup,
        thinning,
        plan.draws // thinning,
    )
    return Chains(
        draws=draws.swapaxes(1, 2),
        cost=cost.T,
        acceptance=acceptance,
        divergent=0.0,
        evaluations=plan.chains * (plan.warmup + plan.draws),
    )


def _laplace_site(problem: SiteProblem, plan: SamplingPlan, seed: np.random.SeedSequence) -> Chains:
    """Draw from the normal density that Laplace's approximation is; it has no chains to warm up."""
    point, found, draws, cost, gradients = _kernel.laplace_site(
        *problem.column,
        *problem.parameters,
        *problem.profile,
        stream_words(seed, 1),
        starting_points(seed, _STARTS_OF_THE_MODE),
        plan.chains * plan.draws,
    )
    return Chains(
        draws=draws.reshape(-1, plan.chains, plan.draws),
        cost=cost.reshape(plan.chains, plan.draws),
        acceptance=np.full(plan.chains, np.nan),
        divergent=0.0,
        evaluations=gradients,
        mode=Mode(point, found == 1),
    )


SAMPLERS: Final[Mapping[str, Sampler]] = {
    "hamiltonian": Sampler(_one_by_one(_hamiltonian_site), SamplingPlan(8, 300, 200)),
    "adaptive-metropolis": Sampler(
        _one_by_one(_adaptive_metropolis_site), SamplingPlan(8, 10_000, 20_000)
    ),
    LAPLACE: Sampler(_one_by_one(_laplace_site), SamplingPlan(1, 0, 400)),
    PUBLISHED_SCHEME: Sampler(sample_as_published, SamplingPlan(3, 20_000, 50_000)),
}
"""Name -> sampler."""
