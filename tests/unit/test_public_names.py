"""`import ctsm_socnn as cs`: what it gives, and that it costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ctsm_socnn as cs


def test_every_name_is_there_and_documented():
    for name in cs.__all__:
        value = getattr(cs, name)
        assert value is getattr(cs, name)
        if callable(value):
            assert value.__doc__, name
    assert set(cs.__all__) <= set(dir(cs))


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(cs.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert seen == set(cs.__all__) - {"SocnnError", "__version__"}


def test_rooms_come_with_the_package():
    assert cs.assimilation.Settings().seed == 0
    assert cs.network.METHODS


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'read_profile'"):
        _ = cs.read_profile


def test_the_import_brings_no_library_with_it():
    code = "import sys, ctsm_socnn; print([n for n in sys.argv[1:] if n in sys.modules])"
    heavy = ["numpy", "xarray", "pandas", "netCDF4", "torch", "matplotlib"]
    done = subprocess.run(
        [sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_paths_may_be_text(tmp_path):
    cs.make_twin_world(str(tmp_path), seed=5, n_profiles=5)
    files = cs.find_history(f"{tmp_path}/history/*.nc")
    climatology = cs.read_climatology(
        [str(path) for path in files], surface=str(tmp_path / "surfdata.nc")
    )
    profiles = cs.read_profiles(
        str(tmp_path / "profiles.csv"),
        columns=cs.load_config(str(tmp_path / "twin.toml"))[0].profiles.columns,
    )
    sites, _ = cs.build_sites(climatology, profiles)
    cs.write_dataset(sites, str(tmp_path / "sites.nc"))
    assert cs.open_sites(str(tmp_path / "sites.nc")).sizes["site"] == 5
