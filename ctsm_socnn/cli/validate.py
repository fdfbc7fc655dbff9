r"""Compare runs of CTSM with soil profiles, and check that they used the intended parameters.

Example:
  ctsm-socnn validate --sites sites.nc --run default='old/*.clm2.h0a.*.nc' --run ours='new/*.h0a.*.nc'
  ctsm-socnn validate --run ours='new/*.h0a.*.nc' --paramfile params.nc --ctsm ctsm5.4
  ctsm-socnn validate --run ours='new/*.h0a.*.nc' --paramfile params.nc --ctsm ctsm5.4 --kernel \
      --month-ends ours='new/*.h1i.*.nc' --surface surfdata.nc -o validation

With --sites, the mean soil carbon of the last two years is compared with the profiles, runs side by
side on the same profiles; --by scores them in groups by a variable of the sites file, such as a
biome, a climate class or a database (`depth` always works); --land-cover weights the profiles of
a cell by the share of the cell that is of their class. With --paramfile, each scalar that this version
reads from that file is compared with what the run's decay rates, scalars and fluxes show; exits 1 if
one was not used.
With --kernel, the offline kernel is driven by the run's own monthly fields: its scalars, rates,
fractions, diffusivities and pools must be those of the run; exits 1 if one is not. With --totals,
soil carbon is added up over land. DIR gets all of it: netCDF, figures, JSON, and report.html.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ctsm_socnn.cli.json_text import add_json, print_result, to_json
from ctsm_socnn.cli.named_files import (
    add_run_option,
    file_and_variable,
    named_patterns,
    named_runs,
)
from ctsm_socnn.directories import atomic_directory, make_directory
from ctsm_socnn.errors import ConfigError

if TYPE_CHECKING:
    import xarray as xr

    from ctsm_socnn.validation.kernel_run import KernelRun
    from ctsm_socnn.validation.model_runs import RunAtSites
    from ctsm_socnn.validation.parameters_in_use import Evidence
    from ctsm_socnn.validation.report import Section

__all__ = ["add_arguments", "run"]

Runs = Mapping[str, Sequence[Path]]

_RESULT: Final = "validation.json"
"""All numbers; also tells a directory of this command from others."""


_NEEDS: Final = (
    ("by", "sites", "whose variables make the groups"),
    ("land_cover", "sites", "whose profiles it weights"),
    ("paramfile", "ctsm", "for example --ctsm ctsm5.4"),
    ("ctsm", "paramfile", "which is read as that version reads it"),
    ("kernel", "paramfile", "whose parameters the kernel is to use"),
    ("month_ends", "kernel", "which starts from these pools"),
    ("surface", "kernel", "which takes bedrock and sand from it"),
)
"""Options that say nothing without another, and why."""


class _Part(NamedTuple):
    """One comparison: key and value in JSON, text, section of the report, whether all is well."""

    key: str
    value: Any
    text: str
    section: Callable[[], Section]
    passed: bool = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add = parser.add_argument
    add_run_option(parser, required=True)
    add("--sites", type=Path, metavar="SITES.nc", help="sites file with observed profiles")
    add(
        "--by",
        action="append",
        default=[],
        metavar="VARIABLE",
        help="with --sites: scores by the classes of a variable of the sites, or by depth; repeat",
    )
    add(
        "--land-cover",
        metavar="RASTER",
        help="with --sites: GeoTIFF or netCDF of classes; FILE:VARIABLE where it holds several fields",
    )
    add("--paramfile", type=Path, metavar="FILE", help="paramfile that the runs should have used")
    add("--ctsm", metavar="VERSION", help="CTSM version of the runs; needed with --paramfile")
    add("--kernel", action="store_true", help="also compare the offline kernel with the runs")
    add(
        "--month-ends",
        action="append",
        default=[],
        metavar="NAME=PATTERN",
        help="with --kernel: a run's history files with instantaneous pools at the ends of months",
    )
    add("--surface", type=Path, metavar="FILE", help="with --kernel: surface dataset of the runs")
    add("--totals", action="store_true", help="also add up the runs' soil carbon over land, in PgC")
    add("-o", "--output", type=Path, metavar="DIR", help="write scores, tables and figure there")
    add("--overwrite", action="store_true", help="replace DIR")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare, print, and write."""
    _require_sense(arguments)
    runs = named_runs(arguments)
    if arguments.output is None:
        return _compare(runs, arguments, None)
    make_directory(arguments.output.parent)
    with atomic_directory(
        arguments.output, overwrite=arguments.overwrite, mark=_RESULT
    ) as directory:
        return _compare(runs, arguments, directory)


def _compare(runs: Runs, arguments: argparse.Namespace, output: Path | None) -> int:
    parts = list(_parts(runs, arguments, output))
    result = {part.key: part.value for part in parts}
    print_result(arguments, result, "\n\n".join(part.text for part in parts))
    if output is not None:
        _write_text(to_json(result) + "\n", output / _RESULT)
        _write_report(parts, runs, arguments, output / "report.html")
    return 0 if all(part.passed for part in parts) else 1


def _require_sense(arguments: argparse.Namespace) -> None:
    if arguments.sites is None and arguments.paramfile is None and not arguments.totals:
        raise ConfigError("nothing to compare the runs with; give --sites, --paramfile or --totals")
    for option, needed, why in _NEEDS:
        if getattr(arguments, option) and not getattr(arguments, needed):
            words = (f"--{name.replace('_', '-')}" for name in (option, needed))
            raise ConfigError(f"{' needs '.join(words)}, {why}")


def _parts(runs: Runs, arguments: argparse.Namespace, output: Path | None) -> Iterator[_Part]:
    if arguments.sites is not None:
        yield from _against_profiles(runs, arguments, output)
    if arguments.paramfile is not None:
        yield _against_paramfile(runs, arguments.paramfile, arguments.ctsm)
    if arguments.kernel:
        yield _against_kernel(runs, arguments, output)
    if arguments.totals:
        yield _totals(runs)


def _against_profiles(
    runs: Runs, arguments: argparse.Namespace, output: Path | None
) -> Iterator[_Part]:
    from ctsm_socnn.schemas import open_sites
    from ctsm_socnn.validation.comparison import (
        compare_methods,
        comparison_json,
        format_comparison,
    )
    from ctsm_socnn.validation.model_runs import at_common_sites, collocate
    from ctsm_socnn.validation.report import score_section
    from ctsm_socnn.validation.report_sections import stock_section
    from ctsm_socnn.validation.stocks import format_stocks, score_stocks

    sites = open_sites(arguments.sites)
    found = at_common_sites(sites, [collocate(name, paths, sites) for name, paths in runs.items()])
    predictions = [run.prediction for run in found]
    comparison = compare_methods(sites, predictions)
    if output is not None:
        _write_comparison(comparison, arguments.sites, output)
    yield _Part(
        "profiles",
        comparison_json(comparison),
        format_comparison(comparison),
        lambda: score_section(comparison, seed=0, mapped=predictions[-1].method),
    )
    stocks = score_stocks(sites, predictions)
    yield _Part(
        "stocks",
        stocks.to_dict("records"),
        format_stocks(stocks),
        lambda: stock_section(stocks),
    )
    yield _by_cell(sites, found, arguments.land_cover, output)
    yield _by_group(comparison, sites, arguments.by or ["depth"])


def _by_cell(
    sites: xr.Dataset, found: Sequence[RunAtSites], land_cover: str | None, output: Path | None
) -> _Part:
    import pandas as pd

    from ctsm_socnn.validation.cell_means import cell_means, format_cell_scores, score_cell_means
    from ctsm_socnn.validation.land_cover import land_cover_of
    from ctsm_socnn.validation.report_sections import cell_section

    tables = []
    for run in found:
        cover = None
        if land_cover is not None:
            cover = land_cover_of(*file_and_variable(land_cover), sites, run)
        tables.append(cell_means(sites, run, cover=cover))
    means = pd.concat(tables, ignore_index=True)
    if output is not None:
        _write_text(means.to_csv(index=False), output / "cells.csv")
    table = score_cell_means(means)
    return _Part(
        "cells",
        table.to_dict("records"),
        format_cell_scores(table),
        lambda: cell_section(table),
    )


def _by_group(comparison: xr.Dataset, sites: xr.Dataset, groupings: Sequence[str]) -> _Part:
    from ctsm_socnn.validation.groups import (
        format_groups,
        grouped_scores,
        observation_groups,
    )
    from ctsm_socnn.validation.intervals import map_blocks
    from ctsm_socnn.validation.report_sections import group_section

    block = map_blocks(comparison["lon"].values, comparison["lat"].values)
    tables = {
        grouping: grouped_scores(comparison, observation_groups(comparison, sites, grouping), block)
        for grouping in dict.fromkeys(groupings)
    }
    return _Part(
        "groups",
        {grouping: table.to_dict("records") for grouping, table in tables.items()},
        "\n\n".join(format_groups(table, grouping) for grouping, table in tables.items())
        + "\n95 %: interval of NSE from drawing blocks of 2 degrees. RMSE and bias in kgC m-3.",
        lambda: group_section(comparison, sites, list(tables)),
    )


def _write_comparison(comparison: xr.Dataset, sites_file: Path, output: Path) -> None:
    from ctsm_socnn.netcdf import write_dataset
    from ctsm_socnn.provenance import provenance_attributes
    from ctsm_socnn.validation.figures import draw_observed_modelled

    stamped = comparison.assign_attrs(
        provenance_attributes(seed=None, inputs={"sites": sites_file})
    )
    write_dataset(stamped, output / "comparison.nc")
    draw_observed_modelled(comparison, output / "observed_modelled.png")


def _against_paramfile(runs: Runs, paramfile: Path, version_name: str) -> _Part:
    from ctsm_socnn.export.paramfile import named_maps, read_scalars
    from ctsm_socnn.parameters.ctsm_versions import resolve_version
    from ctsm_socnn.validation.parameters_in_use import find_evidence, rates_are_told
    from ctsm_socnn.validation.report_sections import evidence_section

    version = resolve_version(version_name)
    expected = read_scalars(paramfile, version, beside_maps=True)
    maps = named_maps(paramfile)
    evidence = {name: find_evidence(paths, version, expected, maps) for name, paths in runs.items()}
    return _Part(
        "parameters",
        evidence,
        "\n\n".join(_evidence_text(name, found) for name, found in evidence.items()),
        lambda: evidence_section(evidence),
        all(
            rates_are_told(found) and not any(e.verdict == "NOT used" for e in found)
            for found in evidence.values()
        ),
    )


def _evidence_text(name: str, evidence: Sequence[Evidence]) -> str:
    from ctsm_socnn.validation.parameters_in_use import format_evidence, rates_are_told

    wrong = [e.name for e in evidence if e.verdict == "NOT used"]
    told = sum(e.verdict != "cannot tell" for e in evidence)
    verdict = (
        f"did NOT use {', '.join(wrong)}"
        if wrong
        else f"used all {told} scalars that can be determined, of {len(evidence)}"
    )
    lines = [f"Run {name}:", format_evidence(evidence), f"Run {name} {verdict}."]
    if not rates_are_told(evidence):
        lines.append(
            "No turnover time can be determined, so it is unknown which paramfile was read; let the "
            "run write K_* and the scalars: usermods/forcing_output."
        )
    return "\n".join(lines)


def _against_kernel(runs: Runs, arguments: argparse.Namespace, output: Path | None) -> _Part:
    from ctsm_socnn.validation.kernel_check import (
        check_kernel,
        fields_that_differ,
        format_kernel_check,
        kernel_check_json,
    )
    from ctsm_socnn.validation.report_sections import kernel_section

    checks, texts = {}, []
    for name, opened in _kernel_runs(runs, arguments):
        check = checks[name] = check_kernel(opened)
        if output is not None:
            _write_kernel_check(check, name, arguments.paramfile, output)
        differ = fields_that_differ(check)
        verdict = f"DIFFERS from it in {', '.join(differ)}" if differ else "agrees with it"
        texts.append(
            f"The kernel under run {name}:\n{format_kernel_check(check)}\n"
            f"The kernel under run {name} {verdict}."
        )
    return _Part(
        "kernel",
        {name: kernel_check_json(check) for name, check in checks.items()},
        "\n\n".join(texts),
        lambda: kernel_section(checks),
        not any(map(fields_that_differ, checks.values())),
    )


def _kernel_runs(runs: Runs, arguments: argparse.Namespace) -> Iterator[tuple[str, KernelRun]]:
    from ctsm_socnn.export.readback import effective_scheme
    from ctsm_socnn.forcing import find_history
    from ctsm_socnn.parameters.ctsm_versions import resolve_version
    from ctsm_socnn.validation.kernel_run import open_kernel_run

    ends = named_patterns(arguments.month_ends, "--month-ends")
    unknown = sorted(set(ends) - set(runs))
    if unknown:
        raise ConfigError(f"--month-ends names {', '.join(unknown)}, which no --run does")
    scheme = effective_scheme(arguments.paramfile, resolve_version(arguments.ctsm), {})
    for name, paths in runs.items():
        instants = find_history(ends.get(name, []))
        yield (
            name,
            open_kernel_run(paths, scheme, instants=instants, surface=arguments.surface),
        )


def _write_kernel_check(check: xr.Dataset, name: str, paramfile: Path, output: Path) -> None:
    from ctsm_socnn.netcdf import write_dataset
    from ctsm_socnn.provenance import provenance_attributes
    from ctsm_socnn.validation.map_figures import draw_kernel_differences

    inputs = {"paramfile": paramfile}
    stamped = check.assign_attrs(provenance_attributes(seed=None, inputs=inputs))
    write_dataset(stamped, output / f"kernel_{name}.nc")
    draw_kernel_differences(check, output / f"kernel_{name}.png")


def _totals(runs: Runs) -> _Part:
    from ctsm_socnn.validation.report_sections import totals_section
    from ctsm_socnn.validation.totals import format_totals, totals_json, totals_of_run

    found = {name: totals_of_run(name, paths) for name, paths in runs.items()}
    return _Part("totals", totals_json(found), format_totals(found), lambda: totals_section(found))


def _write_report(
    parts: Sequence[_Part], runs: Runs, arguments: argparse.Namespace, page: Path
) -> None:
    from ctsm_socnn.provenance import history_line, package_version
    from ctsm_socnn.validation.report import Section, write_report
    from ctsm_socnn.validation.report_sections import left_out_section

    sections = [part.section() for part in parts]
    profiles = next((part.value for part in parts if part.key == "profiles"), None)
    if profiles is not None:
        used = {"sites used": str(profiles["n_sites"]), "layers used": str(profiles["n_layers"])}
        sections.append(left_out_section(profiles["excluded"], used))
    facts = {
        "version": package_version(),
        "command": history_line(),
        **{f"run {name}": f"{paths[0]} to {paths[-1].name}" for name, paths in runs.items()},
        **{
            name: str(getattr(arguments, name))
            for name in ("sites", "land_cover", "paramfile", "ctsm", "surface")
            if getattr(arguments, name) is not None
        },
    }
    sections.append(Section("How it was made", facts=facts))
    verdict = "all as it should be" if all(part.passed for part in parts) else "NOT as meant"
    headline = f"{', '.join(runs)}: {', '.join(part.key for part in parts)}; {verdict}."
    write_report(page, "Validation of CTSM runs", headline, sections)


def _write_text(text: str, path: Path) -> None:
    from ctsm_socnn.netcdf import atomic_output

    with atomic_output(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
