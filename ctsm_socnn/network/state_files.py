"""Files of tensors."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

__all__ = ["save_state"]


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Write what `torch.load` reads.

    `torch.save` to a path ends in a `RuntimeError` about its own counters if the disk is full.

    Raises
    ------
    OSError
        If the file system refuses the write.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path.write_bytes(buffer.getbuffer())
