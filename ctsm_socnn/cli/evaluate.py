"""Compare methods at sites held out of training, in one table.

  ctsm-socnn evaluate sites.nc -o evaluation
  ctsm-socnn evaluate sites.nc --posterior posterior.nc --by block --block-km 200 -o evaluation
  ctsm-socnn evaluate sites.nc --methods default end-to-end "random forest, log" -o evaluation

The sites are divided into folds; each fold is predicted by what a method learnt from all others.
--by says what is never split between folds: profiles of one location, of one square block, or of
one region. The side of a block is the range of the residuals' variogram, unless --block-km gives it.
By default all methods are compared for which there are files: random sampling and two-step learn
from the posteriors that ctsm-socnn assimilate wrote. DIR gets comparison.nc, scores.json and a
figure. An evaluation that was stopped continues when the same command is given again.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from ctsm_socnn.cli.fold_options import add_fold_options, asked_folds
from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.cli.workers_option import add_workers
from ctsm_socnn.errors import ValidationError
from ctsm_socnn.schemas import open_file, open_sites, without_forcing
from ctsm_socnn.validation.methods import (
    HIERARCHICAL,
    METHODS,
    NEEDS_POSTERIOR,
    MethodSettings,
    require_methods,
)

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add = parser.add_argument
    add("sites", type=Path, metavar="SITES.nc", help="sites to divide into folds")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="directory for results")
    add("--methods", nargs="+", metavar="NAME", help=f"of: {'; '.join(METHODS)}")
    add("--classes", default="", metavar="VARIABLE", help="classes of sites, for hierarchical")
    add("--posterior", type=Path, metavar="FILE", help="site-by-site posterior of the same sites")
    add("--folds", type=int, default=5, help="number of folds (default: %(default)s)")
    add_fold_options(parser)
    add("--members", type=int, metavar="N", help="networks in an ensemble; by default as in train")
    add("--in-sample", action="store_true", help="also fit to all sites and score on the same")
    add("--seed", type=int, default=0, help="seed of folds and fits (0)")
    add_workers(parser, "the folds of networks")
    add_json(parser)
    add("--overwrite", action="store_true", help="replace DIR")


def run(arguments: argparse.Namespace) -> int:
    """Learn and answer fold by fold, write and print the scores."""
    from ctsm_socnn.assimilation import class_labels
    from ctsm_socnn.assimilation.checkpoint import Checkpoint
    from ctsm_socnn.provenance import provenance_attributes
    from ctsm_socnn.validation.comparison import compare_methods, comparison_json, format_comparison
    from ctsm_socnn.validation.evaluation import (
        predict_in_sample,
        predict_out_of_sample,
        write_evaluation,
    )

    rows = _rows(arguments)
    settings = _settings(arguments)
    require_methods(rows.values(), settings, posterior=arguments.posterior is not None)
    sites, posterior = _usable(arguments)
    if HIERARCHICAL in rows.values():
        # A variable that the sites lack is told before the first fold.
        class_labels(sites, arguments.classes)
    chosen = asked_folds(arguments, sites, arguments.folds)
    inputs = {"sites": arguments.sites}
    if arguments.posterior:
        inputs["posterior"] = arguments.posterior
    made = provenance_attributes(seed=arguments.seed, inputs=inputs)
    with Checkpoint(
        arguments.output,
        _fingerprint(arguments, rows, made, chosen.block_km),
        overwrite=arguments.overwrite,
    ) as finished:
        predictions = predict_out_of_sample(
            sites,
            posterior,
            rows,
            settings,
            chosen.fold,
            workers=arguments.workers,
            finished=finished,
            progress=_show,
        )
        if arguments.in_sample:
            predictions += predict_in_sample(sites, posterior, rows, settings)
        comparison = compare_methods(sites, predictions)
        made |= chosen.attributes
        write_evaluation(comparison, arguments.output, made, overwrite=arguments.overwrite)
        finished.finish()
    print_result(arguments, comparison_json(comparison), format_comparison(comparison))
    return 0


def _usable(arguments: argparse.Namespace) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Sites that the kernel can run and their posteriors; the others are counted."""
    from ctsm_socnn.network.site_selection import require_same_sites

    sites = open_sites(arguments.sites)
    posterior = open_file(arguments.posterior) if arguments.posterior else None
    if posterior is not None:
        require_same_sites(sites, posterior)
    lacking = without_forcing(sites)
    if lacking.all():
        raise ValidationError(f"no site of {arguments.sites} has complete forcing")
    if lacking.any():
        print(f"left out {lacking.sum()} sites: forcing missing", file=sys.stderr)
        kept = np.flatnonzero(~lacking)
        sites = sites.isel(site=kept)
        posterior = None if posterior is None else posterior.isel(site=kept)
    return sites, posterior


def _rows(arguments: argparse.Namespace) -> dict[str, str]:
    """Name in tables -> method; here they are the same."""
    methods = arguments.methods
    if methods is None:
        methods = [
            m
            for m in METHODS
            if (arguments.posterior or m not in NEEDS_POSTERIOR)
            and (arguments.classes or m != HIERARCHICAL)
        ]
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise ValidationError(
            f"--methods {', '.join(unknown)}: unknown; choose from {'; '.join(METHODS)}"
        )
    return {name: name for name in methods}


def _settings(arguments: argparse.Namespace) -> MethodSettings:
    settings = MethodSettings(seed=arguments.seed, classes=arguments.classes)
    if arguments.members is None:
        return settings
    networks = {
        method: network.with_changes(members=arguments.members)
        for method, network in settings.networks.items()
    }
    return replace(settings, networks=networks)


def _fingerprint(
    arguments: argparse.Namespace, rows: dict[str, str], made: dict[str, str], block_km: float
) -> dict[str, str]:
    """All that decides the answers of a fold."""
    inputs = {name: value for name, value in made.items() if name.startswith("input_")}
    return {
        **inputs,
        "version": made["source"],
        "methods": "; ".join(rows),
        "members": str(arguments.members),
        "classes": arguments.classes,
        "folds": f"{arguments.folds} by {arguments.by}, {block_km:g} km",
        "seed": str(arguments.seed),
    }


def _show(method: str, fold: int, folds: int) -> None:
    print(f"{method}: fold {fold + 1} of {folds}", file=sys.stderr, flush=True)
