"""ESMPy and netCDF4 in one process, in either order."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType

import pytest

from ctsm_socnn import library_order
from ctsm_socnn.library_order import load_netcdf4_apart
from ctsm_socnn.regrid.esmf import esmpy_problem

ORDERS = [
    "import esmpy, ctsm_socnn; import netCDF4",
    "import ctsm_socnn as cs; import esmpy; cs.open_file; import netCDF4",
    "from ctsm_socnn.environment import examine; examine([]); import netCDF4",
    "import esmpy, ctsm_socnn as cs\n"
    "from ctsm_socnn.regrid.esmf import esmpy_weights\n"
    "print(esmpy_weights(cs.read_grid('f10'), cs.read_grid('f45')).matrix.nnz)",
]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """What is imported, and whether its libraries are kept to itself."""
    names: list[tuple[str, bool]] = []

    def note(name: str) -> None:
        names.append((name, bool(sys.getdlopenflags() & os.RTLD_DEEPBIND)))

    monkeypatch.setattr(library_order.importlib, "import_module", note)
    monkeypatch.delitem(sys.modules, "netCDF4", raising=False)
    return names


@pytest.mark.skipif(not hasattr(os, "RTLD_DEEPBIND"), reason="the C library has no RTLD_DEEPBIND")
def test_netcdf4_keeps_its_libraries_to_itself_after_esmpy(loaded, monkeypatch):
    before = sys.getdlopenflags()
    monkeypatch.setitem(sys.modules, "esmpy", ModuleType("esmpy"))
    load_netcdf4_apart()
    assert loaded == [("netCDF4", True)]
    assert sys.getdlopenflags() == before


def test_nothing_is_loaded_without_esmpy(loaded, monkeypatch):
    monkeypatch.delitem(sys.modules, "esmpy", raising=False)
    load_netcdf4_apart()
    assert loaded == []


@pytest.mark.esmf
@pytest.mark.parametrize("code", ORDERS)
def test_python_survives_every_order(code: str) -> None:
    if problem := esmpy_problem():
        pytest.skip(f"needs ESMPy, which cannot be imported: {problem}")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
