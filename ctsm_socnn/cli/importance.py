"""Find which covariates a network has learnt from, and how carbon answers to them.

  ctsm-socnn importance model sites.nc -o importance
  ctsm-socnn importance model other_sites.nc -o importance --group climate='BIO*,Koppen*'

Groups of covariates are shuffled between sites, and the loss of skill is told. If the sites are those
of the training, models are trained anew without each fold and judged there; at other sites the model
itself is. Gradients of soil carbon (through the kernel's adjoint) and of the parameters are those of the
model at the sites, by one standard deviation of an input. DIR gets importance.nc, importance.json and
two figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.cli.fold_options import add_fold_options, asked_folds
from ctsm_socnn.cli.json_text import to_json
from ctsm_socnn.errors import ConfigError
from ctsm_socnn.netcdf import atomic_output, require_absent, write_dataset
from ctsm_socnn.network import Model, load_model
from ctsm_socnn.network.covariate_gradients import covariate_gradients
from ctsm_socnn.network.cross_validation import fold_models
from ctsm_socnn.network.importance import covariate_groups, permutation_importance
from ctsm_socnn.provenance import provenance_attributes
from ctsm_socnn.schemas import open_file, open_sites
from ctsm_socnn.validation.importance_figures import draw_gradients, draw_importance

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `importance`."""
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="directory made by train")
    add("sites", type=Path, metavar="SITES.nc", help="sites to judge with")
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
    add("--posterior", type=Path, metavar="FILE", help="for a two-step model, to train anew")
    add("--seed", type=int, default=0, help="seed of the permutations (0)")
    add("--json", action="store_true", help="print JSON instead of a table")
    add("--overwrite", action="store_true", help="replace DIR")


def run(arguments: argparse.Namespace) -> int:
    """Shuffle, differentiate, write, draw and print."""
    from ctsm_socnn.export.bundle import atomic_directory

    require_absent(arguments.output, overwrite=arguments.overwrite)
    model, sites = load_model(arguments.model), open_sites(arguments.sites)
    groups = covariate_groups(model, _groups(arguments.group))
    importance = permutation_importance(
        _judges(arguments, model, sites),
        sites,
        groups,
        arguments.seed,
        repeats=arguments.repeats,
        progress=lambda done: print(f"model {done} judged", file=sys.stderr, flush=True),
    )
    gradients = covariate_gradients(model, sites)
    inputs = {"sites": arguments.sites, "model": arguments.model / "model.json"}
    made = provenance_attributes(seed=arguments.seed, inputs=inputs)
    result = _as_json(importance, gradients)
    with atomic_directory(arguments.output, overwrite=arguments.overwrite) as directory:
        whole = importance.merge(gradients).assign_attrs(importance.attrs | made)
        write_dataset(whole, directory / "importance.nc")
        with atomic_output(directory / "importance.json") as temporary:
            temporary.write_text(to_json(result) + "\n", encoding="utf-8")
        draw_importance(importance, directory / "importance.png")
        draw_gradients(gradients, directory / "gradients.png")
    print(to_json(result) if arguments.json else _table(importance))
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
    arguments: argparse.Namespace, model: Model, sites: xr.Dataset
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
        sites, model.method, fold, model.seed, settings=model.settings, posterior=posterior
    )


def _as_json(importance: xr.Dataset, gradients: xr.Dataset) -> dict[str, Any]:
    scores = [str(name) for name in importance["score"].values]
    mean, spread = (getattr(importance["loss"], f)("repeat").values for f in ("mean", "std"))
    groups = {
        str(group): {
            "inputs": str(importance["inputs"].values[i]).split(", "),
            **{f"{score}_loss": mean[i, j] for j, score in enumerate(scores)},
            **{f"{score}_loss_sd": spread[i, j] for j, score in enumerate(scores)},
        }
        for i, group in enumerate(importance["group"].values)
    }
    return {
        "n_sites": importance.attrs["n_sites"],
        "n_layers": importance.attrs["n_layers"],
        "scores": dict(zip(scores, importance["base"].values, strict=True)),
        "groups": groups,
        "soc_gradients": _means(gradients["soc_gradient"], "target"),
        "parameter_gradients": _means(gradients["parameter_gradient"], "parameter"),
    }


def _means(gradient: xr.DataArray, of: str) -> dict[str, dict[str, float]]:
    mean = gradient.mean("site").transpose(of, "input").values
    inputs = [str(name) for name in gradient["input"].values]
    return {
        str(name): dict(zip(inputs, row, strict=True))
        for name, row in zip(gradient[of].values, mean, strict=True)
    }


def _table(importance: xr.Dataset) -> str:
    mean = importance["loss"].mean("repeat").values
    width = max(len(str(name)) for name in importance["group"].values) + 2
    lines = [f"{'loss when shuffled':<{max(width, 20)}}{'NSE':>10}{'log NSE':>10}{'stock NSE':>10}"]
    for i in np.argsort(-mean[:, 1]):
        cells = "".join(f"{value:>10.4f}" for value in mean[i])
        lines.append(f"{importance['group'].values[i]!s:<{max(width, 20)}}{cells}")
    base = "".join(f"{value:>10.4f}" for value in importance["base"].values)
    lines.append(f"{'as it is':<{max(width, 20)}}{base}")
    return "\n".join(lines)
