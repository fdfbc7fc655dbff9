"""Show which covariates a network relies on, and how soil carbon responds to them.

  ctsm-socnn importance model sites.nc -o importance
  ctsm-socnn importance model other_sites.nc -o importance --group climate='BIO*,Koppen*'

Groups of covariates are shuffled between sites, and the loss of skill is printed. At the training
sites, models are trained again without each fold and judged on it; at other sites the model itself is
judged. Predicted parameters are shuffled in the same way, one by one. Gradients of soil carbon
(through the kernel's adjoint) and of the parameters are those of the model at the sites, for one
standard deviation of an input. DIR gets importance.nc, importance.json and two figures. A command
that was stopped continues with the fold it had reached when it is given again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.cli.fold_options import add_fold_options, asked_folds
from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.cli.named_files import training_directory
from ctsm_socnn.cli.workers_option import add_workers
from ctsm_socnn.directories import require_replaceable
from ctsm_socnn.errors import ConfigError
from ctsm_socnn.network import Model, load_model
from ctsm_socnn.network.covariate_gradients import covariate_gradients
from ctsm_socnn.network.cross_validation import fold_models
from ctsm_socnn.network.importance import covariate_groups, permutation_importance
from ctsm_socnn.provenance import provenance_attributes
from ctsm_socnn.schemas import open_file, open_sites
from ctsm_socnn.validation.importance_results import importance_json, write_importance

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `importance`."""
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="directory made by train")
    add("sites", type=Path, metavar="SITES.nc", help="sites to judge the model at")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="directory for results")
    add(
        "--group",
        action="append",
        default=[],
        metavar="NAME=PATTERN,...",
        help="covariates that are shuffled together; repeat for more groups",
    )
    add("--folds", type=int, default=5, help="number of folds (default: %(default)s)")
    add_fold_options(parser)
    add("--repeats", type=int, default=5, help="shuffles of a group (default: %(default)s)")
    add("--posterior", type=Path, metavar="FILE", help="posteriors to train a two-step model again")
    add("--seed", type=int, default=0, help="seed of the permutations (0)")
    add_workers(parser, "the folds")
    add_json(parser)
    add("--overwrite", action="store_true", help="replace DIR")


def run(arguments: argparse.Namespace) -> int:
    """Shuffle, differentiate, write, draw and print."""
    require_replaceable(arguments.output, overwrite=arguments.overwrite)
    model, sites = load_model(arguments.model), open_sites(arguments.sites)
    groups = covariate_groups(model, _groups(arguments.group))
    work = training_directory(arguments.output)
    gradients = covariate_gradients(model, sites)
    importance = permutation_importance(
        _judges(arguments, model, sites, work),
        sites,
        groups,
        arguments.seed,
        repeats=arguments.repeats,
        progress=lambda done: print(f"model {done} judged", file=sys.stderr, flush=True),
    )
    inputs = {"sites": arguments.sites, "model": arguments.model / "model.json"}
    made = provenance_attributes(seed=arguments.seed, inputs=inputs)
    write_importance(importance, gradients, arguments.output, made, overwrite=arguments.overwrite)
    shutil.rmtree(work, ignore_errors=True)
    print_result(arguments, importance_json(importance, gradients), _table(importance))
    return 0


def _groups(described: Sequence[str]) -> dict[str, list[str]]:
    groups = {}
    for text in described:
        name, separator, patterns = text.partition("=")
        if not (name and separator and patterns):
            raise ConfigError(f"--group {text}: must read NAME=PATTERN,PATTERN")
        groups[name] = patterns.split(",")
    return groups


def _judges(
    arguments: argparse.Namespace, model: Model, sites: xr.Dataset, work: Path
) -> Iterable[tuple[NDArray[np.intp], Model]]:
    """Models and the sites that they have not seen."""
    trained_on = set(model.training.get("profile_id", []))
    here = set(sites["profile_id"].values.tolist()) if "profile_id" in sites.variables else set()
    if here and trained_on and not here & trained_on:
        print("none of these sites was trained on: the model itself is judged", file=sys.stderr)
        return [(np.arange(sites.sizes["site"]), model)]
    posterior = open_file(arguments.posterior) if arguments.posterior else None
    fold = asked_folds(arguments, sites, arguments.folds).fold
    return fold_models(
        sites,
        model.method,
        fold,
        model.seed,
        settings=model.settings,
        posterior=posterior,
        work=work,
        workers=arguments.workers,
    )


def _table(importance: xr.Dataset) -> str:
    names = [*importance["group"].values, *importance["parameter"].values]
    width = max(20, *(len(str(name)) + 2 for name in names))
    heads = f"{'NSE':>10}{'log NSE':>10}{'stock NSE':>10}"
    base = "".join(f"{value:>10.4f}" for value in importance["base"].values)
    return "\n".join(
        [
            f"{'loss when shuffled':<{width}}{heads}",
            *_losses(importance["loss"], width),
            f"{'parameter shuffled':<{width}}{heads}",
            *_losses(importance["parameter_loss"], width),
            f"{'as it is':<{width}}{base}",
        ]
    )


def _losses(loss: xr.DataArray, width: int) -> list[str]:
    """One line for each row that loses or gains anything, the largest loss first."""
    names, mean = loss[loss.dims[0]].values, loss.mean("repeat").values
    return [
        f"{names[i]!s:<{width}}" + "".join(f"{value:>10.4f}" for value in mean[i])
        for i in np.argsort(-mean[:, 1])
        if mean[i].any()
    ]
