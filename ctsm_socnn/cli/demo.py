"""Go the whole way on a made-up world whose answer is known.

  ctsm-socnn demo
  ctsm-socnn demo -o somewhere --seed 7

Writes CLM history files, parameter files, a surface dataset, covariates and soil profiles of a
region that does not exist to DIR/world, runs `build-params` on them exactly as on a user's files,
with results in DIR/results, and compares the outcome with the truth. Exits 1 unless, out of sample,
default < random sampling < one batch < network. Given again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Final

from ctsm_socnn.errors import ConfigError

__all__ = ["add_arguments", "run"]

_SEED: Final = 2020


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add = parser.add_argument
    add("-o", "--output", type=Path, default=Path("demo"), metavar="DIR", help="default: demo")
    add("--seed", type=int, default=_SEED, help="seed of the world (default: %(default)s)")
    add(
        "--workers",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="processes for the site-by-site assimilation (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the world, run all stages on it, and judge the result."""
    from ctsm_socnn.config import load_config
    from ctsm_socnn.pipeline import build_params

    configuration = _world(arguments.output, arguments.seed)
    config, text = load_config(configuration)
    results = arguments.output / "results"
    build_params(config, text, results, workers=arguments.workers)
    return _judge(configuration.parent, results)


def _world(directory: Path, seed: int) -> Path:
    """Make the world, or take the one that is there."""
    from ctsm_socnn.config import load_config
    from ctsm_socnn.demo import CONFIGURATION, make_twin_world
    from ctsm_socnn.export.bundle import atomic_directory

    world = directory / "world"
    configuration = world / CONFIGURATION
    if configuration.exists():
        made_with = load_config(configuration)[0].seed
        if made_with != seed:
            raise ConfigError(
                f"{world} was made with seed {made_with}, not {seed}; give another --output"
            )
        return configuration
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{directory} cannot be made: {error.strerror}") from error
    print(f"Making the world in {world}", flush=True)
    with atomic_directory(world) as temporary:
        make_twin_world(temporary, seed)
    return configuration


def _judge(world: Path, results: Path) -> int:
    from ctsm_socnn.demo.answer import is_in_order, out_of_sample_nse, rank_correlations
    from ctsm_socnn.pipeline import COMPARISON_FILE
    from ctsm_socnn.schemas import open_file
    from ctsm_socnn.validation.figures import MAPPED_PARAMETERS

    nse = out_of_sample_nse(open_file(results / "evaluation" / COMPARISON_FILE))
    order = " < ".join(f"{name} {value:.2f}" for name, value in nse.items())
    truth, maps = open_file(world / "truth.nc"), open_file(results / "maps.nc")
    found = rank_correlations(truth, maps, MAPPED_PARAMETERS)
    print("Found maps against the truth, rank correlation:", end=" ")
    print(", ".join(f"{name} {value:.2f}" for name, value in found.items()))
    if not is_in_order(nse):
        print(f"The expected order did NOT come out, NSE out of sample: {order}")
        return 1
    print(f"NSE out of sample, as expected: {order}")
    print(f"Report: {results / 'report.html'}")
    return 0
