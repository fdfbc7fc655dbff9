"""The published sampler, and its summary of the chains.

The scheme itself is compiled (`fortran/published_scheme.f90`). Its summary, as published (PRODA,
`da_cesm2_clm5_cen_vr_v2.m` 620-712): of each chain the second half of the accepted states, without
repeats; of the chains the one whose mean modelled carbon has the least RMSE.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn import _kernel
from ctsm_socnn.assimilation.chains import (
    MOST_STORED_DRAWS,
    Chains,
    ChosenChain,
    SamplingPlan,
    stream_words,
)
from ctsm_socnn.assimilation.site_problem import SiteProblem
from ctsm_socnn.parameters import lower_bounds, upper_bounds

__all__ = ["gelman_rubin", "sample_as_published"]

_LANES: Final = 8
"""Sites that are computed side by side."""


def sample_as_published(
    problems: Sequence[SiteProblem], plan: SamplingPlan, seeds: Sequence[np.random.SeedSequence]
) -> list[Chains]:
    """Run the published scheme at several sites.

    Parameters
    ----------
    problems : sequence of SiteProblem
        Of the published likelihood.
    plan : SamplingPlan
        Published: 3 chains, 20,000 iterations of part 1, 50,000 of part 2.
    seeds : sequence of SeedSequence
        One a site. What a site finds does not depend on its company.

    Returns
    -------
    list of Chains
        With `chosen`.
    """
    pairs = iter(zip(problems, seeds, strict=True))
    chains: list[Chains] = []
    while some := list(islice(pairs, _LANES)):
        chains += _sample_lanes([p for p, _ in some], plan, [s for _, s in some])
    return chains


def _sample_lanes(
    problems: list[SiteProblem], plan: SamplingPlan, seeds: list[np.random.SeedSequence]
) -> list[Chains]:
    counts = [problem.depth.size for problem in problems]
    draws, cost, mean, sd, carbon, accepted, evaluations, abandoned = _kernel.published_sites(
        plan.chains,
        _last(problem.climate for problem in problems),
        _last(problem.exchange for problem in problems),
        _last(problem.annual_input for problem in problems),
        lower_bounds(),
        upper_bounds(),
        counts,
        *(_padded(problems, name, max(counts)) for name in ("depth", "observed", "weights")),
        np.concatenate([stream_words(seed, 1) for seed in seeds], axis=1),
        plan.warmup,
        plan.draws,
        MOST_STORED_DRAWS,
    )
    found = []
    for i, problem in enumerate(problems):
        error = carbon[: counts[i], :, i] - problem.observed[:, np.newaxis]
        index = int(np.argmin(np.sqrt((error**2).mean(axis=0))))
        chosen = ChosenChain(
            index=index,
            mean=mean[:, index, i],
            sd=sd[:, index, i],
            carbon=carbon[: counts[i], index, i],
            gelman_rubin=gelman_rubin(mean[..., i], sd[..., i], accepted[:, i]),
            abandoned=bool(abandoned[i]),
        )
        found.append(
            Chains(
                draws=draws[..., i].swapaxes(1, 2),
                cost=cost[..., i].T,
                acceptance=accepted[:, i] / plan.draws,
                divergent=0.0,
                evaluations=int(evaluations[i]),
                chosen=chosen,
            )
        )
    return found


def gelman_rubin(
    mean: NDArray[np.float64], sd: NDArray[np.float64], accepted: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Compute the published convergence statistic of each parameter.

    It counts the accepted states of the last chain as the length of all, although only half of
    them enter. For the rank-normalised R-hat see `ctsm_socnn.assimilation.diagnostics`.

    Parameters
    ----------
    mean, sd : ndarray, shape (parameter, chain)
        Over the second half of each chain's accepted states.
    accepted : ndarray of int, shape (chain,)
        Accepted states, both halves.

    Returns
    -------
    ndarray, shape (parameter,)
        NaN of a single chain.
    """
    n_chains, length = accepted.size, float(accepted[-1])
    halves = accepted - np.round(accepted / 2.0)
    squares = sd**2 * np.maximum(halves - 1.0, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = (
            length
            / np.float64(n_chains - 1)
            * ((mean - mean.mean(axis=1, keepdims=True)) ** 2).sum(1)
        )
        within = squares.sum(axis=1) / n_chains / (length - 1.0)
        ratio = (within * (length - 1.0) / length + between / length) / within
        return np.asarray(np.sqrt(ratio))


def _last(arrays: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Stack with the site last, as Fortran has it."""
    return np.stack(list(arrays), axis=-1)


def _padded(problems: list[SiteProblem], name: str, length: int) -> NDArray[np.float64]:
    arrays: list[NDArray[np.float64]] = [getattr(problem, name) for problem in problems]
    return _last(np.pad(array, (0, length - array.size)) for array in arrays)
