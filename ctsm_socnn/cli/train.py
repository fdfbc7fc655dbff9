"""Train a network that predicts the 21 parameters from covariates.

  ctsm-socnn train sites.nc --method end-to-end -o model
  ctsm-socnn train sites.nc --method two-step --posterior posterior.nc -o model

end-to-end trains through the kernel, on soil carbon that trees and a Gaussian process learnt from the
profiles expect at imagined sites (or, with --from-profiles, on the profiles themselves); two-step
trains on the parameters that ctsm-socnn assimilate found at the same sites (--preset published is the
method of Tao et al. 2020). --calibrate trains again without each of the given number of folds, by
location unless --by says otherwise: the errors there give the model intervals for soil carbon, and
scores at held-out sites, kept in model.json. A training that was stopped continues when the same
command is given again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Never

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from tqdm import tqdm

from ctsm_socnn.assimilation.information import hardly_narrowed
from ctsm_socnn.cli.coverage_table import coverage_table
from ctsm_socnn.cli.fold_options import add_fold_options, asked_folds
from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.cli.named_files import training_directory
from ctsm_socnn.cli.workers_option import add_workers
from ctsm_socnn.directories import require_replaceable
from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network import (
    METHODS,
    Model,
    NetworkSettings,
    calibrate,
    default_settings,
    profile_settings,
    published_settings,
    save_model,
    score_model,
    train,
)
from ctsm_socnn.network.device import DEVICE_NAMES, Device, choose_device
from ctsm_socnn.network.encoders import encoder_names
from ctsm_socnn.network.ensemble import Progress
from ctsm_socnn.network.losses import LOSS_NAMES
from ctsm_socnn.network.model_directory import DESCRIPTION
from ctsm_socnn.network.parameter_head import predicted_parameters
from ctsm_socnn.progress import progress_wanted
from ctsm_socnn.schemas import covariate_names, open_file, open_sites

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train`."""
    parser.add_argument("sites", type=Path, metavar="SITES.nc", help="training sites")
    parser.add_argument(
        "--method",
        choices=METHODS,
        required=True,
        help="learn through the kernel from profiles, or from the posteriors of a site-by-site run",
    )
    parser.add_argument(
        "--posterior",
        type=Path,
        metavar="FILE",
        help="posterior of the same sites, for two-step and --unseen",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="MODEL", help="directory to write"
    )
    parser.add_argument(
        "--preset",
        choices=("sound", "published"),
        default="sound",
        help="settings of this package (default), or as in Tao et al. 2020",
    )
    parser.add_argument("--encoder", choices=encoder_names(), help="shape of the network")
    parser.add_argument("--loss", choices=LOSS_NAMES, help="for end-to-end")
    parser.add_argument("--members", type=int, metavar="N", help="networks in the ensemble")
    parser.add_argument(
        "--bootstrap",
        action="store_true",
        help="give each network a bootstrap sample of locations",
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="largest number of epochs of a member"
    )
    parser.add_argument(
        "--from-profiles",
        action="store_true",
        help="end-to-end: learn from the profiles themselves, not from what teachers expect",
    )
    parser.add_argument(
        "--location",
        action="store_true",
        help="longitude and latitude as inputs; maps far from profiles then mislead",
    )
    parser.add_argument(
        "--no-forcing-summaries",
        action="store_true",
        help="covariates only, so that maps need no forcing",
    )
    parser.add_argument(
        "--hold", nargs="+", default=[], metavar="NAME", help="parameters kept at CLM5's value"
    )
    parser.add_argument(
        "--tie",
        nargs="+",
        default=[],
        metavar="NAME",
        help="parameters with one value for all sites",
    )
    parser.add_argument(
        "--unseen",
        choices=("hold", "tie"),
        help="do that for parameters that profiles hardly constrain, according to --posterior",
    )
    parser.add_argument(
        "--calibrate", type=int, metavar="FOLDS", help="learn intervals from this many folds"
    )
    add_fold_options(parser)
    add_workers(parser, "the folds of --calibrate")
    parser.add_argument(
        "--device",
        choices=DEVICE_NAMES,
        default="cpu",
        help="where to train; cpu-torch: the operations of cuda on the CPU (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of every random draw (0)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing model")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train, say what was trained, write the model directory."""
    require_replaceable(arguments.output, overwrite=arguments.overwrite, mark=DESCRIPTION)
    if arguments.location:
        print(
            "warning: with location as an input the maps follow the pattern of the profiles; "
            "far from profiles they extrapolate it",
            file=sys.stderr,
        )
    posterior = open_file(arguments.posterior) if arguments.posterior else None
    settings, device = _settings(arguments, posterior), choose_device(arguments.device)
    work = training_directory(arguments.output)
    sites = open_sites(arguments.sites)
    folds = None
    if arguments.calibrate is not None:
        # Before the training, so that too many folds are told at once.
        folds = asked_folds(arguments, sites, arguments.calibrate).fold
    total = settings.members * settings.epochs
    with tqdm(total=total, unit="epoch", disable=None if progress_wanted() else True) as bar:
        model = train(
            sites,
            arguments.method,
            settings,
            arguments.seed,
            posterior=posterior,
            device=device,
            work=work,
            progress=_shown_on(bar, settings.epochs),
        )
    unused = [] if settings.inputs.covariates else covariate_names(sites)
    for name in sorted(set(unused) - set(model.transform.covariates)):
        print(
            f"warning: {name} has one value or none at the training sites and is not used",
            file=sys.stderr,
        )
    in_sample = score_model(model, sites)
    model = replace(model, training={**model.training, "in_sample": in_sample})
    if folds is not None:
        model = _calibrated(model, sites, posterior, folds, device, work, arguments.workers)
    save_model(model, arguments.output, overwrite=arguments.overwrite)
    shutil.rmtree(work, ignore_errors=True)
    result = {**model.training, "model": str(arguments.output)}
    print_result(arguments, result, _report(model, arguments.output))
    return 0


def _calibrated(
    model: Model,
    sites: xr.Dataset,
    posterior: xr.Dataset | None,
    folds: NDArray[np.intp],
    device: Device,
    work: Path,
    workers: int,
) -> Model:
    shown = progress_wanted()
    with tqdm(total=len(np.unique(folds)), unit="fold", disable=None if shown else True) as bar:

        def show(done: int, _: int) -> None:
            bar.update(done - bar.n)

        return calibrate(
            model,
            sites,
            folds,
            posterior=posterior,
            device=device,
            work=work,
            workers=workers,
            progress=show,
        )


def _report(model: Model, output: Path) -> str:
    training = model.training
    lines = [f"left out {count} sites: {reason}" for reason, count in training["excluded"].items()]
    lines.append(
        f"trained on {training['sites']} sites; in sample {_scores_text(training['in_sample'])}"
    )
    if "out_of_fold" in training:
        found = training["out_of_fold"]
        lines += [
            f"at sites not seen, {found['folds']} folds: {_scores_text(found['scores'])}",
            "intervals hold, at sites of other folds than they were learnt from:",
            coverage_table(found["coverage"]),
            *_spread_lines(found["spread"]),
        ]
    return "\n".join([*lines, f"wrote {output}"])


def _spread_lines(spread: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Say how little of the errors the spread of members tells."""
    return [
        f"{name}: errors of {found['errors']:.2f} in natural logarithms, members differ by "
        f"{found['members']:.2f}"
        for name, found in spread.items()
    ]


def _scores_text(found: Mapping[str, Any]) -> str:
    return (
        f"NSE {found['nse']:.3f}, of log10 {found['log_nse']:.3f}, of stocks "
        f"{found['stock_nse']:.3f}"
    )


def _settings(arguments: argparse.Namespace, posterior: xr.Dataset | None) -> NetworkSettings:
    if arguments.preset == "published" and arguments.method != "two-step":
        raise NetworkError(
            "--preset published is only for the two-step method; give --method two-step"
        )
    if arguments.from_profiles and arguments.method != "end-to-end":
        raise NetworkError(
            "--from-profiles is only for the end-to-end method; give --method end-to-end"
        )
    if arguments.loss is not None and arguments.method != "end-to-end":
        raise NetworkError(
            "--loss is only for the end-to-end method; two-step is judged by the parameters of --posterior"
        )
    settings = _starting_settings(arguments)
    chosen = {
        name: value
        for name in ("loss", "members", "epochs")
        if (value := getattr(arguments, name)) is not None
    }
    inputs: dict[str, bool] = {}
    encoder: dict[str, str] = {}
    if arguments.location:
        inputs["location"] = True
    if arguments.no_forcing_summaries:
        inputs["forcing_summaries"] = False
    if arguments.encoder:
        encoder["name"] = arguments.encoder
    settings = settings.with_changes(
        **chosen,
        bootstrap=arguments.bootstrap,
        inputs=settings.inputs.model_dump() | inputs,
        encoder=settings.encoder.model_dump() | encoder,
    )
    return _with_fixed_parameters(settings, arguments, posterior)


def _with_fixed_parameters(
    settings: NetworkSettings, arguments: argparse.Namespace, posterior: xr.Dataset | None
) -> NetworkSettings:
    """Hold or tie what was named, and what the contraction of the posterior says is not seen."""
    held, tied = list(settings.parameters.held), list(settings.parameters.tied)
    held += [name for name in arguments.hold if name not in held]
    tied += [name for name in arguments.tie if name not in tied]
    if arguments.unseen is not None:
        if posterior is None:
            raise NetworkError(
                "--unseen goes by the contraction of site posteriors; give --posterior"
            )
        unseen = [name for name in hardly_narrowed(posterior) if name not in {*held, *tied}]
        print(
            f"profiles hardly constrain {', '.join(unseen) or 'no further parameter'}",
            file=sys.stderr,
        )
        (held if arguments.unseen == "hold" else tied).extend(unseen)
    if (held or tied) and settings.preset == "published":
        raise NetworkError(
            "--preset published predicts every parameter; leave --hold, --tie and --unseen out"
        )
    changed = settings.parameters.model_dump() | {"held": tuple(held), "tied": tuple(tied)}
    settings = settings.with_changes(parameters=changed)
    predicted_parameters(settings.parameters)
    return settings


def _starting_settings(arguments: argparse.Namespace) -> NetworkSettings:
    if arguments.preset == "published":
        return published_settings()
    return profile_settings() if arguments.from_profiles else default_settings(arguments.method)


def _shown_on(bar: tqdm[Never], epochs: int) -> Progress:
    def show(member: int, epoch: int, loss: float) -> None:
        bar.n = member * epochs + epoch
        bar.set_postfix_str(f"member {member + 1}, validation loss {loss:.4f}", refresh=False)
        bar.update(0)

    return show
