"""Check runs of CTSM: against soil profiles, and for the parameters that they were meant to use.

Example:
  ctsm-socnn validate --sites sites.nc --run default='old/*.clm2.h0a.*.nc' --run ours='new/*.h0a.*.nc'
  ctsm-socnn validate --run ours='new/*.h0a.*.nc' --paramfile params.nc --ctsm ctsm5.4

With --sites, the mean soil carbon of the last two years is compared with the profiles, runs side by
side on the same profiles. With --paramfile, each scalar that this version reads from that file is
compared with what the run's decay rates, scalars and fluxes show; exits 1 if one was not used.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctsm_socnn.cli.json_text import to_json
from ctsm_socnn.errors import ConfigError

if TYPE_CHECKING:
    from ctsm_socnn.validation.parameters_in_use import Evidence

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add = parser.add_argument
    add(
        "--run",
        dest="runs",
        action="append",
        required=True,
        metavar="NAME=PATTERN",
        help="a run's monthly history files; repeat for more runs, or for more files of one",
    )
    add("--sites", type=Path, metavar="SITES.nc", help="sites file with observed profiles")
    add("--paramfile", type=Path, metavar="FILE", help="paramfile that the runs were meant to use")
    add("--ctsm", metavar="VERSION", help="CTSM version of the runs; needed with --paramfile")
    add("-o", "--output", type=Path, metavar="DIR", help="write scores, tables and figure there")
    add("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Compare, print, and write."""
    from ctsm_socnn.forcing import find_history

    if arguments.sites is None and arguments.paramfile is None:
        raise ConfigError("nothing to compare the runs with; give --sites, --paramfile or both")
    if arguments.paramfile is not None and arguments.ctsm is None:
        raise ConfigError("--paramfile needs --ctsm, for example --ctsm ctsm5.4")
    runs = {name: find_history(found) for name, found in _patterns(arguments.runs).items()}
    result: dict[str, Any] = {}
    text = []
    all_used = True
    if arguments.sites is not None:
        scores, table = _against_profiles(runs, arguments.sites, arguments.output)
        result |= scores
        text.append(table)
    if arguments.paramfile is not None:
        evidence = _against_paramfile(runs, arguments.paramfile, arguments.ctsm)
        result["parameters"] = {
            name: [asdict(e) for e in found] for name, found in evidence.items()
        }
        text += [_evidence_text(name, found) for name, found in evidence.items()]
        all_used = all(e.verdict != "NOT used" for found in evidence.values() for e in found)
    print(to_json(result) if arguments.json else "\n\n".join(text))
    if arguments.output is not None:
        _write_json(result, arguments.output / "validation.json")
    return 0 if all_used else 1


def _patterns(described: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in described:
        name, separator, pattern = text.partition("=")
        if not (name and separator and pattern):
            raise ConfigError(f"--run {text}: must read NAME=PATTERN")
        found.setdefault(name, []).append(pattern)
    return found


def _against_profiles(
    runs: Mapping[str, Sequence[Path]], sites_file: Path, output: Path | None
) -> tuple[dict[str, Any], str]:
    from ctsm_socnn.schemas import open_sites
    from ctsm_socnn.validation.comparison import (
        compare_methods,
        comparison_json,
        format_comparison,
    )
    from ctsm_socnn.validation.model_runs import predict_from_run
    from ctsm_socnn.validation.stocks import format_stocks, score_stocks

    sites = open_sites(sites_file)
    predictions = [predict_from_run(name, paths, sites) for name, paths in runs.items()]
    comparison = compare_methods(sites, predictions)
    stocks = score_stocks(sites, predictions)
    if output is not None:
        _write_comparison(comparison, sites_file, output)
    result = {"profiles": comparison_json(comparison), "stocks": stocks.to_dict("records")}
    return result, f"{format_comparison(comparison)}\n\n{format_stocks(stocks)}"


def _write_comparison(comparison: Any, sites_file: Path, output: Path) -> None:
    from ctsm_socnn.netcdf import write_dataset
    from ctsm_socnn.provenance import provenance_attributes
    from ctsm_socnn.validation.figures import draw_observed_modelled

    _make_directory(output)
    stamped = comparison.assign_attrs(
        provenance_attributes(seed=None, inputs={"sites": sites_file})
    )
    write_dataset(stamped, output / "comparison.nc")
    draw_observed_modelled(comparison, output / "observed_modelled.png")


def _against_paramfile(
    runs: Mapping[str, Sequence[Path]], paramfile: Path, version_name: str
) -> dict[str, list[Evidence]]:
    from ctsm_socnn.export.paramfile import read_scalars
    from ctsm_socnn.parameters.ctsm_versions import resolve_version
    from ctsm_socnn.validation.parameters_in_use import find_evidence

    version = resolve_version(version_name)
    expected = read_scalars(paramfile, version)
    return {name: find_evidence(paths, version, expected) for name, paths in runs.items()}


def _evidence_text(name: str, evidence: Sequence[Evidence]) -> str:
    from ctsm_socnn.validation.parameters_in_use import format_evidence

    wrong = [e.name for e in evidence if e.verdict == "NOT used"]
    verdict = f"did NOT use {', '.join(wrong)}" if wrong else "used every scalar that can be told"
    return f"Run {name}:\n{format_evidence(evidence)}\nRun {name} {verdict}."


def _make_directory(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{output} cannot be made: {error.strerror}") from error


def _write_json(result: Mapping[str, Any], path: Path) -> None:
    from ctsm_socnn.netcdf import atomic_output

    _make_directory(path.parent)
    with atomic_output(path) as temporary:
        temporary.write_text(to_json(result) + "\n", encoding="utf-8")
