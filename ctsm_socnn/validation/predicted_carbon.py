"""Soil carbon on a grid from a network's parameters, as a directory of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import xarray as xr

from ctsm_socnn.directories import atomic_directory, write_checksums, write_json
from ctsm_socnn.network import MapSummary, Model, write_maps
from ctsm_socnn.schemas import open_file
from ctsm_socnn.validation.map_figures import draw_carbon_maps

__all__ = ["CARBON_FIGURE", "CARBON_FILE", "CARBON_SUMMARY", "write_predicted_carbon"]

CARBON_FILE: Final = "soil_carbon.nc"
CARBON_SUMMARY: Final = "summary.json"
CARBON_FIGURE: Final = "soil_carbon.png"


def write_predicted_carbon(
    model: Model,
    covariates: xr.Dataset,
    forcing: xr.Dataset,
    directory: Path,
    attributes: Mapping[str, str],
) -> MapSummary:
    """Run every cell's parameters through the kernel on its forcing; write carbon, sums and a figure.

    Parameters
    ----------
    model : Model
    covariates : xarray.Dataset
        On `(lat, lon)`, as for `predict_maps`.
    forcing : xarray.Dataset
        Monthly climatology on a grid of its own.
    directory : Path
        Gets `soil_carbon.nc` (carbon by layer and stocks, as `predict --soil-carbon` writes them),
        `summary.json` (totals over land and broken limits) and a figure.
    attributes : mapping of str to str
        Provenance.

    Raises
    ------
    NetworkError
        Naming what the grid or the forcing lacks.
    FileError
        If the directory exists or cannot be written.
    """
    with atomic_directory(directory) as temporary:
        file = temporary / CARBON_FILE
        summary = write_maps(
            model, covariates, forcing=forcing, soil_carbon=file, attributes=attributes
        )
        write_json(temporary / CARBON_SUMMARY, summary.as_json())
        with open_file(file, load=False) as maps:
            draw_carbon_maps(maps, temporary / CARBON_FIGURE)
        write_checksums(temporary)
    return summary
