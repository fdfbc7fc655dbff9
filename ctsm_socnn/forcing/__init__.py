"""CLM history files in, monthly climatology of what drives the kernel out."""

from ctsm_socnn.forcing.climatology import read_climatology
from ctsm_socnn.forcing.field_names import GENERATIONS, Generation

__all__ = ["GENERATIONS", "Generation", "read_climatology"]
