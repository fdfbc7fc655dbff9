"""Measure speed against peers, in one run on one machine.

Example:
  python benchmarks/run.py
  python benchmarks/run.py steady_state --json results.json
  python benchmarks/run.py paper_scale
"""

from __future__ import annotations

import argparse
import importlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from measuring import Measurement, machine

BENCHMARKS: Final = (
    "steady_state",
    "ctsm_step",
    "assimilation",
    "many_sites",
    "regridding",
    "history",
    "end_to_end",
)
"""Modules of this directory; each has a title as its docstring and `measure() -> list`."""

LONG: Final = ("paper_scale",)
"""Likewise, but run only where asked for by name."""


def main() -> int:
    """Run the benchmarks that were asked for; exit 1 if a goal was missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names",
        nargs="*",
        help=f"of {', '.join(BENCHMARKS)} (by default all these); {', '.join(LONG)}",
    )
    parser.add_argument("--json", type=Path, help="write the measurements there too")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {*BENCHMARKS, *LONG}
    if unknown:
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}")
    print(machine())
    results = {name: _run(name) for name in arguments.names or BENCHMARKS}
    if arguments.json:
        record = {name: [asdict(m) for m in found] for name, found in results.items()}
        arguments.json.write_text(json.dumps({"machine": machine(), **record}, indent=2) + "\n")
    return 0 if all(m.passed for found in results.values() for m in found) else 1


def _run(name: str) -> list[Measurement]:
    module = importlib.import_module(name)
    print(f"\n{(module.__doc__ or name).splitlines()[0]}")
    found: list[Measurement] = module.measure()
    for measurement in found:
        print(measurement.line())
    return found


if __name__ == "__main__":
    raise SystemExit(main())
