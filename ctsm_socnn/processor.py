"""Which build of the Fortran kernel this processor can run.

The kernel is compiled for every x86-64 processor and, where the compiler can, once more for those
with AVX2 and once for those with AVX-512. All builds give the same bits: none contracts a
multiplication and an addition into one rounding, or takes vector functions of the C library. The environment variable `CTSM_SOCNN_SIMD`
(`baseline`, `v3` or `v4`) asks for one of them.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from ctsm_socnn.errors import KernelError

__all__ = ["BUILDS", "Build", "load_kernel", "runnable_builds"]

_CPU_INFO: Final = Path("/proc/cpuinfo")
_V3: Final = frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"})
_V4: Final = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


@dataclass(frozen=True)
class Build:
    """One build of the kernel.

    Attributes
    ----------
    level : str
        Level of the x86-64 architecture, or `baseline`.
    module : str
        Extension module of this package.
    needs : frozenset of str
        Processor features, as Linux spells them.
    """

    level: str
    module: str
    needs: frozenset[str]


BUILDS: Final = (
    Build("v4", "_kernel_v4", _V4),
    Build("v3", "_kernel_v3", _V3),
    Build("baseline", "_kernel", frozenset()),
)
"""From the fastest to the one that runs everywhere."""


def runnable_builds() -> list[Build]:
    """Return the builds that are installed and that this processor can run, the fastest first."""
    features = _processor_features()
    return [
        build
        for build in BUILDS
        if build.needs <= features
        and importlib.util.find_spec(f"ctsm_socnn.{build.module}") is not None
    ]


def load_kernel() -> ModuleType:
    """Import the fastest build of the kernel, or the one that `CTSM_SOCNN_SIMD` asks for.

    Raises
    ------
    KernelError
        If the build that was asked for cannot run here.
    ImportError
        If there is none at all.
    """
    builds = runnable_builds()
    wanted = os.environ.get("CTSM_SOCNN_SIMD")
    if wanted is not None:
        possible = [build.level for build in builds]
        builds = [build for build in builds if build.level == wanted]
        if not builds:
            raise KernelError(
                f"CTSM_SOCNN_SIMD is {wanted!r}; this processor can run {', '.join(possible)}"
            )
    module = builds[0].module if builds else "_kernel"
    return importlib.import_module(f"ctsm_socnn.{module}")


def _processor_features() -> frozenset[str]:
    """Features of the first processor; empty where the system does not tell them."""
    try:
        text = _CPU_INFO.read_text()
    except OSError:
        return frozenset()
    for line in text.splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()
