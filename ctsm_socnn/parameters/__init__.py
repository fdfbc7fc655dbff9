"""The registry: names, meaning, units, bounds and defaults of the 21 parameters."""

from ctsm_socnn.parameters.registry import (
    PARAMETER_NAMES,
    PARAMETERS,
    SPLITS,
    TYPICAL_SAND,
    Parameter,
    clm5_defaults,
    lower_bounds,
    parameter,
    upper_bounds,
)
from ctsm_socnn.parameters.transforms import to_physical, to_unit
from ctsm_socnn.parameters.turnover import (
    FREEZING,
    Q10_REFERENCE,
    TurnoverConvention,
    century_normalisation,
    convert_turnover_times,
)

__all__ = [
    "FREEZING",
    "PARAMETERS",
    "PARAMETER_NAMES",
    "Q10_REFERENCE",
    "SPLITS",
    "TYPICAL_SAND",
    "Parameter",
    "TurnoverConvention",
    "century_normalisation",
    "clm5_defaults",
    "convert_turnover_times",
    "lower_bounds",
    "parameter",
    "to_physical",
    "to_unit",
    "upper_bounds",
]
