"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import ctsm_socnn

# As the command line sets it, before any OpenMP starts.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Processes that tests start import the package under test, wherever they are started.
os.environ["PYTHONPATH"] = str(Path(ctsm_socnn.__file__).parents[1])
os.environ["PYTHONSAFEPATH"] = "1"

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Directory of real data and reference numbers beside the project."""
    if not SHARED.is_dir():
        pytest.skip("needs the real data directory beside the project, which is absent")
    return SHARED
