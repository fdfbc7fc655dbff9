"""Python face of the Fortran kernel: soil columns, steady state and its gradient."""

from ctsm_socnn.model.columns import Columns
from ctsm_socnn.model.equilibrium import (
    SOIL_POOLS,
    SteadyState,
    soil_carbon,
    steady_state,
    steady_state_vjp,
)
from ctsm_socnn.model.grid import SOIL_GRID, SoilGrid

__all__ = [
    "SOIL_GRID",
    "SOIL_POOLS",
    "Columns",
    "SoilGrid",
    "SteadyState",
    "soil_carbon",
    "steady_state",
    "steady_state_vjp",
]
