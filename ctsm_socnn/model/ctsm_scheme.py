"""CTSM's soil decomposition and vertical transport, one process at a time.

The names of the functions are those of the processes: `rates` (decomp_rate_constants_bgc), `mixing`
and `transport` (SoilBiogeochemLittVertTransp), `transfer_matrix` (its matrix form in ctsm5.4) and
`one_step` (the CN driver's order). Runs over many steps are in `ctsm_socnn.model.simulation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn import _kernel
from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.arguments import checked_step_length, thread_count
from ctsm_socnn.model.ctsm_forcing import (
    CTSM_TRANSITIONS,
    N_LAYERS,
    CtsmColumns,
    CtsmForcing,
    as_pools,
)
from ctsm_socnn.model.ctsm_parameters import CtsmParameters, CtsmSwitches, CtsmVersion

__all__ = [
    "CtsmScheme",
    "KernelRun",
    "Mixing",
    "Rates",
    "Step",
    "Transport",
    "kernel_arguments",
    "mixing",
    "one_step",
    "rates",
    "run_kernel",
    "site_arguments",
    "transfer_matrix",
    "transport",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CtsmScheme:
    """A generation of the model with its parameters and switches.

    Attributes
    ----------
    version : CtsmVersion
    parameters : tuple of CtsmParameters
        One set, or several among which `CtsmColumns.parameter_set` chooses.
    switches : CtsmSwitches
    """

    version: CtsmVersion
    parameters: tuple[CtsmParameters, ...]
    switches: CtsmSwitches

    @classmethod
    def of(
        cls,
        version: CtsmVersion | str,
        parameters: CtsmParameters | Sequence[CtsmParameters] | None = None,
        switches: CtsmSwitches | None = None,
    ) -> CtsmScheme:
        """Scheme of a version, with CLM5's parameters and switches unless others are given.

        Raises
        ------
        KernelError
            If the version is unknown or does not have a switch that is set.
        """
        known = CtsmVersion(version)
        if parameters is None:
            parameters = CtsmParameters()
        sets = (parameters,) if isinstance(parameters, CtsmParameters) else tuple(parameters)
        chosen = CtsmSwitches() if switches is None else switches
        chosen.codes(known)
        return cls(known, sets, chosen)


class Rates(NamedTuple):
    """Result of `rates`.

    Scalars (n, 20), 1; `decomposition` (n, 7, 20), s-1, spin-up included; path and respired
    fractions (n, 10, 20), 1, in the order of `CTSM_TRANSITIONS`; `spinup_factor` (n, 7), 1, of each
    pool without its latitude term; `spinup_term` (n, 7), 1, by which decay and mixing are sped up,
    latitude included, 1 without the spin-up switch.
    """

    temperature_scalar: Array
    water_scalar: Array
    oxygen_scalar: Array
    depth_scalar: Array
    decomposition: Array
    path_fraction: Array
    respired_fraction: Array
    spinup_factor: Array
    spinup_term: Array


class Mixing(NamedTuple):
    """Result of `mixing`: (n, 21) at the bottoms of levels 1 to 21, m2 s-1 and m s-1."""

    diffusivity: Array
    velocity: Array


class Transport(NamedTuple):
    """Result of `transport`: pools (n, 7, 20), gC m-3, and tendency (n, 7, 20), gC m-3 s-1.

    As in the model's history files, the tendency is that before carbon below bedrock is folded
    into the last level above it.
    """

    pools: Array
    tendency: Array


class Step(NamedTuple):
    """Result of `one_step`: pools (n, 7, 20), gC m-3; fluxes (n, 10, 20), gC m-3 s-1."""

    pools: Array
    respiration: Array
    transfer: Array


def kernel_arguments(
    scheme: CtsmScheme, columns: CtsmColumns, threads: int | None
) -> tuple[NDArray[np.int32], Array, NDArray[np.int32], int]:
    """Switches, parameters, one-based parameter set of each column, and threads, for the kernel.

    Raises
    ------
    KernelError
        If a column names a parameter set that the scheme does not have.
    """
    sets = columns.parameter_set
    wrong = np.flatnonzero((sets < 0) | (sets >= len(scheme.parameters)))
    if wrong.size:
        raise KernelError(
            f"parameter_set is {sets[wrong[0]]} in column {wrong[0]}; "
            f"the scheme has {len(scheme.parameters)} set(s), counted from 0"
        )
    vectors = np.stack([each.vector() for each in scheme.parameters])
    one_based = sets + np.int32(1)
    return scheme.switches.codes(scheme.version), vectors.T, one_based, thread_count(threads)


def _require_same_columns(columns: CtsmColumns, forcing: CtsmForcing) -> None:
    if len(columns) != forcing.n_columns:
        raise KernelError(f"there are {len(columns)} columns, but forcing of {forcing.n_columns}")


def rates(
    scheme: CtsmScheme, columns: CtsmColumns, forcing: CtsmForcing, *, threads: int | None = None
) -> Rates:
    """Scalars, decomposition rates and cascade fractions for the first record of a forcing.

    CTSM: decomp_rate_constants_bgc; CLM5 technical note, *Environmental modifiers on decomposition
    rate*.

    Raises
    ------
    KernelError
        If columns and forcing do not fit together.
    """
    _require_same_columns(columns, forcing)
    switches, parameters, sets, count = kernel_arguments(scheme, columns, threads)
    scalars, rate, path, respired, factor, term = _kernel.ctsm_rates(
        switches,
        parameters,
        sets,
        columns.latitude,
        columns.sand.T,
        forcing.temperature[:1].T,
        forcing.water_potential[:1].T,
        forcing.oxygen_unsaturated[:1].T,
        forcing.oxygen_saturated[:1].T,
        forcing.inundated_fraction[:1].T,
        count,
    )
    t, w, o, depth = (scalars.T[:, i] for i in range(4))
    return Rates(t, w, o, depth, rate.T, path.T, respired.T, factor.T, term.T)


def mixing(
    scheme: CtsmScheme, columns: CtsmColumns, forcing: CtsmForcing, *, threads: int | None = None
) -> Mixing:
    """Diffusivity and advective velocity for the first record, without spin-up's acceleration.

    CTSM: first part of SoilBiogeochemLittVertTransp; CLM5 technical note, *Vertical Distribution and
    Transport of Decomposing C and N pools*.

    Raises
    ------
    KernelError
        If columns and forcing do not fit together.
    """
    _require_same_columns(columns, forcing)
    switches, parameters, sets, count = kernel_arguments(scheme, columns, threads)
    diffusivity, velocity = _kernel.ctsm_mixing(
        switches,
        parameters,
        sets,
        columns.nbedrock,
        forcing.altmax[:1].T,
        forcing.altmax_lastyear[:1].T,
        count,
    )
    return Mixing(diffusivity.T, velocity.T)


def transport(
    scheme: CtsmScheme,
    columns: CtsmColumns,
    forcing: CtsmForcing,
    pools: ArrayLike,
    change: ArrayLike,
    *,
    dt: float,
    calls: int = 1,
    threads: int | None = None,
) -> Transport:
    """Implicit transport alone, without decomposition (CTSM: SoilBiogeochemLittVertTransp).

    Parameters
    ----------
    pools : (n, 7, 20), gC m-3
    change : (n, 7, 20), gC m-3
        What input and decomposition add in one step (CTSM: sourcesink); the same at each call.
    dt : float, s
    calls : int
        Steps in a row. Nothing clips negative results.

    Raises
    ------
    KernelError
        If columns, forcing and pools do not fit together, or naming what is impossible.
    """
    _require_same_columns(columns, forcing)
    if calls < 1:
        raise KernelError(f"calls is {calls}; it must be 1 or more")
    n = len(columns)
    switches, parameters, sets, count = kernel_arguments(scheme, columns, threads)
    after, tendency = _kernel.ctsm_transport(
        switches,
        parameters,
        sets,
        columns.nbedrock,
        columns.latitude,
        forcing.altmax[:1].T,
        forcing.altmax_lastyear[:1].T,
        checked_step_length(dt),
        calls,
        as_pools(pools, n).T,
        as_pools(change, n, "change").T,
        count,
    )
    return Transport(after.T, tendency.T)


def transfer_matrix(
    scheme: CtsmScheme,
    columns: CtsmColumns,
    forcing: CtsmForcing,
    *,
    dt: float,
    threads: int | None = None,
) -> Array:
    """One pool's block of ctsm5.4's sparse transport matrix (tri_ma_vr), 1 per step.

    The model builds it from the first pool and uses it for all six mobile pools, so that spin-up
    does not speed up S2 and S3 in it, and leaves the bottom open where nbedrock is 19 or 20.

    Returns
    -------
    (n, 58)
        Entry 3j-4 (one-based) couples level j to j-1, 3j-2 is the diagonal, 3j couples it to j+1;
        zero below bedrock.
    """
    _require_same_columns(columns, forcing)
    switches, parameters, sets, count = kernel_arguments(scheme, columns, threads)
    blocks: Array = _kernel.ctsm_matrix(
        switches,
        parameters,
        sets,
        columns.nbedrock,
        columns.latitude,
        forcing.altmax[:1].T,
        forcing.altmax_lastyear[:1].T,
        checked_step_length(dt),
        count,
    ).T
    return blocks


def one_step(
    scheme: CtsmScheme,
    columns: CtsmColumns,
    forcing: CtsmForcing,
    pools: ArrayLike,
    *,
    dt: float,
    threads: int | None = None,
) -> Step:
    """One full step with the first record: rates, decomposition, input, transport.

    All rates use the pools at the start of the step; a pool that is not positive gives nothing.
    CTSM: CNDriverNoLeaching, with SoilBiogeochemPotential, SoilBiogeochemDecomp and CStateUpdate1.

    Raises
    ------
    KernelError
        If columns, forcing and pools do not fit together.
    """
    site, count = site_arguments(scheme, columns, forcing, threads)
    start = as_pools(pools, len(columns))
    flux = (len(columns), len(CTSM_TRANSITIONS), N_LAYERS)
    step = Step(np.empty_like(start), np.empty(flux), np.empty(flux))
    _kernel.ctsm_one_step(
        *site, checked_step_length(dt), start.T, count, *(each.T for each in step)
    )
    return step


class KernelRun(NamedTuple):
    """What the kernel's loop over steps gives back at the saves, columns first.

    Pools (n, saves, 7, 20), gC m-3; respiration and input so far (n, saves), gC m-2.
    """

    pools: Array
    respiration: Array
    input: Array


def run_kernel(
    scheme: CtsmScheme,
    columns: CtsmColumns,
    forcing: CtsmForcing,
    pools: ArrayLike,
    dt: float,
    record: NDArray[np.int32],
    save: NDArray[np.int32],
    threads: int | None,
) -> KernelRun:
    """Run the kernel over steps: `record` of each, zero-based; `save` are steps counted from 1."""
    site, count = site_arguments(scheme, columns, forcing, threads)
    start, n = as_pools(pools, len(columns)), len(columns)
    slot = np.zeros(len(record), dtype=np.int32)
    slot[save - 1] = np.arange(1, len(save) + 1)
    run = KernelRun(
        np.empty((n, len(save), *start.shape[1:])),
        np.empty((n, len(save))),
        np.empty((n, len(save))),
    )
    _kernel.ctsm_run(
        *site,
        checked_step_length(dt),
        record + np.int32(1),
        slot,
        start.T,
        count,
        *(each.T for each in run),
    )
    return run


def site_arguments(
    scheme: CtsmScheme, columns: CtsmColumns, forcing: CtsmForcing, threads: int | None
) -> tuple[tuple[NDArray[Any], ...], int]:
    """Scheme, columns and forcing in the order in which the kernel takes them, and the threads.

    Raises
    ------
    KernelError
        If columns, forcing and parameter sets do not fit together.
    """
    _require_same_columns(columns, forcing)
    switches, parameters, sets, count = kernel_arguments(scheme, columns, threads)
    arrays = (
        switches,
        parameters,
        sets,
        columns.nbedrock,
        columns.latitude,
        columns.sand.T,
        columns.donor_cn.T,
        forcing.temperature.T,
        forcing.water_potential.T,
        forcing.oxygen_unsaturated.T,
        forcing.oxygen_saturated.T,
        forcing.inundated_fraction.T,
        forcing.fpi.T,
        forcing.altmax.T,
        forcing.altmax_lastyear.T,
        forcing.inputs.T,
    )
    return arrays, count
