"""What the benchmarks share: timing, one line a measurement, the machine's description."""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctsm_socnn import _kernel
from ctsm_socnn.provenance import package_version


@dataclass(frozen=True)
class Measurement:
    """One measured number, and what it is compared with.

    Attributes
    ----------
    name : str
    value : float
    unit : str
    goal : str
        What the project wants of it; empty where it is for information.
    passed : bool
        Whether the goal is met.
    """

    name: str
    value: float
    unit: str
    goal: str = ""
    passed: bool = True

    def line(self) -> str:
        """Text for the terminal."""
        verdict = (
            "" if not self.goal else f"  goal {self.goal}: {'met' if self.passed else 'MISSED'}"
        )
        return f"  {self.name:<58} {self.value:12.4g} {self.unit:<10}{verdict}"


def at_most(name: str, value: float, unit: str, limit: float) -> Measurement:
    """Measure something that should be small."""
    return Measurement(name, value, unit, f"<= {limit:g}", value <= limit)


def at_least(name: str, value: float, unit: str, limit: float) -> Measurement:
    """Measure something that should be large."""
    return Measurement(name, value, unit, f">= {limit:g}", value >= limit)


def cpu_seconds(work: Callable[[], object], repeats: int = 7) -> float:
    """Least CPU time of this thread that `work` takes: what it needs when nothing disturbs it."""
    return _least(work, repeats, time.thread_time)


def wall_seconds(work: Callable[[], object], repeats: int = 7) -> float:
    """Least time on the clock that `work` takes, for work of several threads."""
    return _least(work, repeats, time.perf_counter)


def _least(work: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    work()
    durations = []
    for _ in range(repeats):
        start = clock()
        work()
        durations.append(clock() - start)
    return min(durations)


def own_and_system_seconds(work: Callable[[], object]) -> tuple[float, float]:
    """CPU time of this thread that one run of `work` takes: its own, and the operating system's.

    In work that computes, the latter is the handing out of memory when it is first touched.
    """
    before = resource.getrusage(resource.RUSAGE_THREAD)
    work()
    after = resource.getrusage(resource.RUSAGE_THREAD)
    return after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime


def machine() -> str:
    """Describe processor, cores, memory and versions in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor_name()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB; "
        f"Python {platform.python_version()}, numpy {np.__version__}; "
        f"ctsm-socnn {package_version()}, {Path(str(_kernel.__file__)).name.partition('.')[0]}"
    )


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    values = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    return f"{values.get('model name', platform.machine())} (model {values.get('model', '?')})"
