"""Out-of-sample scores of methods: each fold is predicted from the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.assimilation.checkpoint import Block, Checkpoint
from ctsm_socnn.directories import atomic_directory, write_checksums, write_json
from ctsm_socnn.errors import ValidationError, require_at_least
from ctsm_socnn.executors import open_executor, run_tasks
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.network import METHODS as NETWORK_METHODS
from ctsm_socnn.network.site_selection import require_same_sites
from ctsm_socnn.schemas import N_LAYERS
from ctsm_socnn.validation.comparison import Prediction, comparison_json
from ctsm_socnn.validation.figures import draw_observed_modelled
from ctsm_socnn.validation.methods import MethodSettings, TrainingData, answer, require_methods

__all__ = [
    "COMPARISON_FILE",
    "SCORES_FILE",
    "predict_in_sample",
    "predict_out_of_sample",
    "write_evaluation",
]

COMPARISON_FILE: Final = "comparison.nc"
SCORES_FILE: Final = "scores.json"

_ANSWER: Final = "soc"


def predict_in_sample(
    sites: xr.Dataset,
    posterior: xr.Dataset | None,
    rows: Mapping[str, str],
    settings: MethodSettings,
) -> list[Prediction]:
    """Soil carbon by methods that have learnt from the very sites.

    Parameters
    ----------
    sites : xarray.Dataset
        In the sites schema.
    posterior : xarray.Dataset or None
        Site-by-site posterior of the same sites, for the methods that need it.
    rows : mapping of str to str
        Name in tables -> method.
    settings : MethodSettings

    Raises
    ------
    ValidationError
        If a method is not given what it learns from.
    """
    require_methods(rows.values(), settings, posterior=posterior is not None)
    training = TrainingData(sites, posterior, settings)
    return [
        Prediction(name, "in", answer(method, training, sites)) for name, method in rows.items()
    ]


def predict_out_of_sample(
    sites: xr.Dataset,
    posterior: xr.Dataset | None,
    rows: Mapping[str, str],
    settings: MethodSettings,
    fold: NDArray[np.intp],
    *,
    workers: int = 1,
    finished: Checkpoint | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Prediction]:
    """Soil carbon by methods that have not seen the sites they answer for.

    Whatever a method decides (scaling, classes, stopping, shared parameters), it decides on the
    known sites of a fold.

    Parameters
    ----------
    sites, posterior, rows, settings
        As for `predict_in_sample`.
    fold : ndarray of int, shape (site,)
        Sites of one fold are answered together, by what all others taught.
    workers : int
        Processes that share the folds of networks. Results do not depend on it.
    finished : Checkpoint, optional
        Answers of an interrupted run are taken from there and new ones kept there, and networks
        whose training is under way.
    progress : callable, optional
        Called with the row, the fold that is begun and the number of folds.

    Raises
    ------
    ValidationError
        If the folds do not fit the sites, or there is only one; or a method is not given what it
        learns from.
    NetworkError
        If the posterior is not that of the sites, and as the methods themselves.
    WorkerError
        If a worker is lost.
    """
    require_at_least(1, workers=workers)
    require_methods(rows.values(), settings, posterior=posterior is not None)
    _require_folds(sites, posterior, fold)
    numbers = np.unique(fold)
    pairs = enumerate(product(rows.items(), numbers))
    cells = [_Cell(i, name, method, int(number)) for i, ((name, method), number) in pairs]
    blocks = {} if finished is None else _finished(finished, cells)
    missing = [cell for cell in cells if cell.index not in blocks]
    # Networks take longest: begun first, they leave no process without work at the end.
    missing.sort(key=lambda cell: cell.method not in NETWORK_METHODS)

    def tasks() -> Iterator[_Task]:
        for cell in missing:
            if progress is not None:
                progress(cell.row, int(np.searchsorted(numbers, cell.fold)), numbers.size)
            known, tested = np.flatnonzero(fold != cell.fold), np.flatnonzero(fold == cell.fold)
            past = None if posterior is None else posterior.isel(site=known)
            work = None if finished is None else finished.scratch(cell.index)
            training = TrainingData(sites.isel(site=known), past, settings, cell.fold, work)
            yield _Task(cell, training, sites.isel(site=tested))

    workers = max(1, min(workers, sum(cell.method in NETWORK_METHODS for cell in missing)))
    with open_executor(workers) as executor:
        for index, block in run_tasks(_answer, tasks(), executor, workers - 1, here=True):
            if finished is not None:
                finished.save(index, block)
            blocks[index] = block
    soc = {name: np.full((sites.sizes["site"], N_LAYERS), np.nan) for name in rows}
    for cell in cells:
        soc[cell.row][fold == cell.fold] = blocks[cell.index][_ANSWER]
    return [Prediction(name, "out", values) for name, values in soc.items()]


@dataclass(frozen=True)
class _Cell:
    """A row of the tables at one fold; its answer is the block `index` of the checkpoint."""

    index: int
    row: str
    method: str
    fold: int


@dataclass(frozen=True)
class _Task:
    """What is to be answered, what may be learnt from, and the sites to answer for."""

    cell: _Cell
    training: TrainingData
    tested: xr.Dataset


def _answer(task: _Task) -> tuple[int, Block]:
    return task.cell.index, {_ANSWER: answer(task.cell.method, task.training, task.tested)}


def _finished(checkpoint: Checkpoint, cells: Iterable[_Cell]) -> dict[int, Block]:
    """Answers of an interrupted run."""
    blocks = {cell.index: checkpoint.load(cell.index) for cell in cells}
    return {index: block for index, block in blocks.items() if block is not None}


def _require_folds(sites: xr.Dataset, posterior: xr.Dataset | None, fold: NDArray[np.intp]) -> None:
    """Refuse folds or posteriors that are not of these sites."""
    count = np.unique(fold).size
    if fold.shape != (sites.sizes["site"],) or count < 2:
        raise ValidationError(
            f"{count} folds of {fold.size} sites were given for {sites.sizes['site']} sites; "
            "there must be two or more"
        )
    if posterior is not None:
        require_same_sites(sites, posterior)


def write_evaluation(
    comparison: xr.Dataset, directory: Path, attributes: Mapping[str, str], *, overwrite: bool
) -> None:
    """Write a comparison with its scores as JSON and its figure, all or nothing.

    Parameters
    ----------
    comparison : xarray.Dataset
        Result of `compare_methods`.
    directory : Path
        Made by this function.
    attributes : mapping of str to str
        Provenance.
    overwrite : bool

    Raises
    ------
    FileError
        If the directory exists and may not be replaced, or cannot be written.
    """
    with atomic_directory(directory, overwrite=overwrite) as temporary:
        write_dataset(comparison.assign_attrs(attributes), temporary / COMPARISON_FILE)
        write_json(temporary / SCORES_FILE, comparison_json(comparison))
        draw_observed_modelled(comparison, temporary / "observed_modelled.png")
        write_checksums(temporary)
