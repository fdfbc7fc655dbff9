"""Compares the ctsm5.4 scheme with a real model's history file of consecutive, instantaneous steps.

The file must hold, for every step and in double precision, state, scalars, rates, pools, fluxes and
vertical tendencies. Scalars and rates follow from the same step's state; losses from the pools of the
step before; transport from those pools and what the step adds to them.

Litter input is not in the file. All of it follows from the pools' budget, but phenology adds its
part before transport and mortality after. The part before is found as three amounts that fit the
stored tendency best: one with the profile of leaves, one with that of fine roots (an average over
plant types) and one with that of the whole input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.model.ctsm_forcing import CtsmColumns, CtsmForcing
from ctsm_socnn.model.ctsm_parameters import CtsmParameters, CtsmSwitches, CtsmVersion
from ctsm_socnn.model.ctsm_scheme import CtsmScheme, mixing, one_step, rates, transport
from ctsm_socnn.model.grid import SOIL_GRID
from ctsm_socnn.model.verification.block import (
    Block,
    largest_by_name,
    profile_error,
    relative_error,
)

__all__ = ["compare", "recognises"]

Array = NDArray[np.float64]

RATE_LIMIT: Final = 1e-14
FLUX_LIMIT: Final = 1e-10
CRITICAL_CARBON: Final = 1e-8
"""gC m-3; less than this the model takes for nothing after each step (ccrit in
SoilBiogeochemPrecisionControl)."""
N_LAYERS: Final = 20
SECONDS_PER_DAY: Final = 86400.0
LITTER: Final = slice(1, 4)
SOIL: Final = slice(4, 7)

POOLS: Final = ("CWD", "LIT_MET", "LIT_CEL", "LIT_LIG", "SOM_ACT", "SOM_SLO", "SOM_PAS")
RESPIRATION: Final = (
    "LIT_MET_HR_vr", "LIT_CEL_HR_vr", "LIT_LIG_HR_vr", "SOM_ACT_HR_S2_vr", "SOM_ACT_HR_S3_vr",
    "SOM_SLO_HR_S1_vr", "SOM_SLO_HR_S3_vr", "SOM_PAS_HR_vr", "CWD_HR_L2_vr", "CWD_HR_L3_vr",
)  # fmt: skip
TRANSFER: Final = (
    "LIT_MET_C_TO_SOM_ACT_C_v", "LIT_CEL_C_TO_SOM_ACT_C_v", "LIT_LIG_C_TO_SOM_SLO_C_v",
    "SOM_ACT_C_TO_SOM_SLO_C_v", "SOM_ACT_C_TO_SOM_PAS_C_v", "SOM_SLO_C_TO_SOM_ACT_C_v",
    "SOM_SLO_C_TO_SOM_PAS_C_v", "SOM_PAS_C_TO_SOM_ACT_C_v", "CWD_C_TO_LIT_CEL_C_vr",
    "CWD_C_TO_LIT_LIG_C_vr",
)  # fmt: skip
"""In the order of CTSM_TRANSITIONS; history cuts names at 24 characters."""
DONOR: Final = (1, 2, 3, 4, 4, 5, 5, 6, 0, 0)
RECEIVER: Final = (4, 4, 5, 5, 6, 4, 6, 4, 2, 3)
FRACTIONS: Final = {0: "L1_{}_S1_vr", 3: "S1_{}_S2_vr", 4: "S1_{}_S3_vr", 5: "S2_{}_S1_vr"}


def recognises(dataset: xr.Dataset) -> bool:
    """Whether the file is a history file that holds rates, vertical tendencies and state."""
    return {"K_SOM_PAS", "SOM_PAS_C_TNDNCY_VERT_TR", "TSOI", "SOILPSI"} <= set(dataset.variables)


def compare(dataset: xr.Dataset, paramfile: Path | None = None) -> Iterator[Block]:
    """Yield the largest error of every block over all steps and land cells.

    Parameters
    ----------
    dataset : xarray.Dataset
        History of ctsm5.4 (h0i, every step, double precision, `use_soil_matrixcn` off).
    paramfile : Path, optional
        The run's parameter file; CLM5's released values by default.

    Raises
    ------
    ValidationError
        If a field is missing or the file's steps do not follow one another.
    """
    history = _StepHistory(dataset)
    parameters = (
        CtsmParameters()
        if paramfile is None
        else CtsmParameters.from_paramfile(paramfile, CtsmVersion.CTSM54)
    )
    yield from largest_by_name(_all_steps(history, parameters))


def _all_steps(history: _StepHistory, parameters: CtsmParameters) -> Iterator[Block]:
    for step in range(history.n_steps):
        yield from _compare_state(history, parameters, step)
        if step > 0:
            yield from _compare_fluxes(history, parameters, step)


class _StepHistory:
    """Fields of the land cells, layers last."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset
        bedrock = self.field("nbedrock").reshape(-1)
        self._land = np.isfinite(bedrock) & (bedrock > 0)
        self.nbedrock = bedrock[self._land]
        self.dt = self._step_length()

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return int(self._dataset.sizes["time"])

    def _step_length(self) -> float:
        """Seconds of a step, from the model's own clock."""
        if self.n_steps < 2 or np.any(np.diff(self.field("nstep")) != 1):
            raise ValidationError(
                "the history file's steps do not follow one another; "
                "write every step (hist_nhtfrq = 1) into one file"
            )
        clock = self.field("mdcur") * SECONDS_PER_DAY + self.field("mscur")
        return float(clock[1] - clock[0])

    def field(self, name: str) -> Array:
        """Return a field as it lies in the file."""
        if name not in self._dataset:
            raise ValidationError(f"the history file has no {name}; add it to hist_fincl1")
        return np.asarray(self._dataset[name].values, dtype=np.float64)

    def constant_profile(self, name: str) -> Array:
        """Return a field without time, (cell, layer)."""
        profiles: Array = _profiles(self.field(name))[self._land]
        return profiles

    def at(self, name: str, step: int) -> Array:
        """Return one step of a field, (cell, layer), or (cell,) for the active layer."""
        values = self.field(name)[step]
        by_cell = values.reshape(-1) if name.startswith("ALTMAX") else _profiles(values)
        cells: Array = by_cell[self._land]
        return cells

    def stack(self, names: tuple[str, ...], step: int) -> Array:
        """Return one step of several fields, (cell, name, layer)."""
        return np.stack([self.at(name, step) for name in names], axis=1)

    def pools(self, step: int) -> Array:
        """Return the pools at the end of a step, (cell, 7, layer)."""
        return self.stack(tuple(f"{pool}_C_vr" for pool in POOLS), step)


def _profiles(values: Array) -> Array:
    """Bring (level, lat, lon) or (level, gridcell) into (cell, layer)."""
    return values.reshape(len(values), -1).T[:, :N_LAYERS]


@dataclass(frozen=True)
class _Moment:
    """The scheme, the columns and the forcing of one step."""

    scheme: CtsmScheme
    columns: CtsmColumns
    forcing: CtsmForcing


def _moment(history: _StepHistory, parameters: CtsmParameters, step: int) -> _Moment:
    # The oxygen scalar is taken as the oxygen ratio: both are the same above its floor.
    switches = CtsmSwitches(use_lch4=True, anoxia=True)
    soil_cn = (parameters.cn_s1, parameters.cn_s2, parameters.cn_s3)
    return _Moment(
        CtsmScheme.of(CtsmVersion.CTSM54, parameters, switches),
        CtsmColumns.from_arrays(
            history.nbedrock,
            history.constant_profile("PCT_SAND"),
            # Litter always demands mineral nitrogen; soil pools, of fixed C:N, follow the rule.
            donor_cn=(0.0, 0.0, 0.0, 0.0, *soil_cn),
        ),
        CtsmForcing.from_arrays(
            history.at("TSOI", step),
            history.at("SOILPSI", step),
            fpi=history.at("FPI_vr", step),
            altmax=history.at("ALTMAX", step),
            altmax_lastyear=history.at("ALTMAX_LASTYEAR", step),
            oxygen_unsaturated=history.at("O_SCALAR", step),
        ),
    )


def _compare_state(history: _StepHistory, parameters: CtsmParameters, step: int) -> Iterator[Block]:
    now = _moment(history, parameters, step)
    ours = rates(now.scheme, now.columns, now.forcing)
    stored_rates = history.stack(tuple(f"K_{pool}" for pool in POOLS), step)
    diffusivity = mixing(now.scheme, now.columns, now.forcing).diffusivity[:, :N_LAYERS]
    for name, values, stored in (
        ("temperature scalar", ours.temperature_scalar, history.at("T_SCALAR", step)),
        ("water scalar", ours.water_scalar, history.at("W_SCALAR", step)),
        ("decomposition rates", ours.decomposition, stored_rates),
        ("diffusivity", diffusivity, history.at("SOM_DIFFUS_COEF", step)),
    ):
        yield Block(name, relative_error(values, stored), RATE_LIMIT)
    for transition, name in FRACTIONS.items():
        path = history.at(name.format("PATHFRAC"), step)
        respired = history.at(name.format("RESP_FRAC"), step)
        for values, stored in (
            (ours.path_fraction[:, transition], path),
            (ours.respired_fraction[:, transition], respired),
        ):
            yield Block("fractions", relative_error(values, stored), RATE_LIMIT)


def _compare_fluxes(
    history: _StepHistory, parameters: CtsmParameters, step: int
) -> Iterator[Block]:
    now = _moment(history, parameters, step)
    start = history.pools(step - 1)
    after = history.pools(step)
    respiration, transfer = history.stack(RESPIRATION, step), history.stack(TRANSFER, step)
    ours = one_step(now.scheme, now.columns, now.forcing, start, dt=history.dt)
    soil = np.where(np.abs(ours.pools) < CRITICAL_CARBON, 0.0, ours.pools)[:, SOIL]
    change = _change_by_decomposition(respiration, transfer, history.dt)
    tendency = history.stack(tuple(f"{pool}_C_TNDNCY_VERT_TR" for pool in POOLS[1:]), step)
    added = (after - start - change - _folded(tendency, history.nbedrock) * history.dt)[:, LITTER]
    change[:, LITTER] += _litter_before_transport(
        history, now, start, change, tendency[:, :3], added, step
    )
    moved = transport(now.scheme, now.columns, now.forcing, start, change, dt=history.dt)
    rate_of_pools = np.abs(start[:, 1:]).max(axis=-1, keepdims=True) / history.dt
    difference = np.abs(moved.tendency[:, 1:] - tendency) / rate_of_pools
    for name, error in (
        ("pool losses: respiration", relative_error(ours.respiration, respiration)),
        ("pool losses: transfer", relative_error(ours.transfer, transfer)),
        ("transport of litter", float(difference[:, :3].max())),
        ("transport of soil carbon", float(difference[:, 3:].max())),
        ("soil pools after the step", profile_error(soil, after[:, SOIL])),
    ):
        yield Block(name, error, FLUX_LIMIT)


def _change_by_decomposition(respiration: Array, transfer: Array, dt: float) -> Array:
    cells = len(respiration)
    change = np.zeros((cells, len(POOLS), N_LAYERS))
    for transition, (donor, receiver) in enumerate(zip(DONOR, RECEIVER, strict=True)):
        change[:, donor] -= (respiration[:, transition] + transfer[:, transition]) * dt
        change[:, receiver] += transfer[:, transition] * dt
    return change


def _folded(tendency: Array, nbedrock: Array) -> Array:
    """Return the tendency of all pools after carbon below bedrock is moved into layer nbedrock."""
    below = np.arange(N_LAYERS) >= nbedrock[:, None]
    bottom = nbedrock.astype(np.int_) - 1
    cells = np.arange(len(nbedrock))
    moved = (np.where(below[:, None], tendency, 0.0) * SOIL_GRID.thickness).sum(axis=-1)
    folded = np.where(below[:, None], 0.0, tendency)
    folded[cells, :, bottom] += moved / SOIL_GRID.thickness[bottom][:, None]
    return np.concatenate([np.zeros((len(cells), 1, N_LAYERS)), folded], axis=1)


def _litter_before_transport(
    history: _StepHistory,
    now: _Moment,
    start: Array,
    change: Array,
    tendency: Array,
    added: Array,
    step: int,
) -> Array:
    """Return what phenology adds to each litter pool before transport (cell, 3, layer), gC m-3."""
    site = now.scheme, now.columns, now.forcing

    def response(pools: Array, litter: Array) -> Array:
        whole = np.zeros_like(pools)
        whole[:, LITTER] = litter
        return transport(*site, pools, whole, dt=history.dt).tendency[:, LITTER]

    profiles = [history.at(name, step)[:, None, :] for name in ("LEAF_PROF", "FROOT_PROF")]
    shapes = [np.broadcast_to(profile, added.shape) for profile in profiles] + [added]
    nothing = np.zeros_like(start)
    responses = np.stack([response(nothing, shape) for shape in shapes], axis=-1)
    remainder = tendency - response(start, change[:, LITTER])
    scale = np.abs(responses).max(axis=-2, keepdims=True)
    scale = np.where(scale > 0.0, scale, 1.0)
    fit = np.linalg.pinv(responses / scale) / np.swapaxes(scale, -1, -2)
    amounts = np.einsum("cpkl,cpl->cpk", fit, remainder)
    before: Array = np.einsum("cpk,kcpl->cpl", amounts, np.stack(shapes))
    return before
