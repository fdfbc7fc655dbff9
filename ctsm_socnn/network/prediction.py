"""Maps of parameters on a grid of any size, a block of cells at a time."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.network.grid_cells import GridCells
from ctsm_socnn.network.model import Model
from ctsm_socnn.parameters import (
    PARAMETERS,
    TurnoverConvention,
    lower_bounds,
    to_physical,
    upper_bounds,
)
from ctsm_socnn.provenance import provenance_attributes
from ctsm_socnn.schemas import validate_maps

__all__ = ["predict_maps"]


def predict_maps(
    model: Model, covariates: xr.Dataset, *, forcing: xr.Dataset | None = None
) -> xr.Dataset:
    """Predict the parameters of every cell that has covariates.

    Parameters
    ----------
    model : Model
    covariates : xarray.Dataset
        The model's covariates on `(lat, lon)` or one dimension of cells, in the units of the
        training sites, with `lat` and `lon`.
    forcing : xarray.Dataset, optional
        Monthly climatology of the forcing, on a grid of its own; needed where the model takes
        forcing summaries (`model.transform.needs_forcing`).

    Returns
    -------
    xarray.Dataset
        Parameter maps: for each parameter the ensemble's centre and `<name>_sd`, its standard
        deviation over members, in the registry's units, NaN where more than half of the inputs
        are missing; `extrapolated`, 1 where a cell is unlike the training sites.

    Raises
    ------
    NetworkError
        Naming what the grid or the forcing lacks.
    """
    grid = GridCells.from_dataset(covariates, model.transform.covariates, forcing)
    n = int(np.prod(grid.shape))
    centre, spread = np.full((n, len(PARAMETERS)), np.nan), np.full((n, len(PARAMETERS)), np.nan)
    extrapolated = np.zeros(n, dtype=np.int8)
    for part, cells in grid.blocks():
        inputs = model.transform(cells)
        members = model.predict_members(inputs)
        centre[part] = to_physical(model.centre(members))
        spread[part] = _spread(members)
        extrapolated[part] = model.domain.outside(inputs) & inputs.usable
    return _maps(model, covariates, grid, centre, spread, extrapolated)


def _spread(members: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation over members in physical units; 0 for a single member."""
    ddof = 1 if len(members) > 1 else 0
    span = upper_bounds() - lower_bounds()
    return np.asarray(members.std(axis=0, ddof=ddof) * span)


def _maps(
    model: Model,
    covariates: xr.Dataset,
    grid: GridCells,
    centre: NDArray[np.float64],
    spread: NDArray[np.float64],
    extrapolated: NDArray[np.int8],
) -> xr.Dataset:
    maps = xr.Dataset(coords={name: covariates[name] for name in ("lat", "lon")})
    for column, known in enumerate(PARAMETERS):
        attributes = {"units": known.units, "long_name": known.meaning}
        bounds = {"valid_min": known.lower, "valid_max": known.upper}
        maps[known.name] = (
            grid.dimensions,
            centre[:, column].reshape(grid.shape),
            attributes | bounds,
        )
        spread_name = f"standard deviation over the ensemble of {known.meaning}"
        maps[f"{known.name}_sd"] = (
            grid.dimensions,
            spread[:, column].reshape(grid.shape),
            {"units": known.units, "long_name": spread_name},
        )
    maps["extrapolated"] = (
        grid.dimensions,
        extrapolated.reshape(grid.shape),
        {
            "units": "1",
            "long_name": "whether the cell's covariates are unlike those of all training sites",
            "flag_values": np.array([0, 1], dtype=np.int8),
            "flag_meanings": "inside_training_domain outside_training_domain",
        },
    )
    maps.attrs = {
        **provenance_attributes(seed=model.seed),
        "method": model.method,
        "turnover_time_convention": str(TurnoverConvention.UNNORMALISED),
    }
    return validate_maps(maps)
