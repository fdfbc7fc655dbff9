"""Sections of reports besides the main scores: groups, carbon times, and results of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.model import Columns
from ctsm_socnn.validation.carbon_times import carbon_times
from ctsm_socnn.validation.figures import draw_carbon_times, draw_depth_profiles
from ctsm_socnn.validation.groups import DEPTH_GROUPING, grouped_scores, observation_groups
from ctsm_socnn.validation.intervals import map_blocks
from ctsm_socnn.validation.kernel_check import fields_that_differ, steady_text
from ctsm_socnn.validation.map_figures import draw_kernel_differences
from ctsm_socnn.validation.parameters_in_use import Evidence
from ctsm_socnn.validation.report import Cell, Picture, Section, Table, counts_table
from ctsm_socnn.validation.stocks import depth_name
from ctsm_socnn.validation.totals import REFERENCES, Total

__all__ = [
    "cell_section",
    "evidence_section",
    "group_section",
    "kernel_section",
    "left_out_section",
    "stock_section",
    "times_section",
    "totals_section",
]

_KILO: Final = 1000.0
_MOST_SITES: Final = 200
"""Sites whose times of carbon are drawn; each needs the solution of 140 equations."""


def group_section(comparison: xr.Dataset, sites: xr.Dataset, groupings: Sequence[str]) -> Section:
    """Scores, and medians by depth, within groups of observations.

    Parameters
    ----------
    comparison : xarray.Dataset
        Result of `compare_methods` of these sites, with `lon, lat`.
    sites : xarray.Dataset
    groupings : sequence of str
        As `observation_groups` takes them.
    """
    block = map_blocks(comparison["lon"].values, comparison["lat"].values)
    tables, figures = [], []
    for grouping in groupings:
        group = observation_groups(comparison, sites, grouping)
        tables.append(_group_table(grouping, grouped_scores(comparison, group, block)))
        if grouping != DEPTH_GROUPING:
            figures.append(_profiles_by(comparison, grouping, group))
    note = "CCC is Lin's concordance. RMSE and bias in kgC m⁻³; small print: 95 % intervals of NSE."
    return Section("Scores by group", [note], tables=tables, figures=figures)


def times_section(
    sites: xr.Dataset, parameters: Mapping[str, NDArray[np.float64]]
) -> Section | None:
    """Turnover times, ages and transit times; None where no site has all parameters.

    Parameters
    ----------
    sites : xarray.Dataset
        In the sites schema.
    parameters : mapping of str to ndarray, shape (site, 21)
        By method; NaN where there are none.
    """
    known = np.logical_and.reduce([np.isfinite(p).all(axis=1) for p in parameters.values()])
    places = np.flatnonzero(known)
    if places.size == 0:
        return None
    chosen = places[:: -(-places.size // _MOST_SITES)]
    columns = Columns.from_sites(sites.isel(site=chosen))
    times = {name: carbon_times(columns, values[chosen]) for name, values in parameters.items()}
    text = (
        f"At steady state, at {chosen.size} of {places.size} sites: medians and interquartile ranges. Turnover time is the "
        "carbon of a layer over what is respired from it, mean age the time since its carbon entered "
        "the soil, transit time the carbon of the column over its input (Sierra et al. 2017)."
    )
    picture = Picture.drawn(
        "Turnover time and mean age of soil carbon by depth.",
        lambda path: draw_carbon_times(times, path),
        broad=True,
    )
    return Section("Turnover times and ages of carbon", [text], figures=[picture])


def stock_section(stocks: pd.DataFrame) -> Section:
    """Stocks to each depth, as `score_stocks` gives them."""
    rows = [
        [
            Cell(str(row["method"])),
            Cell(depth_name(row["depth"])),
            Cell(f"{int(row['n'])}"),
            *(Cell(f"{row[name] / _KILO:.1f}") for name in ("observed", "modelled", "rmse")),
            *(Cell(f"{row[name]:.2f}") for name in ("nse", "r2", "ccc")),
        ]
        for row in stocks.to_dict("records")
    ]
    headings = ["run", "to", "profiles", "observed", "modelled", "RMSE", "NSE", "R²", "CCC"]
    caption = "Stocks of profiles sampled to 80 % of the depth (all: as deep as sampled), kgC m⁻²"
    return Section("Stocks", tables=[Table(caption, headings, rows)])


def cell_section(table: pd.DataFrame) -> Section:
    """Scores of cell means, as `score_cell_means` gives them."""
    rows = [
        [
            Cell(str(row["run"])),
            Cell(depth_name(row["depth"])),
            Cell(f"{row['cells']}"),
            Cell(f"{row['profiles']}"),
            Cell(f"{row['observed'] / _KILO:.1f}", f"± {row['standard_error'] / _KILO:.1f}"),
            Cell(f"{row['modelled'] / _KILO:.1f}"),
            *(Cell(f"{row[name]:.2f}") for name in ("nse", "r2", "ccc")),
            *(Cell(f"{row[name] / _KILO:.1f}") for name in ("rmse", "bias")),
        ]
        for row in table.to_dict("records")
    ]
    headings = ["run", "to", "cells", "profiles", "observed", "modelled"]
    headings += ["NSE", "R²", "CCC", "RMSE", "bias"]
    text = (
        "Stocks of cell means, kgC m⁻². Profiles of one square of 0.1 degrees share the weight of one; "
        "with --land-cover each class is weighted by its fraction of the cell. Cells are weighted by land area. Small print: standard error of an observed cell mean."
    )
    return Section("Cell means", [text], tables=[Table("By depth", headings, rows)])


def evidence_section(evidence: Mapping[str, Sequence[Evidence]]) -> Section:
    """Which scalars of the paramfile each run used."""
    tables = [
        Table(
            f"Run {name}",
            ["scalar", "verdict", "meant", "run", "unit", "difference", "allowed"],
            [
                [
                    Cell(e.name),
                    Cell(str(e.verdict)),
                    Cell(f"{e.expected:.6g}"),
                    Cell("-" if np.isnan(e.found) else f"{e.found:.6g}"),
                    Cell(e.units),
                    Cell("-" if np.isnan(e.difference) else f"{e.difference:z.2%}"),
                    Cell(f"{e.tolerance:.1%}" if e.tolerance else "-"),
                ]
                for e in found
            ],
        )
        for name, found in evidence.items()
    ]
    text = "Read from the decay rates, scalars and fluxes of the run's own history."
    return Section("Parameters in use", [text], tables=tables)


def kernel_section(checks: Mapping[str, xr.Dataset]) -> Section:
    """Show the offline kernel against the history of each run."""
    tables = [_kernel_table(name, check) for name, check in checks.items()]
    figures = [
        Picture.drawn(
            f"Run {name}: kernel minus run, cell by cell.",
            lambda path, check=check: draw_kernel_differences(check, path),  # type: ignore[misc]
            broad=True,
        )
        for name, check in checks.items()
    ]
    text = (
        "The kernel is driven by the run's monthly scalars and litter inputs. A pool's difference is "
        "the error of its change over the period, relative to the carbon that left it. A field "
        "agrees if its median over the cells is within the tolerance."
    )
    steady = [f"Run {name}. {steady_text(check)}" for name, check in checks.items()]
    return Section("Kernel versus run", [text, *steady], tables=tables, figures=figures)


def totals_section(found: Mapping[str, Sequence[Total]]) -> Section:
    """Soil carbon added up over land, beside published totals."""
    headings = ["run", "land, 10⁶ km²", *(row.stock for row in next(iter(found.values())))]
    rows = [
        [
            Cell(name),
            Cell(f"{totals[0].area / 1e12:.3f}"),
            *(Cell(f"{row.total:.4g}", f"{row.mean / _KILO:.1f} kgC m⁻²") for row in totals),
        ]
        for name, totals in found.items()
    ]
    published = [
        [Cell(text) for text in (each.source, each.region, each.stock, each.amount)]
        for each in REFERENCES
    ]
    return Section(
        "Totals",
        ["Soil organic carbon over the land of the grid; compare only grids with the same land."],
        tables=[
            Table("PgC, and means over land", headings, rows),
            Table("Published, PgC", ["source", "region", "to", "PgC"], published),
        ],
    )


def left_out_section(excluded: Mapping[str, int], facts: Mapping[str, str]) -> Section:
    """Count what the comparison with profiles did not use, by reason."""
    table = counts_table("Left out of the scores", excluded)
    return Section("What was left out", facts=facts, tables=[table])


def _group_table(grouping: str, table: pd.DataFrame) -> Table:
    held = set(table["sample"])
    sample = next(sample for sample in ("out", "in", "run") if sample in held)
    shown = table[table["sample"] == sample].sort_values("group", kind="stable")
    rows = []
    for row in shown.to_dict("records"):
        low, high = row["nse_low"], row["nse_high"]
        interval = f"{low:.2f} to {high:.2f}" if np.isfinite(low) else ""
        rows.append(
            [
                Cell(str(row["group"])),
                Cell(str(row["method"])),
                Cell(f"{int(row['n'])}"),
                Cell(f"{row['nse']:.2f}", interval),
                *(Cell(f"{row[name]:.2f}") for name in ("r2", "ccc", "log_nse")),
                *(Cell(f"{row[name] / _KILO:.1f}") for name in ("rmse", "bias")),
            ]
        )
    headings = [grouping, "method", "n", "NSE", "R²", "CCC", "NSE of log10", "RMSE", "bias"]
    caption = {"out": ", out of sample", "in": ", in sample", "run": ""}[sample]
    return Table(f"By {grouping}{caption}", headings, rows)


def _profiles_by(comparison: xr.Dataset, grouping: str, group: NDArray[np.str_]) -> Picture:
    return Picture.drawn(
        f"Medians by depth, by {grouping}.",
        lambda path: draw_depth_profiles(comparison, path, group=group),
        broad=True,
    )


def _kernel_table(name: str, check: xr.Dataset) -> Table:
    differ = set(fields_that_differ(check))
    rows = []
    for field in check["field"].values:
        row = check.sel(field=field)
        known = int(row["cells"]) > 0
        median, largest = (
            f"{float(row[key]):.3%}" if known else "-" for key in ("median", "largest")
        )
        verdict = ("DIFFERS" if field in differ else "agrees") if known else "cannot tell"
        rows.append(
            [
                Cell(str(field)),
                Cell(verdict),
                Cell(str(row["measure"].item())),
                Cell(str(int(row["cells"]))),
                Cell(median),
                Cell(f"{float(row['allowed']):.1%}"),
                Cell(largest),
            ]
        )
    headings = ["field", "verdict", "difference", "cells", "median", "allowed", "largest"]
    return Table(f"Run {name}, {check.attrs['period']}", headings, rows)
