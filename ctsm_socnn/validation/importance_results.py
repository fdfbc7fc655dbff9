"""Importance of covariates and parameters, as files, numbers and a section of a report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from ctsm_socnn.directories import atomic_directory, write_checksums, write_json
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.schemas import open_file
from ctsm_socnn.validation.importance_figures import draw_gradients, draw_importance
from ctsm_socnn.validation.report import Cell, Picture, Section, Table

__all__ = ["importance_json", "importance_section", "write_importance"]

_FILE: Final = "importance.nc"


def write_importance(
    importance: xr.Dataset,
    gradients: xr.Dataset,
    directory: Path,
    attributes: Mapping[str, str],
    *,
    overwrite: bool = False,
) -> None:
    """Write importance and gradients with their numbers as JSON and two figures, all or nothing.

    A model that knows classes only has no gradients to draw.

    Parameters
    ----------
    importance : xarray.Dataset
        Result of `permutation_importance`.
    gradients : xarray.Dataset
        Result of `covariate_gradients`.
    directory : Path
        Made by this function.
    attributes : mapping of str to str
        Provenance.
    overwrite : bool

    Raises
    ------
    FileError
        If the directory exists and may not be replaced, or cannot be written.
    """
    with atomic_directory(directory, overwrite=overwrite) as temporary:
        whole = importance.merge(gradients).assign_attrs(importance.attrs | dict(attributes))
        write_dataset(whole, temporary / _FILE)
        write_json(temporary / "importance.json", importance_json(importance, gradients))
        draw_importance(importance, temporary / "importance.png")
        if gradients.sizes["input"]:
            draw_gradients(gradients, temporary / "gradients.png")
        write_checksums(temporary)


def importance_section(directory: Path) -> Section:
    """Show what `write_importance` wrote.

    Raises
    ------
    FileError
        If it cannot be read.
    """
    found = open_file(directory / _FILE)
    text = (
        f"At {found.attrs['n_sites']} unseen sites, a group of covariates or one parameter is shuffled "
        "between sites; the loss of skill shows its importance. Gradients, through the network and "
        "the kernel's adjoint, are the mean change per standard deviation of an input. They show how "
        "the model responds, not what would happen in the field."
    )
    table = Table("Groups of covariates", ["group", *_HEADINGS, "inputs"], _rows(found))
    figures = [
        Picture.drawn(
            "Loss of skill when shuffled, by group of covariates and by parameter.",
            lambda path: draw_importance(found, path),
            broad=True,
        )
    ]
    if found.sizes["input"]:
        answer = Picture.drawn(
            "Response of soil carbon and parameters to the inputs.",
            lambda path: draw_gradients(found, path),
            broad=True,
        )
        figures.append(answer)
    return Section("Importance", [text], tables=[table], figures=figures)


_HEADINGS: Final = ("NSE", "NSE of log10", "NSE of stocks")


def _rows(found: xr.Dataset) -> list[list[Cell]]:
    """Losses by group, the largest first."""
    loss = found["loss"].mean("repeat").values
    return [
        [
            Cell(str(found["group"].values[i])),
            *(Cell(f"{value:.3f}") for value in loss[i]),
            Cell(str(found["inputs"].values[i])),
        ]
        for i in np.argsort(-loss[:, 1])
    ]


def importance_json(importance: xr.Dataset, gradients: xr.Dataset) -> dict[str, Any]:
    """Losses by group and by parameter, and mean gradients, under fixed names."""
    scores = [str(name) for name in importance["score"].values]
    groups = _losses(importance["loss"], scores)
    for name, inputs in zip(groups, importance["inputs"].values, strict=True):
        groups[name] = {"inputs": str(inputs).split(", "), **groups[name]}
    return {
        "n_sites": importance.attrs["n_sites"],
        "n_layers": importance.attrs["n_layers"],
        "scores": dict(zip(scores, importance["base"].values.tolist(), strict=True)),
        "groups": groups,
        "parameters": _losses(importance["parameter_loss"], scores),
        "soc_gradients": _means(gradients["soc_gradient"], "target"),
        "parameter_gradients": _means(gradients["parameter_gradient"], "parameter"),
    }


def _losses(loss: xr.DataArray, scores: list[str]) -> dict[str, dict[str, Any]]:
    """Mean and spread over the shuffles of each row, by score."""
    mean, spread = (getattr(loss, f)("repeat").values.tolist() for f in ("mean", "std"))
    return {
        str(name): {
            **{f"{score}_loss": mean[i][j] for j, score in enumerate(scores)},
            **{f"{score}_loss_sd": spread[i][j] for j, score in enumerate(scores)},
        }
        for i, name in enumerate(loss[loss.dims[0]].values)
    }


def _means(gradient: xr.DataArray, of: str) -> dict[str, dict[str, float]]:
    mean = gradient.mean("site").transpose(of, "input").values.tolist()
    inputs = [str(name) for name in gradient["input"].values]
    return {
        str(name): dict(zip(inputs, row, strict=True))
        for name, row in zip(gradient[of].values, mean, strict=True)
    }
