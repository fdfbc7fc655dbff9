"""Compares the CTSM schemes with reference numbers of the real code, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import xarray as xr

from ctsm_socnn.model.ctsm_forcing import CtsmForcing
from ctsm_socnn.model.ctsm_parameters import CtsmVersion
from ctsm_socnn.model.ctsm_scheme import mixing, one_step, rates, transfer_matrix, transport
from ctsm_socnn.model.grid import SOIL_GRID
from ctsm_socnn.model.simulation import repeated_records, simulate
from ctsm_socnn.model.verification.block import Block, largest_by_name, relative_error
from ctsm_socnn.model.verification.golden_ctsm import DAYS_OF_HALF_HOURS, Array, GoldenCtsm

__all__ = ["compare", "recognises"]

ONE_CALL: Final = 1e-13
"""Limit of rates, fractions, diffusivity, one transport call and one full step."""
HUNDRED_CALLS: Final = 1e-12
LONG_RUN: Final = 1e-11

HALF_HOUR: Final = 1800.0
DAY: Final = 86400.0
STEP_COLUMNS: Final = 6
MOBILE_POOLS: Final = 6


def recognises(dataset: xr.Dataset) -> bool:
    """Whether the file holds numbers of the real CTSM code."""
    return {"ctsm_tag", "pool_names"} <= set(dataset.attrs) and "lr_daily_pool" in dataset


def compare(dataset: xr.Dataset) -> Iterator[Block]:
    """Yield the largest error of every block over all experiments."""
    golden = GoldenCtsm(dataset)
    yield _grid(golden)
    yield from largest_by_name(
        block for experiment in golden.experiments for block in _blocks(golden, experiment)
    )


def _grid(golden: GoldenCtsm) -> Block:
    """Depths and thicknesses, which must be the model's to the last bit: thaw depths are compared."""
    error = max(
        float(np.abs(ours - golden.grid(name)[: len(ours)]).max())
        for name, ours in (
            ("zsoi", SOIL_GRID.node_depth),
            ("dzsoi", SOIL_GRID.thickness),
            ("zisoi", SOIL_GRID.interface_depth),
        )
    )
    return Block("soil grid", error, 0.0)


def _blocks(golden: GoldenCtsm, experiment: int) -> Iterator[Block]:
    yield from _rates(golden, experiment)
    yield from _mixing(golden, experiment)
    yield from _transport(golden, experiment)
    if golden.version is CtsmVersion.CTSM54:
        yield from _matrix(golden, experiment)
    for mode in (0, 1):
        yield from _one_step(golden, experiment, mode)
        yield from _daily_run(golden, experiment, mode)
        yield from _half_hourly_run(golden, experiment, mode)
    yield from _limited_transitions(golden, experiment)


def _rates(golden: GoldenCtsm, experiment: int) -> Iterator[Block]:
    ours = rates(golden.scheme(experiment), golden.columns(experiment), golden.forcing(experiment))
    depth = np.broadcast_to(golden.value("depth_scalar", experiment), ours.depth_scalar.shape)
    spinup = golden.pools("spinup_factor", experiment, axis=-1)
    for name, values, reference in (
        ("temperature scalar", ours.temperature_scalar, golden.value("t_scalar", experiment)),
        ("water scalar", ours.water_scalar, golden.value("w_scalar", experiment)),
        ("oxygen scalar", ours.oxygen_scalar, golden.value("o_scalar", experiment)),
        ("depth scalar", ours.depth_scalar, depth),
        ("spin-up factors", ours.spinup_factor, np.broadcast_to(spinup, ours.spinup_factor.shape)),
        ("decomposition rates", ours.decomposition, golden.pools("decomp_k", experiment)),
        ("path fractions", ours.path_fraction, golden.value("pathfrac", experiment)),
        ("respired fractions", ours.respired_fraction, golden.value("rf", experiment)),
    ):
        yield Block(name, relative_error(values, reference), ONE_CALL)


def _mixing(golden: GoldenCtsm, experiment: int) -> Iterator[Block]:
    ours = mixing(golden.scheme(experiment), golden.columns(experiment), golden.forcing(experiment))
    diffusivity = golden.value("som_diffus_coef", experiment)
    velocity = golden.value("som_adv_coef", experiment)
    yield Block("diffusivity", relative_error(ours.diffusivity, diffusivity), ONE_CALL)
    yield Block("advective velocity", relative_error(ours.velocity, velocity), ONE_CALL)


def _transport(golden: GoldenCtsm, experiment: int) -> Iterator[Block]:
    site = golden.scheme(experiment), golden.columns(experiment), golden.forcing(experiment)
    start, source = golden.pools("pool_init", experiment), golden.pools("pool_source", experiment)
    for dt in (HALF_HOUR, DAY):
        for calls in (1, 10, 100):
            name = f"pool_after{calls}_dt{dt:.0f}"
            if name in golden:
                after = transport(*site, start, source, dt=dt, calls=calls).pools
                error = relative_error(after, golden.pools(name, experiment))
                limit = HUNDRED_CALLS if calls == 100 else ONE_CALL
                yield Block(f"transport, {calls} x {dt:.0f} s", error, limit)
    ours = transport(*site, start, source, dt=HALF_HOUR).tendency[:, 1:]
    reference = golden.mobile_pools("transport_tendency_after1_dt1800", experiment)
    scale = np.abs(start).max() / HALF_HOUR
    yield Block("transport tendency", float(np.abs(ours - reference).max() / scale), ONE_CALL)


def _matrix(golden: GoldenCtsm, experiment: int) -> Iterator[Block]:
    site = golden.scheme(experiment), golden.columns(experiment), golden.forcing(experiment)
    for dt in (HALF_HOUR, DAY):
        ours = np.tile(transfer_matrix(*site, dt=dt), MOBILE_POOLS)
        reference = golden.value(f"tri_ma_vr_dt{dt:.0f}", experiment)
        yield Block(f"transport matrix, {dt:.0f} s", relative_error(ours, reference), ONE_CALL)


def _start_of_step(golden: GoldenCtsm, experiment: int) -> Array:
    """Return the initial pools without what lies below bedrock."""
    bedrock = golden.value("nbedrock", experiment)
    below = np.arange(20) >= bedrock[:, None]
    return np.where(below[:, None, :], 0.0, golden.pools("pool_init", experiment))


def _one_step(golden: GoldenCtsm, experiment: int, mode: int) -> Iterator[Block]:
    step = one_step(
        golden.scheme(experiment),
        golden.columns(experiment, with_nitrogen=mode == 1),
        golden.forcing(experiment),
        _start_of_step(golden, experiment),
        dt=HALF_HOUR,
    )
    for name, values, reference in (
        ("pools", step.pools, golden.pools(f"step1_pool_n{mode}", experiment)),
        ("respiration", step.respiration, golden.value(f"step1_hr_vr_n{mode}", experiment)),
        ("transfer", step.transfer, golden.value(f"step1_ctransfer_vr_n{mode}", experiment)),
    ):
        error = relative_error(values[:STEP_COLUMNS], reference)
        yield Block(f"one step, {name}, nitrogen mode {mode}", error, ONE_CALL)


def _limited_transitions(golden: GoldenCtsm, experiment: int) -> Iterator[Block]:
    """Which transitions nitrogen limits, found by halving fpi_vr; the error counts mismatches."""
    site = golden.scheme(experiment), golden.columns(experiment, with_nitrogen=True)
    start = _start_of_step(golden, experiment)
    transfers = [
        one_step(*site, _with_fpi(golden.forcing(experiment), fpi), start, dt=HALF_HOUR).transfer
        for fpi in (1.0, 0.5)
    ]
    limited = transfers[1] < 0.75 * transfers[0]
    reference = golden.value("step1_immobilizes_n1", experiment)
    known = reference >= 0.0
    wrong = limited[:STEP_COLUMNS][known] != (reference[known] > 0.0)
    yield Block("transitions limited by nitrogen", float(np.count_nonzero(wrong)), 0.0)


def _with_fpi(forcing: CtsmForcing, fpi: float) -> CtsmForcing:
    return CtsmForcing.from_arrays(
        **{**vars(forcing), "fpi": fpi},
    )


def _daily_run(golden: GoldenCtsm, experiment: int, mode: int) -> Iterator[Block]:
    forcing = golden.daily_forcing(experiment)
    records = repeated_records(forcing.n_records, 1)
    yield from _long_run(golden, experiment, mode, "daily", forcing, DAY, records)


def _half_hourly_run(golden: GoldenCtsm, experiment: int, mode: int) -> Iterator[Block]:
    forcing = golden.half_hourly_forcing(experiment)
    records = repeated_records(DAYS_OF_HALF_HOURS, int(DAY / HALF_HOUR))
    yield from _long_run(golden, experiment, mode, "hhour", forcing, HALF_HOUR, records)


def _long_run(
    golden: GoldenCtsm,
    experiment: int,
    mode: int,
    name: str,
    forcing: CtsmForcing,
    dt: float,
    records: np.ndarray[tuple[int], np.dtype[np.int32]],
) -> Iterator[Block]:
    run = simulate(
        golden.scheme(experiment),
        golden.columns(experiment, with_nitrogen=mode == 1, prefix="lr_"),
        forcing,
        golden.pools("lr_pool_init", experiment),
        dt=dt,
        record=records,
        save=golden.steps(name),
    )
    title = {"daily": "5-year run", "hhour": "half-hourly run"}[name]
    pools = np.swapaxes(golden.pools(f"lr_{name}_pool", experiment)[:, mode], 0, 1)
    yield Block(
        f"{title}, pools, nitrogen mode {mode}",
        relative_error(run["pools"].values, pools),
        LONG_RUN,
    )
    for quantity, short in (("respiration", "cum_hr"), ("input", "cum_input")):
        reference = golden.value(f"lr_{name}_{short}", experiment)[:, mode].T
        error = relative_error(run[quantity].values, reference)
        yield Block(f"{title}, {quantity}, nitrogen mode {mode}", error, LONG_RUN)
