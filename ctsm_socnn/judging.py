"""How build-params scores its methods at unseen sites, and what it takes as their inputs.

Each function reads what the stages before have written, and writes the directory of one stage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr

from ctsm_socnn.assimilation.checkpoint import Checkpoint
from ctsm_socnn.cases import predict_cases
from ctsm_socnn.config import Config
from ctsm_socnn.configured import compared_methods, configured_folds, method_settings
from ctsm_socnn.network import load_model
from ctsm_socnn.network.covariate_gradients import covariate_gradients
from ctsm_socnn.network.cross_validation import fold_models
from ctsm_socnn.network.importance import covariate_groups, permutation_importance
from ctsm_socnn.schemas import open_file, open_sites
from ctsm_socnn.validation.comparison import Prediction, compare_methods, soc_of_parameters
from ctsm_socnn.validation.evaluation import (
    predict_in_sample,
    predict_out_of_sample,
    write_evaluation,
)
from ctsm_socnn.validation.importance_results import write_importance

__all__ = ["judge_inputs", "judge_methods"]

_FITTED: Final = ("one batch", "network")
"""Methods that stages have fitted to all sites already."""


def judge_methods(
    config: Config, run: Path, path: Path, attributes: dict[str, str], *, workers: int = 1
) -> str:
    """Score all methods in and out of sample.

    Parameters
    ----------
    config : Config
    run : Path
        Directory of the stages before this.
    path : Path
        Directory to write.
    attributes : dict
        Say in the file how it was made.
    workers : int
        Processes that share the folds.

    Returns
    -------
    str
        What was scored, in one line.
    """
    sites, posterior = open_sites(run / "sites.nc"), open_file(run / "posterior.nc")
    settings = method_settings(config)
    chosen = configured_folds(config, sites, config.evaluation.folds)
    rows = compared_methods(config)
    others = {name: method for name, method in rows.items() if name not in _FITTED}
    inside = predict_in_sample(sites, posterior, others, settings) + _fitted(run, sites)
    inside += predict_cases(config, sites, run / "case_scalars")
    with Checkpoint(path, {"stage": "evaluation"}, overwrite=True) as finished:
        outside = predict_out_of_sample(
            sites, posterior, rows, settings, chosen.fold, workers=workers, finished=finished
        )
        comparison = compare_methods(sites, [*outside, *inside], settings.below_bedrock)
        write_evaluation(comparison, path, attributes | chosen.attributes, overwrite=True)
        finished.finish()
    return f"{comparison.sizes['observation']} observations, {chosen.description}"


def judge_inputs(
    config: Config, run: Path, path: Path, attributes: dict[str, str], *, workers: int = 1
) -> str:
    """Find which covariates and parameters the skill at unseen sites hangs on.

    Parameters
    ----------
    config, run, path, attributes, workers
        As `judge_methods`.

    Returns
    -------
    str
        On what most hangs, in one line.
    """
    sites, model = open_sites(run / "sites.nc"), load_model(run / "network")
    chosen = configured_folds(config, sites, config.evaluation.folds)
    models = fold_models(
        sites,
        model.method,
        chosen.fold,
        model.seed,
        settings=model.settings,
        posterior=open_file(run / "posterior.nc"),
        workers=workers,
    )
    found = permutation_importance(models, sites, covariate_groups(model), config.seed)
    gradients = covariate_gradients(model, sites)
    write_importance(found, gradients, path, attributes | chosen.attributes)
    most = found["loss"].mean("repeat").sel(score="log_nse").idxmax("group").item()
    return f"{found.sizes['group']} groups of covariates; the most important is {most}"


def _fitted(run: Path, sites: xr.Dataset) -> list[Prediction]:
    """Answer by what the stages before have fitted to all sites."""
    batch = open_file(run / "one_batch.nc")["parameters"].values
    everywhere = np.broadcast_to(batch, (sites.sizes["site"], batch.size))
    predicted = load_model(run / "network").predict_sites(sites)
    return [
        Prediction(name, "in", soc_of_parameters(sites, parameters))
        for name, parameters in zip(_FITTED, (everywhere, predicted), strict=True)
    ]
