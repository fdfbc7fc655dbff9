"""Python interface to the Fortran kernel.

The published 21-parameter model (`Columns`, `steady_state`, ...) and the two generations of CTSM's
own code (`CtsmScheme`, `simulate`, `mean_steady_state`, ...).
"""

from ctsm_socnn.model.coefficients import Coefficients, coefficients
from ctsm_socnn.model.columns import Columns
from ctsm_socnn.model.ctsm_equilibrium import (
    CtsmSteadyState,
    accelerated_spinup,
    mean_steady_state,
    periodic_steady_state,
)
from ctsm_socnn.model.ctsm_forcing import CTSM_POOLS, CtsmColumns, CtsmForcing
from ctsm_socnn.model.ctsm_parameters import CtsmParameters, CtsmSwitches, CtsmVersion
from ctsm_socnn.model.ctsm_scheme import CtsmScheme
from ctsm_socnn.model.ctsm_sites import site_climatology
from ctsm_socnn.model.equilibrium import (
    SOIL_POOLS,
    SteadyState,
    soil_carbon,
    steady_state,
    steady_state_vjp,
)
from ctsm_socnn.model.grid import SOIL_GRID, SoilGrid
from ctsm_socnn.model.sensitivity import (
    CLIMATE_FIELDS,
    FullGradient,
    full_gradient,
    input_jacobian,
    jacobian,
    soil_carbon_change,
)
from ctsm_socnn.model.simulation import monthly_records, repeated_records, simulate

__all__ = [
    "CLIMATE_FIELDS",
    "CTSM_POOLS",
    "SOIL_GRID",
    "SOIL_POOLS",
    "Coefficients",
    "Columns",
    "CtsmColumns",
    "CtsmForcing",
    "CtsmParameters",
    "CtsmScheme",
    "CtsmSteadyState",
    "CtsmSwitches",
    "CtsmVersion",
    "FullGradient",
    "SoilGrid",
    "SteadyState",
    "accelerated_spinup",
    "coefficients",
    "full_gradient",
    "input_jacobian",
    "jacobian",
    "mean_steady_state",
    "monthly_records",
    "periodic_steady_state",
    "repeated_records",
    "simulate",
    "site_climatology",
    "soil_carbon",
    "soil_carbon_change",
    "steady_state",
    "steady_state_vjp",
]
