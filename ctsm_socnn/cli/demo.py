"""Run everything on a synthetic world whose parameters are known.

  ctsm-socnn demo
  ctsm-socnn demo -o somewhere --seed 7
  ctsm-socnn demo -o paper --profiles 25444 --world-only

Writes CLM history files, parameter files, a surface dataset, covariates and soil profiles of a
synthetic region to DIR/world, runs `build-params` on them exactly as on a user's files, with results
in DIR/results, and compares these with the true parameters. Exits 1 unless, out of sample,
default < random sampling < one batch < network. Run again, it continues where it stopped. With
--world-only it stops when the files are written: DIR/world/twin.toml is then a configuration to try
things on, with as many profiles as you ask for. With --json the outcome is one JSON object on
standard output, and progress goes to standard error.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.cli.positive_number import positive_number
from ctsm_socnn.cli.workers_option import add_workers
from ctsm_socnn.errors import ConfigError

__all__ = ["add_arguments", "run"]

_SEED: Final = 2020
DEFAULT_PROFILES: Final = 350


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add = parser.add_argument
    add("-o", "--output", type=Path, default=Path("demo"), metavar="DIR", help="default: demo")
    add("--seed", type=int, default=_SEED, help="seed of the world (default: %(default)s)")
    add(
        "--profiles",
        type=positive_number("profiles"),
        default=DEFAULT_PROFILES,
        metavar="N",
        help="soil profiles of the world (default: %(default)s; the published study had 25444)",
    )
    add("--world-only", action="store_true", help="write the world's files and stop")
    add_workers(parser, "sites and folds")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make the world, run all stages on it, and judge the result."""
    from ctsm_socnn.config import load_config
    from ctsm_socnn.pipeline import build_params

    report = partial(print, file=sys.stderr if arguments.json else sys.stdout, flush=True)
    configuration = _world(arguments.output, arguments.seed, arguments.profiles, report)
    if arguments.world_only:
        text = f"Next: ctsm-socnn build-params {shlex.quote(str(configuration))} -o OUTPUT"
        print_result(arguments, {"configuration": configuration}, text)
        return 0
    config, text = load_config(configuration)
    results = arguments.output / "results"
    build_params(config, text, results, workers=arguments.workers, report=report)
    outcome, text = _outcome(configuration.parent, results)
    print_result(arguments, outcome, text)
    return 0 if outcome["in_order"] else 1


def _world(directory: Path, seed: int, profiles: int, report: Callable[[str], None]) -> Path:
    """Make the world, or take the one that is there."""
    from ctsm_socnn.demo import CONFIGURATION, make_twin_world
    from ctsm_socnn.directories import atomic_directory, make_directory

    world = directory / "world"
    if world.exists():
        _check_made_with(world, seed, profiles)
        return world / CONFIGURATION
    make_directory(directory)
    report(f"Making the world in {world}")
    with atomic_directory(world) as temporary:
        make_twin_world(temporary, seed, profiles)
    return world / CONFIGURATION


def _check_made_with(world: Path, seed: int, profiles: int) -> None:
    from ctsm_socnn.demo import TRUTH
    from ctsm_socnn.schemas import open_file

    made = open_file(world / TRUTH).attrs
    for name, asked in (("seed", seed), ("profiles", profiles)):
        if str(made.get(name)) != str(asked):
            raise ConfigError(
                f"{world} was made with {name} {made.get(name)}, not {asked}; give another --output"
            )


def _outcome(world: Path, results: Path) -> tuple[dict[str, Any], str]:
    """How near the truth the run came: as keys and values, and as text."""
    from ctsm_socnn.demo import TRUTH
    from ctsm_socnn.demo.answer import is_in_order, out_of_sample_nse, rank_correlations
    from ctsm_socnn.schemas import open_file
    from ctsm_socnn.validation.evaluation import COMPARISON_FILE
    from ctsm_socnn.validation.map_figures import MAPPED_PARAMETERS

    nse = out_of_sample_nse(open_file(results / "evaluation" / COMPARISON_FILE))
    truth, maps = open_file(world / TRUTH), open_file(results / "maps.nc")
    found = rank_correlations(truth, maps, MAPPED_PARAMETERS)
    outcome = {
        "in_order": is_in_order(nse),
        "nse_out_of_sample": nse,
        "rank_correlation_of_maps": found,
        "report": results / "report.html",
    }
    came = "as expected" if outcome["in_order"] else "but the expected order did NOT come out"
    lines = [
        "Found maps against the truth, rank correlation: "
        + ", ".join(f"{name} {value:.2f}" for name, value in found.items()),
        f"NSE out of sample, {came}: "
        + " < ".join(f"{name} {value:.2f}" for name, value in nse.items()),
        f"Report: {outcome['report']}",
    ]
    return outcome, "\n".join(lines)
