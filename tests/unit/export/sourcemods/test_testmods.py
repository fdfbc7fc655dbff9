"""The test modifications do in the stand-in model what they are to show in CTSM."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.export.checking import check_usermods
from ctsm_socnn.export.testmods import CONSTANT, SPATIAL, write_testmods

ROOT = Path(__file__).resolve().parents[4] / "cime_config"
TESTMODS = ROOT / "testdefs" / "testmods_dirs" / "clm"


@pytest.fixture
def testmods(
    template: Callable[..., Path], case: Any, checkout_at: Callable[..., Path], tmp_path: Path
) -> Path:
    """Both directories for the six gridcells of the stand-in model."""
    grid = tmp_path / "surfdata.nc"
    xr.Dataset(
        {
            "LATIXY": ("gridcell", case.lat),
            "LONGXY": ("gridcell", case.lon),
            "LANDFRAC_PFT": ("gridcell", np.ones(6)),
        }
    ).to_netcdf(grid)
    directory = tmp_path / "clm"
    directory.mkdir()
    write_testmods(
        directory, template=template(), model_grid=grid, ctsm_root=checkout_at("checkout")
    )
    return directory


def arrays(path: Path) -> dict[str, np.ndarray]:
    with netCDF4.Dataset(path) as dataset:
        return {name: np.asarray(variable[...]) for name, variable in dataset.variables.items()}


def test_constant_maps_leave_every_bit(
    testmods: Path, patched_new: Any, case: Any, tmp_path: Path
) -> None:
    """The whole way: paramfile, conversions, file, module."""
    without = patched_new.run(tmp_path, case)
    maps = arrays(testmods / CONSTANT / "gridded_parameters.nc")
    result = patched_new.run(tmp_path, case, maps)
    for name, values in without.items():
        assert values.tobytes() == result[name].tobytes(), name
    assert not {"fs1s2", "fs1s3", "beta"} & set(maps)


def test_spatial_maps_change_every_cell(
    testmods: Path, patched_new: Any, case: Any, tmp_path: Path
) -> None:
    without = patched_new.run(tmp_path, case)
    maps = arrays(testmods / SPATIAL / "gridded_parameters.nc")
    result = patched_new.run(tmp_path, case, maps)
    for values in maps.values():
        assert np.unique(values).size == 6
    assert (result["decomp_k"][:, 0] != without["decomp_k"][:, 0]).all()


@pytest.mark.parametrize("name", [CONSTANT, SPATIAL])
def test_directories_are_whole(testmods: Path, name: str) -> None:
    assert [f for f in check_usermods(testmods / name) if f.problems] == []
    assert (testmods / name / "include_user_mods").read_text() == "../socnnStock\n"


def test_list_names_what_is_there() -> None:
    tree = ElementTree.parse(ROOT / "testdefs" / "testlist_socnn.xml")
    used = {test.attrib["testmods"] for test in tree.getroot().iter("test")}
    static = {f"clm/{path.name}" for path in TESTMODS.iterdir()}
    assert used == static | {f"clm/{CONSTANT}", f"clm/{SPATIAL}"}
    assert not any("src" in name for name in used)


def test_included_directories_exist() -> None:
    for include in ROOT.rglob("include_user_mods"):
        for line in include.read_text().splitlines():
            assert (include.parent / line / "user_nl_clm").is_file(), include


def test_output_has_names_that_a_real_run_accepted(shared_data: Path) -> None:
    lnd_in = (shared_data / "data" / "ctsm_run" / "lnd_in").read_text()
    accepted = set(re.findall(r"'([A-Za-z0-9_:]+)'", lnd_in))
    text = (TESTMODS / "socnnStock" / "user_nl_clm").read_text()
    fields = set(re.findall(r"'([A-Za-z0-9_]+)'", text))
    default_output = {"HR"}
    assert fields - default_output <= accepted
