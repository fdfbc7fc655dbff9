"""Columns and parameters that the tests of the kernel share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ctsm_socnn.parameters import lower_bounds, upper_bounds


def _forcing(count: int = 3, seed: int = 1, bedrock: int = 20) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    shape = (count, 12, 20)
    season = 10.0 * np.sin(np.arange(12) * np.pi / 6.0)[:, np.newaxis]
    return {
        "temperature": 283.0 + season + generator.normal(0.0, 3.0, shape),
        "water": generator.uniform(0.1, 1.0, shape),
        "oxygen": generator.uniform(0.5, 1.0, shape),
        "nitrogen": generator.uniform(0.1, 1.0, shape),
        "thaw": np.full((count, 12), 1.1) + np.arange(count)[:, np.newaxis],
        "thaw_last_year": np.full((count, 12), 1.2),
        "bedrock": np.full(count, bedrock),
        "inputs": [generator.uniform(1.0, 30.0, (count, 12)) for _ in range(4)],
    }


def _parameters(count: int, seed: int = 2) -> NDArray[np.float64]:
    unit = np.random.default_rng(seed).uniform(0.1, 0.9, (count, 21))
    return lower_bounds() + unit * (upper_bounds() - lower_bounds())


@pytest.fixture(scope="session")
def make_forcing() -> Callable[..., dict[str, Any]]:
    """Arguments of `Columns.from_arrays` for a few made-up columns: (count, seed, bedrock)."""
    return _forcing


@pytest.fixture(scope="session")
def make_parameters() -> Callable[..., NDArray[np.float64]]:
    """Parameter vectors from the middle of the published bounds: (count, seed)."""
    return _parameters
