"""The values that a case with maps should show in its history, cell by cell.

The SourceMods multiply decay rates and leave `T_SCALAR` and `W_SCALAR` as CTSM makes them, so that
the maps of q10 and w_scaling show only in `K_*`, as `environment_factor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.export.model_grid import same_cells
from ctsm_socnn.export.translation import RESPIRED_ITEMS
from ctsm_socnn.forcing.land_grid import LandGrid
from ctsm_socnn.netcdf_reading import open_netcdf
from ctsm_socnn.parameters import FREEZING, Q10_REFERENCE
from ctsm_socnn.parameters.ctsm_routes import Q10_ITEMS, TURNOVER_ITEMS
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion

__all__ = ["MappedScalars"]

_CARRIED: Final = (
    "som_diffus",
    "cryoturb_diffusion_k",
    *Q10_ITEMS,
    "decomp_depth_efolding",
    *TURNOVER_ITEMS.values(),
    *RESPIRED_ITEMS.values(),
    "cwd_fcel",
    "cwd_flig",
)

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MappedScalars:
    """Values of a gridded parameter file at the land cells of a run.

    Attributes
    ----------
    by_item : mapping of str to ndarray, shape (cell,)
        By the package's key of the scalar, in the units of the paramfile; those that the history
        shows cell by cell.
    q10, froz_q10, w_scaling : ndarray, shape (cell,), or None
        Which show in the decay rates alone.
    """

    by_item: Mapping[str, Array]
    q10: Array | None
    froz_q10: Array | None
    w_scaling: Array | None

    @classmethod
    def read(cls, path: Path, version: CtsmVersion, grid: LandGrid) -> MappedScalars:
        """Read a gridded parameter file.

        Parameters
        ----------
        path : Path
        version : CtsmVersion
            Whose names its variables have.
        grid : LandGrid
            Of the run's history.

        Raises
        ------
        FileError
            If it cannot be read.
        ValidationError
            If it is not on the grid of the run.
        """
        with open_netcdf(path) as dataset:
            fields = {
                name: np.asarray(variable[...], dtype=np.float64).ravel()
                for name, variable in dataset.variables.items()
            }
        _require_same_grid(fields, grid, path)
        at_land = {name: values[grid.land] for name, values in fields.items()}
        names = {key: version.item(key).variable for key in _CARRIED}
        by_item = {key: at_land[name] for key, name in names.items() if name in at_land}
        if "fs2s1" in at_land:
            # One respired fraction for all that leaves the slow pool.
            by_item["rf_s2s1"] = by_item["rf_s2s3"] = 1.0 - at_land["fs2s1"] - at_land["fs2s3"]
        q10, frozen = (by_item.pop(key, None) for key in Q10_ITEMS)
        return cls(by_item, q10, frozen, at_land.get("w_scaling"))

    @property
    def change_environment(self) -> bool:
        """Whether rates are not the product of the history's own scalars."""
        return self.q10 is not None or self.w_scaling is not None

    def environment_factor(
        self, temperature: Array, water_scalar: Array, scalars: Mapping[str, float]
    ) -> Array:
        """Divide the new by the old decay rate, as temperature and water change it (`SocnnEquationsMod`).

        Parameters
        ----------
        temperature : ndarray, shape (..., cell), K
        water_scalar : ndarray, shape (..., cell), 1
            `W_SCALAR`.
        scalars : mapping of str to float
            Of the paramfile, by item key.

        Returns
        -------
        ndarray, shape (..., cell), 1
        """
        factor = np.ones(np.broadcast_shapes(temperature.shape, water_scalar.shape))
        if self.q10 is not None:
            change = self.q10 / scalars["q10"]
            frozen = change if self.froz_q10 is None else self.froz_q10 / scalars["froz_q10"]
            warmer = (temperature - Q10_REFERENCE) / 10.0
            above = change ** (warmer + 1.0)
            at_freezing = change ** ((FREEZING - Q10_REFERENCE) / 10.0 + 1.0)
            below = at_freezing * frozen ** ((temperature - FREEZING) / 10.0)
            factor = factor * np.where(temperature >= FREEZING, above, below)
        if self.w_scaling is not None:
            raised = np.minimum(1.0, self.w_scaling * water_scalar)
            factor = factor * np.divide(
                raised, water_scalar, where=water_scalar > 0.0, out=np.ones_like(raised)
            )
        return factor


def _require_same_grid(fields: Mapping[str, Array], grid: LandGrid, path: Path) -> None:
    lon, lat = fields["LONGXY"], fields["LATIXY"]
    if lat.size != int(np.prod(grid.shape)):
        raise ValidationError(
            f"{path} has {lat.size} cells, but the history of the run has {grid.shape}; "
            "these maps are not those of this case"
        )
    axes = np.meshgrid(grid.lat, grid.lon, indexing="ij") if len(grid.dims) == 2 else None
    run_lat, run_lon = (axes[0].ravel(), axes[1].ravel()) if axes else (grid.lat, grid.lon)
    land = grid.land
    if not same_cells(lat[land], lon[land], run_lat[land], run_lon[land]):
        raise ValidationError(
            f"{path}: its cells do not lie where those of the run's history do; "
            "these maps are not those of this case"
        )
