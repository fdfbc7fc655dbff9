"""Reproduce the tables of docs/experiments.md: the methods of Tao et al. (2020) on three worlds.

Example:
  python experiments/run.py twin -o experiments_results
  python experiments/run.py --data DATA -o experiments_results

`twin` is a made-up world with as many profiles as the published study; `northeast_us` and `conus`
need the directory of their data. Each experiment is a run of build-params: it can be stopped and
started again, and leaves its report in OUT/NAME. Its table goes to OUT/NAME.md.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import xarray as xr

from ctsm_socnn.cli.main import main as ctsm_socnn
from ctsm_socnn.validation.comparison import Sample, scores_of
from ctsm_socnn.validation.evaluation import COMPARISON_FILE
from ctsm_socnn.validation.intervals import LEAST_BLOCKS, bootstrap_intervals, map_blocks

EXAMPLES: Final = Path(__file__).resolve().parent.parent / "examples"
PUBLISHED_PROFILES: Final = 25_444
BLACK_BOXES: Final = ("depth only, log", "gradient boosting", "gradient boosting, log")
TITLES: Final[dict[Sample, str]] = {"in": "in sample", "out": "out of sample"}
COLUMNS: Final = (("nse", "NSE"), ("r2", "R²"), ("log_nse", "NSE of log10"))


@dataclass(frozen=True)
class Experiment:
    """What of the configuration an experiment changes, and where its data are."""

    settings: tuple[str, ...]
    needs_data: bool = True


EXPERIMENTS: Final = {
    # 25,444 profiles need neither imagined sites nor many members and epochs.
    "twin": Experiment(
        (
            "network.members=2",
            "network.imagined_sites=0",
            "network.epochs=40",
            "evaluation.folds=3",
        ),
        needs_data=False,
    ),
    "northeast_us": Experiment((f"evaluation.also={json.dumps(['two-step', *BLACK_BOXES])}",)),
    "conus": Experiment(
        (
            "network.members=2",
            f"evaluation.also={json.dumps(['two-step', *BLACK_BOXES])}",
            "evaluation.by=block",
            "evaluation.block_km=200",
        )
    ),
}


def main() -> int:
    """Run the experiments that were asked for and print their tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help=f"of {', '.join(EXPERIMENTS)}; by default all")
    add("-o", "--output", type=Path, required=True, metavar="OUT")
    add("--data", type=Path, metavar="DIR", help="holds northeast_us/, conus/ and clm_params/")
    add("--profiles", type=int, default=PUBLISHED_PROFILES, help="of twin (default: %(default)s)")
    add("--workers", type=int, default=len(os.sched_getaffinity(0)))
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="as for build-params")
    arguments = parser.parse_args()
    names = arguments.names or list(EXPERIMENTS)
    unknown = set(names) - set(EXPERIMENTS)
    if unknown:
        parser.error(f"unknown experiment {', '.join(sorted(unknown))}")
    if arguments.data is None and any(EXPERIMENTS[name].needs_data for name in names):
        parser.error("--data is needed; only twin runs without")
    for name in names:
        status = run(name, arguments)
        if status != 0:
            return status
    return 0


def run(name: str, arguments: argparse.Namespace) -> int:
    """Run one experiment and write its table."""
    directory = arguments.output / name
    experiment = EXPERIMENTS[name]
    configuration = EXAMPLES / f"{name}.toml"
    if not experiment.needs_data:
        words = ["-o", str(directory), "--profiles", str(arguments.profiles), "--world-only"]
        status = ctsm_socnn(["demo", *words])
        if status != 0:
            return status
        configuration = directory / "world" / "twin.toml"
    data = ["--data", str(arguments.data)] if experiment.needs_data else []
    changes = [f"--set={setting}" for setting in (*experiment.settings, *arguments.set)]
    results, workers = directory / "results", str(arguments.workers)
    status = ctsm_socnn(
        [
            *("build-params", str(configuration), "-o", str(results), "--workers", workers),
            *data,
            *changes,
        ]
    )
    if status == 0:
        with xr.open_dataset(results / "evaluation" / COMPARISON_FILE) as comparison:
            text = table(comparison)
        (arguments.output / f"{name}.md").write_text(text, encoding="utf-8")
        print(f"\n{text}")
    return status


def table(comparison: xr.Dataset) -> str:
    """Scores in Markdown, with 95 % intervals from blocks of the map where there are enough."""
    block = map_blocks(comparison["lon"].values, comparison["lat"].values)
    enough = block.max() + 1 >= LEAST_BLOCKS
    intervals = bootstrap_intervals(comparison, block, seed=0) if enough else None
    headings = [f"{title}, {sample}" for sample in TITLES.values() for _, title in COLUMNS]
    lines = [
        f"{comparison.sizes['observation']} observations, {int(block.max()) + 1} blocks of 2 degrees",
        "",
        f"| method | {' | '.join(headings)} |",
        "|---" * (len(headings) + 1) + "|",
    ]
    for method in comparison["method"].values:
        cells = [
            _cell(comparison, intervals, str(method), sample, score)
            for sample in TITLES
            for score, _ in COLUMNS
        ]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(
    comparison: xr.Dataset, intervals: xr.Dataset | None, method: str, sample: Sample, score: str
) -> str:
    found = scores_of(comparison, method, sample)
    if not found:
        return ""
    text = f"{found[score]:.2f}"
    if intervals is None:
        return text
    at = {"method": method, "sample": sample, "score": score}
    low, high = (float(intervals[name].loc[at]) for name in ("low", "high"))
    return f"{text} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    raise SystemExit(main())
