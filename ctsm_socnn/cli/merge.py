"""Put the posterior files of all shards of one run together.

Example:
  ctsm-socnn assimilate sites.nc --shard 1/2 -o part_1.nc
  ctsm-socnn assimilate sites.nc --shard 2/2 -o part_2.nc
  ctsm-socnn merge part_1.nc part_2.nc -o posterior.nc
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ctsm_socnn.assimilation import merge_posteriors
from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.cli.named_files import require_own_names
from ctsm_socnn.schemas import open_file

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("parts", type=Path, nargs="+", help="posterior file of each shard")
    parser.add_argument("-o", "--output", type=Path, required=True, help="netCDF file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Merge the files."""
    require_own_names({"-o": arguments.output}, arguments.parts)
    parts = [open_file(path, load=False) for path in arguments.parts]
    merged = merge_posteriors(parts, output=arguments.output, overwrite=arguments.overwrite)
    counted = {
        "output": arguments.output,
        "parts": len(parts),
        "sites": merged.sizes["site"],
        "converged": int(np.sum(merged["converged"].values == 1)),
    }
    text = f"wrote {arguments.output}: {counted['sites']} sites, {counted['converged']} converged"
    print_result(arguments, counted, text)
    return 0
