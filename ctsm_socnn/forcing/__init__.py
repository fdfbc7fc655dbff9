"""From CLM history files to the monthly climatology that drives the kernel."""

from ctsm_socnn.forcing.climatology import read_climatology
from ctsm_socnn.forcing.climatology_file import open_climatology
from ctsm_socnn.forcing.field_names import GENERATIONS, Generation
from ctsm_socnn.forcing.history_files import find_history

__all__ = ["GENERATIONS", "Generation", "find_history", "open_climatology", "read_climatology"]
