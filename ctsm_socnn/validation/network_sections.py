"""Sections of a report about the network and the soil carbon from its parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ctsm_socnn.errors import FileError
from ctsm_socnn.network import Model
from ctsm_socnn.network.error_scale import LEVELS
from ctsm_socnn.schemas import open_file
from ctsm_socnn.validation.map_figures import draw_carbon_maps
from ctsm_socnn.validation.predicted_carbon import CARBON_FILE, CARBON_SUMMARY
from ctsm_socnn.validation.report import Cell, Picture, Section, Table

__all__ = ["carbon_section", "network_section"]

_QUANTITIES: Final = {
    "soc": "layers",
    "soc_stock_30cm": "stocks, 0-0.3 m",
    "soc_stock_100cm": "stocks, 0-1 m",
    "soc_stock_200cm": "stocks, 0-2 m",
    "soc_stock_column": "stocks of the column",
}


def network_section(model: Model) -> Section:
    """Tell what was trained on what, and the coverage of intervals where it was calibrated."""
    facts = {
        "method": model.method,
        "networks": str(len(model.members)),
        "each learns from": "a bootstrap sample of locations"
        if model.settings.bootstrap
        else "all sites",
        "inputs": str(len(model.transform.numeric) + len(model.transform.categorical)),
        "sites": str(model.training["sites"]),
        **{f"left out: {why}": str(n) for why, n in model.training["excluded"].items()},
    }
    found = model.training.get("out_of_fold")
    if found is None:
        return Section("Network", facts=facts)
    text = (
        f"Intervals were learnt from the errors at unseen sites ({found['folds']} folds). The table gives "
        "out-of-fold coverage, and root mean squares of errors and of the spread over the networks, "
        "in natural logarithms."
    )
    table = _coverage_table(found["coverage"], found["spread"])
    return Section("Network", [text], facts=facts, tables=[table])


def _coverage_table(coverage: Mapping[str, Any], spread: Mapping[str, Any]) -> Table:
    rows = [
        [
            Cell(_QUANTITIES.get(name, name)),
            Cell(f"{shares['n']}"),
            *(Cell(f"{shares[f'{level:g}']:.1%}") for level in LEVELS),
            *(Cell(f"{spread[name][key]:.2f}") for key in ("errors", "members")),
        ]
        for name, shares in coverage.items()
    ]
    headings = ["of", "n", *(f"within {level:.0%}" for level in LEVELS), "errors", "networks"]
    return Table("Intervals at unseen sites", headings, rows)


def carbon_section(directory: Path) -> Section:
    """Show soil carbon on the grid of the covariates.

    Parameters
    ----------
    directory : Path
        As `write_predicted_carbon` wrote it.

    Raises
    ------
    FileError
        If it is damaged.
    """
    path = directory / CARBON_SUMMARY
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileError(f"{path} cannot be read: {error}") from error
    with open_file(directory / CARBON_FILE, load=False) as maps:
        picture = Picture.drawn(
            "Stocks of soil carbon, and the spread over the networks.",
            lambda path: draw_carbon_maps(maps, path),
            broad=True,
        )
    facts = {"cells": str(summary["cells_with_soil_carbon"])}
    if "land_km2" in summary:
        facts["land, km²"] = f"{summary['land_km2']:,.0f}"
    facts |= {f"cells: {limit}": str(n) for limit, n in summary["broken_limits"].items()}
    rows = [
        [
            Cell(_QUANTITIES[name]),
            Cell(f"{each['total']:.4g}", f"± {each['sd']:.2g}" if each["sd"] > 0.0 else ""),
        ]
        for name, each in summary.get("totals_pgc", {}).items()
    ]
    tables = [Table("Over land, PgC; ± spread over the networks", ["stock", "total"], rows)]
    text = "The kernel's steady state with each cell's parameters and forcing."
    return Section(
        "Soil carbon", [text], facts=facts, tables=tables if rows else [], figures=[picture]
    )
