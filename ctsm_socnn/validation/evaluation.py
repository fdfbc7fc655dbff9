"""Methods judged where they have not looked: each fold is answered by what the others taught."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.assimilation.checkpoint import Checkpoint
from ctsm_socnn.directories import atomic_directory, write_checksums, write_json
from ctsm_socnn.errors import ValidationError
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.network.site_selection import require_same_sites
from ctsm_socnn.schemas import N_LAYERS
from ctsm_socnn.validation.comparison import Prediction, comparison_json
from ctsm_socnn.validation.figures import draw_observed_modelled
from ctsm_socnn.validation.methods import Lesson, MethodSettings, answer, require_methods

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
    lesson = Lesson(sites, posterior, settings)
    return [Prediction(name, "in", answer(method, lesson, sites)) for name, method in rows.items()]


def predict_out_of_sample(
    sites: xr.Dataset,
    posterior: xr.Dataset | None,
    rows: Mapping[str, str],
    settings: MethodSettings,
    fold: NDArray[np.intp],
    *,
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
    finished : Checkpoint, optional
        Answers of an interrupted run are taken from there and new ones kept there, and networks
        whose training is under way.
    progress : callable, optional
        Called with the row, the fold that is next and the number of folds.

    Raises
    ------
    ValidationError
        If the folds do not fit the sites, or there is only one; or a method is not given what it
        learns from.
    """
    require_methods(rows.values(), settings, posterior=posterior is not None)
    numbers = np.unique(fold)
    if fold.shape != (sites.sizes["site"],) or numbers.size < 2:
        raise ValidationError(
            f"{numbers.size} folds of {fold.size} sites were given for {sites.sizes['site']} sites; "
            "there must be two or more"
        )
    if posterior is not None:
        require_same_sites(sites, posterior)
    predictions = []
    for row, (name, method) in enumerate(rows.items()):
        soc = np.full((sites.sizes["site"], N_LAYERS), np.nan)
        for place, number in enumerate(numbers):
            if progress is not None:
                progress(name, place, numbers.size)
            known, tested = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            index = row * numbers.size + place
            block = finished.load(index) if finished is not None else None
            if block is None:
                past = None if posterior is None else posterior.isel(site=known)
                work = None if finished is None else finished.scratch(index)
                lesson = Lesson(sites.isel(site=known), past, settings, int(number), work)
                block = {_ANSWER: answer(method, lesson, sites.isel(site=tested))}
                if finished is not None:
                    finished.save(index, block)
            soc[tested] = block[_ANSWER]
        predictions.append(Prediction(name, "out", soc))
    return predictions


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
