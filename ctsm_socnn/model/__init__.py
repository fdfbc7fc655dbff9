"""Python face of the Fortran kernel: soil columns, steady state and its gradient."""

from ctsm_socnn.model.coefficients import Coefficients, coefficients
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
    "Coefficients",
    "Columns",
    "SoilGrid",
    "SteadyState",
    "coefficients",
    "soil_carbon",
    "steady_state",
    "steady_state_vjp",
]
