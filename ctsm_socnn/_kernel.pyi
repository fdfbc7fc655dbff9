"""What f2py makes of fortran/f2py_interface.f90."""

from numpy import float64
from numpy.typing import NDArray

def grid() -> tuple[NDArray[float64], NDArray[float64], NDArray[float64]]: ...
