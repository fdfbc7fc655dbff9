"""Compare the installed kernel with files of reference numbers.

One line for each block of numbers with its largest error and its limit. Run it after compiling
on a new machine. Exits 1 if any error is beyond its limit.

Besides files of reference numbers it takes a history file of ctsm5.4 that holds every step
(h0i, hist_nhtfrq = 1, hist_ndens = 1) with rates, pools, fluxes and vertical tendencies.

Example:
  ctsm-socnn verify golden_proda_public.nc
  ctsm-socnn verify --paramfile params.nc case.clm2.h0i.2003-07-10-01800.nc
  ctsm-socnn verify --json *.nc
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ctsm_socnn.cli.json_text import add_json, to_json
from ctsm_socnn.model.verification import Block, verify_file

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="reference file")
    parser.add_argument(
        "--paramfile",
        metavar="FILE",
        type=Path,
        help="parameter file of the run that wrote a history file (default: CLM5's values)",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison of each file."""
    results = []
    for path in arguments.files:
        form, blocks = verify_file(path, arguments.paramfile)
        results.append((path, blocks))
        if not arguments.json:
            print(f"{path}: {form.name}")
            _print_blocks(blocks)
    if arguments.json:
        print(to_json([_record(path, blocks) for path, blocks in results]))
    return 0 if all(block.passed for _, blocks in results for block in blocks) else 1


def _print_blocks(blocks: Sequence[Block]) -> None:
    width = max(len(block.name) for block in blocks)
    for block in blocks:
        verdict = "ok" if block.passed else "BEYOND"
        print(f"  {block.name:<{width}}  {block.error:8.1e}  limit {block.limit:.0e}  {verdict}")


def _record(path: Path, blocks: Sequence[Block]) -> dict[str, object]:
    return {
        "file": str(path),
        "passed": all(block.passed for block in blocks),
        "blocks": [{**asdict(block), "passed": block.passed} for block in blocks],
    }
