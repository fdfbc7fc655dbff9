"""Where a network is trained: on the CPU through the compiled kernel, or with torch operations.

All random numbers (batches, dropout) are drawn on the CPU, so that training on another device takes
the same steps apart from rounding.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch

from ctsm_socnn.errors import NetworkError

__all__ = ["CPU", "DEVICE_NAMES", "Device", "choose_device"]

DEVICE_NAMES: Final = ("cpu", "cuda", "auto", "cpu-torch")


@dataclass(frozen=True)
class Device:
    """Where to train.

    Attributes
    ----------
    place : str
        Device of torch: `cpu` or `cuda`.
    compiled : bool
        Whether the kernel is the compiled one (CPU only) or the one in torch.
    """

    place: str
    compiled: bool

    @property
    def name(self) -> str:
        """Name that a model records for the device it was trained on."""
        if self.place == "cuda":
            return f"cuda ({torch.cuda.get_device_name()})"
        return self.place if self.compiled else f"{self.place}-torch"

    @contextmanager
    def repeatable(self) -> Iterator[None]:
        """Make sums reproducible; on the CPU they always are."""
        if self.place != "cuda":
            yield
            return
        # Read by cuBLAS when it is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        before = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)


CPU: Final = Device("cpu", compiled=True)


def choose_device(name: str) -> Device:
    """Choose a device by name.

    Parameters
    ----------
    name : {"cpu", "cuda", "auto", "cpu-torch"}
        `auto` is `cuda` where available; `cpu-torch` runs the operations of `cuda` on the CPU, for
        comparison.

    Raises
    ------
    NetworkError
        If there is no such device.
    """
    if name not in DEVICE_NAMES:
        raise NetworkError(f"unknown device {name!r}; choose from {', '.join(DEVICE_NAMES)}")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        build = "is built for the CPU" if torch.version.cuda is None else "finds no CUDA device"
        raise NetworkError(
            f"device cuda was asked for, but torch {torch.__version__} {build}; train on cpu, or "
            "install a CUDA build of torch on a machine with a GPU"
        )
    if name == "cpu-torch":
        return Device("cpu", compiled=False)
    return Device("cuda", compiled=False) if there and name != "cpu" else CPU
