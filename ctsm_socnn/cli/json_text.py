"""Numbers as valid JSON: NaN becomes null."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

__all__ = ["add_json", "print_result", "to_json"]


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declare `--json`, which is the same for every command that prints numbers."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def print_result(arguments: argparse.Namespace, result: Any, text: str) -> None:
    """Print a result as the user wants it."""
    print(to_json(result) if arguments.json else text)


def to_json(value: Any) -> str:
    """Write nested mappings, sequences, dataclasses, paths and numbers as JSON."""
    return json.dumps(_plain(value), indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
