"""What this machine offers to ctsm-socnn, and how to get what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ctsm_socnn.provenance import package_version

__all__ = ["Finding", "examine"]

State = Literal["ok", "absent", "broken"]

_FORTRAN_COMPILERS: Final = ("gfortran", "flang-new", "flang", "ifx", "ifort", "nvfortran")
_OPENMP_LIBRARIES: Final = ("libgomp", "libomp", "libiomp", "libnvomp")
_MAPS: Final = Path("/proc/self/maps")
_LIBRARIES: Final = ("numpy", "xarray", "netCDF4", "torch", "lightgbm", "arviz-stats")
_ESMPY_REMEDY: Final = (
    "only latitude-longitude grids can be regridded; conda install -c conda-forge esmpy"
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
        What was looked at.
    state : {"ok", "absent", "broken"}
        `absent` costs a feature or speed; `broken` stops the program from working.
    value : str
        What was found.
    remedy : str
        What to do; empty where nothing need be done.
    """

    name: str
    state: State
    value: str
    remedy: str = ""


def examine(directories: Sequence[Path]) -> list[Finding]:
    """Look at everything that decides whether and how fast the program runs here.

    Parameters
    ----------
    directories : sequence of Path
        Directories that must be writable.
    """
    return [
        Finding("ctsm-socnn", "ok", package_version()),
        Finding("Python", "ok", f"{platform.python_version()} ({platform.machine()})"),
        _kernel(),
        _openmp(),
        _processors(),
        *(_library(name) for name in _LIBRARIES),
        _esmpy(),
        _gpu(),
        _compiler(),
        *(_directory(path) for path in _distinct([*directories, Path(tempfile.gettempdir())])),
    ]


def _kernel() -> Finding:
    try:
        from ctsm_socnn import _kernel as kernel
    except ImportError as error:
        return Finding(
            "Fortran kernel", "broken", str(error), "install the package again: pip install ."
        )
    layers = kernel.grid()[0].size
    return Finding("Fortran kernel", "ok", f"{layers} layers, {Path(kernel.__file__).name}")


def _openmp() -> Finding:
    """Tell whether the kernel has brought an OpenMP library into this process."""
    try:
        libraries = {Path(line.split()[-1]).name for line in _MAPS.read_text().splitlines()}
    except OSError:
        return Finding("OpenMP", "absent", "unknown on this system")
    found = sorted(name for name in libraries if name.startswith(_OPENMP_LIBRARIES))
    if not found:
        remedy = "the kernel runs on one thread; compile it with a compiler that has OpenMP"
        return Finding("OpenMP", "absent", "none in the kernel", remedy)
    return Finding("OpenMP", "ok", ", ".join(found))


def _processors() -> Finding:
    usable = len(os.sched_getaffinity(0))
    wanted = os.environ.get("OMP_NUM_THREADS")
    if wanted is None:
        return Finding("processors", "ok", f"{usable} usable, OMP_NUM_THREADS not set")
    value = f"{usable} usable, OMP_NUM_THREADS={wanted}"
    if wanted.isdigit() and int(wanted) > usable:
        return Finding("processors", "absent", value, "more threads than processors: set it lower")
    return Finding("processors", "ok", value)


def _library(name: str) -> Finding:
    try:
        return Finding(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "broken", "not installed", f"pip install {name}")


def _esmpy() -> Finding:
    if importlib.util.find_spec("esmpy") is None:
        return Finding("ESMPy", "absent", "not installed", _ESMPY_REMEDY)
    from ctsm_socnn.regrid.esmf import esmpy_problem

    if problem := esmpy_problem():
        return Finding("ESMPy", "absent", f"does not load: {problem}", "set ESMFMKFILE to esmf.mk")
    import esmpy

    return Finding("ESMPy", "ok", str(esmpy.__version__))


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("GPU", "absent", "torch is not installed", "pip install torch")
    import torch

    if not torch.cuda.is_available():
        return Finding(
            "GPU", "absent", "none that torch can use", "none is needed; all runs on CPU"
        )
    return Finding("GPU", "ok", torch.cuda.get_device_name(0))


def _compiler() -> Finding:
    chosen = os.environ.get("FC", "").split()[:1]
    for name in chosen or _FORTRAN_COMPILERS:
        path = shutil.which(name)
        if path:
            return Finding("Fortran compiler", "ok", path)
    remedy = "needed only to install from source: apt-get install gfortran"
    return Finding("Fortran compiler", "absent", "none on PATH", remedy)


def _distinct(paths: Sequence[Path]) -> Iterator[Path]:
    yield from dict.fromkeys(path.resolve() for path in paths)


def _directory(path: Path) -> Finding:
    """Try to write, since permission bits say little on network file systems."""
    name = f"directory {path}"
    try:
        with tempfile.NamedTemporaryFile(dir=path):
            free = shutil.disk_usage(path).free / 1e9
    except OSError as error:
        reason = str(error.strerror or error)
        return Finding(name, "broken", f"not writable: {reason}", "choose another directory")
    return Finding(name, "ok", f"writable, {free:.1f} GB free")
