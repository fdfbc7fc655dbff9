"""The report of a `build-params` run, from the files in its results directory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from ctsm_socnn.errors import FileError, ValidationError
from ctsm_socnn.netcdf_reading import read_header
from ctsm_socnn.network import load_model
from ctsm_socnn.schemas import open_file, open_sites
from ctsm_socnn.validation.comparison import scores_of
from ctsm_socnn.validation.evaluation import COMPARISON_FILE
from ctsm_socnn.validation.importance_results import importance_section
from ctsm_socnn.validation.methods import default_parameters
from ctsm_socnn.validation.network_sections import carbon_section, network_section
from ctsm_socnn.validation.report import (
    Cell,
    Section,
    Table,
    counts_table,
    map_section,
    score_section,
    write_report,
)
from ctsm_socnn.validation.report_sections import group_section, times_section

__all__ = ["report_run"]

_COMPARISON: Final = f"evaluation/{COMPARISON_FILE}"
_REQUIRED: Final = ("sites.nc", "posterior.nc", _COMPARISON, "maps.nc")
_MOST_LISTED: Final = 500


def report_run(
    results: Path, output: Path, *, groupings: Sequence[str] = (), overwrite: bool = False
) -> None:
    """Write the report of a run.

    Parameters
    ----------
    results : Path
        Output directory of `build-params`.
    output : Path
        The HTML file.
    groupings : sequence of str
        Variables of the sites by whose classes scores are also given, as `observation_groups` takes
        them.
    overwrite : bool

    Raises
    ------
    ValidationError
        If the directory lacks what a finished run has.
    FileError
        If a file is damaged, or the output exists.
    """
    absent = [name for name in _REQUIRED if not (results / name).is_file()]
    if absent:
        raise ValidationError(
            f"{results} lacks {', '.join(absent)}: it is not a finished run of build-params; "
            "give its --output directory after the run has finished"
        )
    sites, comparison = (open_file(results / name) for name in ("sites.nc", _COMPARISON))
    if "lon" not in comparison:
        raise ValidationError(
            f"{results / _COMPARISON} was written by an older version, without places; run "
            "build-params again with --overwrite"
        )
    seed = int(comparison.attrs.get("seed", 0))
    groups = [group_section(comparison, sites, groupings)] if groupings else []
    sections = [
        score_section(comparison, seed, mapped="network"),
        *groups,
        *_network(results),
        _left_out(results, sites, comparison),
        _assimilation(open_file(results / "posterior.nc")),
        _maps(results),
        *_carbon(results),
        *_importance(results),
        *_cases(results),
        _provenance(results),
    ]
    write_report(
        output,
        "Soil-carbon parameters for CTSM",
        _headline(sites, comparison),
        sections,
        overwrite=overwrite,
    )


def _network(results: Path) -> list[Section]:
    """Tell what was trained, and times of carbon with default parameters and with its own."""
    if not (results / "network").is_dir():
        return []
    sites = open_sites(results / "sites.nc")
    model = load_model(results / "network")
    times = times_section(
        sites, {"default": default_parameters(sites), "network": model.predict_sites(sites)}
    )
    return [section for section in (network_section(model), times) if section is not None]


def _headline(sites: xr.Dataset, comparison: xr.Dataset) -> str:
    found = scores_of(comparison, "network", "out")
    folds = comparison.attrs.get("folds")
    return (
        f"{comparison.sizes['observation']} observations at {sites.sizes['site']} sites; the network "
        f"reaches NSE {found['nse']:.2f}, and {found['log_nse']:.2f} of log10 carbon, at sites "
        f"that it has not seen{f' ({folds})' if folds else ''}."
    )


def _left_out(results: Path, sites: xr.Dataset, comparison: xr.Dataset) -> Section:
    """Every profile and layer that was not used, counted by reason; the profiles by name."""
    tables = [
        counts_table("Excluded profiles", _counts(sites, "excluded_")),
        counts_table("Layers with a flag or a note", _counts(sites, "layers_")),
        counts_table(
            "Observations left out of the scores", json.loads(comparison.attrs["excluded"])
        ),
    ]
    read = sites.attrs.get("profiles_read")
    facts = {"profiles read": str(read)} if read is not None else {}
    facts["sites"] = str(sites.sizes["site"])
    listed = results / "sites_exclusions.csv"
    return Section("What was left out", facts=facts, tables=[*tables, *_listing(listed)])


def _counts(sites: xr.Dataset, prefix: str) -> dict[str, int]:
    """Find the counts by reason that stand in the attributes of a sites file."""
    return {
        name.removeprefix(prefix).replace("_", " "): int(count)
        for name, count in sites.attrs.items()
        if name.startswith(prefix)
    }


def _listing(path: Path) -> list[Table]:
    if not path.is_file():
        return []
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise FileError(f"{path} cannot be read: {error}") from error
    if table.empty:
        return []
    listed = table.head(_MOST_LISTED)
    more = len(table) - len(listed)
    caption = f"Each of these profiles{f'; {more} more are in {path.name}' if more else ''}"
    rows = [[Cell(text) for text in row] for row in listed.to_numpy()]
    return [Table(caption, list(listed.columns), rows)]


def _assimilation(posterior: xr.Dataset) -> Section:
    status = posterior["status"]
    meanings = str(status.attrs["flag_meanings"]).split()
    values = np.asarray(status.attrs["flag_values"]).tolist()
    counts = {
        meaning.replace("_", " "): count
        for value, meaning in zip(values, meanings, strict=True)
        if (count := int((status.values == value).sum()))
    }
    names = ("sampler", "likelihood", "plan", "limits", "below_bedrock")
    facts = {
        name.replace("_", " "): str(posterior.attrs[name])
        for name in names
        if name in posterior.attrs
    }
    table = counts_table("Sites by outcome", counts, "outcome")
    return Section("Site-by-site assimilation", facts=facts, tables=[table])


def _maps(results: Path) -> Section:
    maps = open_file(results / "maps.nc")
    known = np.isfinite(maps["q10"].values)
    facts = {"cells": str(int(known.sum()))}
    if "extrapolated" in maps:
        outside = int((maps["extrapolated"].values[known] > 0).sum())
        facts["extrapolated cells (unlike any training site)"] = str(outside)
    if (results / "model_grid.nc").is_file():
        grid = open_file(results / "model_grid.nc")
        facts["cells of the model grid with values"] = str(int((grid["landmask"].values > 0).sum()))
        facts["of them filled, having no data"] = str(int((grid["filled"].values > 0).sum()))
    return map_section(maps, facts)


def _importance(results: Path) -> list[Section]:
    directory = results / "importance"
    return [importance_section(directory)] if directory.is_dir() else []


def _carbon(results: Path) -> list[Section]:
    directory = results / "soil_carbon"
    return [carbon_section(directory)] if directory.is_dir() else []


def _cases(results: Path) -> list[Section]:
    readmes = sorted((results / "usermods").glob("*/README"))
    return [
        Section(f"Case {path.parent.name}", texts=[path.read_text(encoding="utf-8")])
        for path in readmes
    ]


def _provenance(results: Path) -> Section:
    files = sorted(
        path for path in results.rglob("*.nc") if path.parent.name != "posterior.nc.parts"
    )
    headers = {str(path.relative_to(results)): read_header(path).attributes for path in files}
    facts = {
        name: str(attributes["history"]).splitlines()[0]
        for name, attributes in headers.items()
        if "history" in attributes
    }
    sites = headers["sites.nc"]
    facts = {"version": str(sites.get("source", "unknown")), **facts}
    configuration = sites.get("configuration")
    return Section(
        "How it was made",
        facts=facts,
        texts=[] if configuration is None else [str(configuration)],
    )
