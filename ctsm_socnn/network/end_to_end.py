"""Training through the model: covariates to parameters to soil carbon to loss.

The kernel's adjoint gives the gradient, so the network learns from measurements and not from the
parameters of another fit. Batches consist of sites, each with any number of observations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model import Columns
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.model.torch_observation import TorchObservation
from ctsm_socnn.model.torch_op import observe
from ctsm_socnn.model.torch_op import soc as soc_op
from ctsm_socnn.model.torch_steady_state import torch_soil_carbon
from ctsm_socnn.network.device import CPU, Device
from ctsm_socnn.network.ensemble import MemberTask, Progress, TrainingSet, train_ensemble
from ctsm_socnn.network.folds import positions_km
from ctsm_socnn.network.imagined_sites import ImaginedSites, imagined_sites
from ctsm_socnn.network.inputs import Inputs
from ctsm_socnn.network.losses import SocLoss, positive_variance
from ctsm_socnn.network.model import Model
from ctsm_socnn.network.refinement import Refinement
from ctsm_socnn.network.settings import NetworkSettings
from ctsm_socnn.network.shared_start import fit_shared_parameters
from ctsm_socnn.network.site_selection import without_observations
from ctsm_socnn.network.stocks import stock_weights
from ctsm_socnn.network.teachers import Teachers
from ctsm_socnn.parameters import lower_bounds, upper_bounds
from ctsm_socnn.schemas import N_LAYERS, without_forcing

__all__ = ["ProfileObjective", "train_end_to_end"]

_ROWS_A_THREAD: Final = 1000
"""With fewer, another thread costs more than it saves, above all on a busy machine."""


def train_end_to_end(
    sites: xr.Dataset,
    settings: NetworkSettings,
    seed: int,
    *,
    device: Device = CPU,
    work: Path | None = None,
    progress: Progress | None = None,
) -> Model:
    """Train an ensemble through the kernel.

    Parameters
    ----------
    sites : xarray.Dataset
        The training sites, in the sites schema.
    settings : NetworkSettings
    seed : int
    device : Device
    work : Path, optional
        Directory for resuming a killed training.
    progress : callable, optional

    Raises
    ------
    NetworkError
        If too few sites are left or the loss is no longer finite.
    """
    reasons = {
        "forcing missing": without_forcing(sites),
        "no usable observation": without_observations(sites, settings.below_bedrock),
    }
    if settings.imagined_sites > 0 and settings.validation_fraction > 0.0:
        raise NetworkError(
            "network setting validation_fraction must be 0 with imagined_sites: the teachers that "
            "imagine have seen every training site, so that none can decide when to stop"
        )
    training = TrainingSet.prepare(sites, reasons, settings)
    everywhere = _Sample.of(training, np.arange(training.sites.sizes["site"]), settings)
    start = fit_shared_parameters(
        everywhere.objective(settings), len(everywhere.columns), settings.parameters, seed
    )
    teachers: list[Teachers] = []

    def taught(sample: _Sample) -> _Sample:
        if settings.imagined_sites == 0:
            return sample
        teachers.append(sample.teachers(training, seed))
        return sample.imagining(teachers[-1], training, settings, seed)

    if not settings.bootstrap:
        everywhere = taught(everywhere)

    def member_task(rows: NDArray[np.intp]) -> MemberTask:
        sample = everywhere
        if settings.bootstrap:
            sample = taught(_Sample.of(training, rows, settings))
        return MemberTask(sample.learnt, sample.objective(settings, device))

    model = train_ensemble(
        "end-to-end",
        training,
        member_task,
        settings,
        seed,
        start=start,
        device=device,
        work=work,
        progress=progress,
    )
    if not settings.refines:
        return model
    return replace(model, refinement=Refinement.fit(tuple(teachers), everywhere.operator))


@dataclass(frozen=True, eq=False)
class _Sample:
    """Training sites, all or a bootstrap sample, and what is learnt from them.

    `imagined` are the imagined sites that replace them, if any.
    """

    inputs: Inputs
    columns: Columns
    operator: ObservationOperator
    positions: NDArray[np.float64]
    imagined: ImaginedSites | None = None

    @classmethod
    def of(
        cls, training: TrainingSet, rows: NDArray[np.intp], settings: NetworkSettings
    ) -> _Sample:
        sites = training.sites.isel(site=rows)
        return cls(
            training.inputs.take(rows),
            Columns.from_sites(sites),
            ObservationOperator.from_sites(sites, settings.below_bedrock),
            positions_km(sites),
        )

    def teachers(self, training: TrainingSet, seed: int) -> Teachers:
        """Fit teachers to the profiles."""
        return Teachers.fit(self.inputs, training.transform, self.operator, self.positions, seed)

    def imagining(
        self, teachers: Teachers, training: TrainingSet, settings: NetworkSettings, seed: int
    ) -> _Sample:
        """Add imagined sites."""
        per_site = settings.imagined_per_site(len(self.inputs))
        found = imagined_sites(
            teachers, self.inputs, training.transform, self.operator, per_site, seed
        )
        return replace(self, imagined=found)

    @property
    def learnt(self) -> Inputs:
        """Inputs of the rows of the objective."""
        return self.inputs if self.imagined is None else self.imagined.inputs

    def objective(self, settings: NetworkSettings, device: Device = CPU) -> ProfileObjective:
        return ProfileObjective(self.columns, self.operator, settings, self.imagined, device)


class ProfileObjective:
    """Loss of the soil carbon modelled with given parameters, plus the penalty of the prior.

    The kernel uses at most as many threads as torch had when the objective was created; its
    results do not depend on their number.

    Parameters
    ----------
    columns : Columns
        Forcing of the training sites.
    operator : ObservationOperator
        Their observations, whose variance scales all errors.
    settings : NetworkSettings
    imagined : ImaginedSites, optional
        Targets that replace the observations.
    device : Device
        Where parameters and losses live.
    """

    def __init__(
        self,
        columns: Columns,
        operator: ObservationOperator,
        settings: NetworkSettings,
        imagined: ImaginedSites | None = None,
        device: Device = CPU,
    ) -> None:
        self._columns = columns
        self._device = device
        place = torch.device(device.place)
        self._loss = SocLoss(
            settings.loss,
            operator.values,
            operator.depth,
            operator.site,
            place,
            settings.log_weight,
        )
        thickness = stock_weights(operator)
        stocks = np.bincount(operator.site, weights=thickness * operator.values)
        self._stock_variance = positive_variance(np.asarray(stocks, dtype=np.float64))
        self._site = np.arange(len(columns)) if imagined is None else imagined.site
        typical = operator.values if imagined is None else imagined.typical
        learnt = operator if imagined is None else imagined.operator
        self._operator = learnt
        self._threads = torch.get_num_threads()
        self._observed = torch.from_numpy(learnt.values).to(place)
        self._typical = torch.from_numpy(typical).to(place)
        # Imagined observations repeat the measured ones in their order.
        self._measured = torch.arange(len(learnt.values), device=place) % len(operator.values)
        self._low = torch.from_numpy(lower_bounds()).to(place)
        self._span = torch.from_numpy(upper_bounds() - lower_bounds()).to(place)
        self._prior_weight = settings.parameters.prior_weight
        self._thickness = torch.from_numpy(thickness).to(place)
        self._stock_weight = settings.stock_weight
        self._batch = _Batch.of(learnt, np.arange(learnt.n_sites), device)

    def parameters(self) -> list[nn.Parameter]:
        """Quantities that are learnt along with the network."""
        return self._loss.parameters()

    def loss(self, unit: Tensor, rows: NDArray[np.intp]) -> Tensor:
        """Loss of unit-cube parameters `unit` (len(rows), 21) of the rows `rows`."""
        batch = self._observations(rows)
        parameters = self._low + self._span * unit
        modelled, observed = batch.see(self._soc(parameters, rows)), self._observed[batch.which]
        measured = self._measured[batch.which]
        error = self._thickness[measured] * (modelled - observed)
        stock_error = torch.zeros(len(rows)).to(error).index_add(0, batch.site, error)
        return (
            self._loss(modelled, observed, measured, self._typical[batch.which])
            + self._stock_weight * torch.mean(stock_error**2) / self._stock_variance
            + self._prior_weight * torch.mean((unit - 0.5) ** 2)
        )

    def _soc(self, parameters: Tensor, rows: NDArray[np.intp]) -> Tensor:
        if self._device.compiled:
            threads = min(self._threads, 1 + len(rows) // _ROWS_A_THREAD)
            return soc_op(self._columns, parameters, self._site[rows], threads)
        return torch_soil_carbon(self._columns, parameters, self._site[rows])

    def _observations(self, rows: NDArray[np.intp]) -> _Batch:
        # With all rows in one batch nothing changes between epochs.
        if not np.array_equal(rows, self._batch.rows):
            self._batch = _Batch.of(self._operator, rows, self._device)
        return self._batch


@dataclass(frozen=True, eq=False)
class _Batch:
    """Observations of some sites.

    `which` are their positions among all (m), `site` the positions of their sites in `rows` (m),
    and `see` maps the carbon of `rows`, shape (len(rows), 20), to modelled observations.
    """

    rows: NDArray[np.intp]
    which: Tensor
    site: Tensor
    see: Callable[[Tensor], Tensor]

    @classmethod
    def of(cls, operator: ObservationOperator, rows: NDArray[np.intp], device: Device) -> _Batch:
        place = np.full(operator.n_sites, -1)
        place[rows] = np.arange(len(rows))
        which = np.flatnonzero(place[operator.site] >= 0)
        chosen = operator.matrix[which]
        site, layer = np.divmod(chosen.indices, N_LAYERS)
        matrix = sparse.csr_array(
            (chosen.data, place[site] * N_LAYERS + layer, chosen.indptr),
            shape=(len(which), len(rows) * N_LAYERS),
        )
        on = torch.device(device.place)
        see = partial(observe, matrix) if device.compiled else TorchObservation(matrix, on)
        local = torch.from_numpy(place[operator.site[which]]).to(on)
        return cls(rows, torch.from_numpy(which).to(on), local, see)
