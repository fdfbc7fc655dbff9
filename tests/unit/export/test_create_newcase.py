from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from ctsm_socnn.export.create_newcase import RESOLUTION_TO_NAME, create_newcase_line
from ctsm_socnn.export.paths import GRIDDED_NAME
from ctsm_socnn.parameters.ctsm_versions import resolve_version


def write_maps(directory: Path, shape: tuple[int, ...]) -> None:
    names = ("lsmlat", "lsmlon") if len(shape) == 2 else ("gridcell",)
    with netCDF4.Dataset(directory / GRIDDED_NAME, "w", format="NETCDF3_64BIT_OFFSET") as dataset:
        for name, size in zip(names, shape, strict=True):
            dataset.createDimension(name, size)
        dataset.createVariable("LATIXY", "f8", names)[:] = np.zeros(shape)


def option(line: str, name: str) -> str:
    words = line.split()
    return words[words.index(name) + 1]


@pytest.mark.parametrize(
    ("version", "shape", "resolution"),
    [
        ("release-clm5.0", None, "f09_g17"),
        ("ctsm5.4", None, "f09_t232"),
        ("ctsm5.4", (192, 288), "f09_t232"),
        ("cesm2.2", (96, 144), "f19_g17"),
        ("ctsm5.4", (46, 72), "f45_f45_mg37"),
        ("ctsm5.4", (3, 4), RESOLUTION_TO_NAME),
        ("ctsm5.4", (48600,), RESOLUTION_TO_NAME),
    ],
)
def test_resolution_is_that_of_the_maps(
    tmp_path: Path, version: str, shape: tuple[int, ...] | None, resolution: str
) -> None:
    if shape is not None:
        write_maps(tmp_path, shape)
    line = create_newcase_line(tmp_path, resolve_version(version), "clm50_params.nc")
    assert option(line, "--res") == resolution
    assert option(line, "--user-mods-dir") == str(tmp_path)


@pytest.mark.parametrize(
    ("template", "compset"),
    [
        ("clm5_params.c171117.nc", "I1850Clm50BgcCrop"),
        ("ctsm60_params.c260518.nc", "I1850Clm60BgcCrop"),
    ],
)
def test_physics_is_that_of_the_paramfile(tmp_path: Path, template: str, compset: str) -> None:
    line = create_newcase_line(tmp_path, resolve_version("ctsm5.4"), template)
    assert option(line, "--compset") == compset


def test_line_is_whole_and_maps_may_lie_elsewhere_for_now(tmp_path: Path) -> None:
    write_maps(tmp_path, (96, 144))
    line = create_newcase_line(
        Path("/scratch/mods"), resolve_version("cesm2.2"), "clm50_params.nc", files=tmp_path
    )
    assert line == (
        "./cime/scripts/create_newcase --case my_case --compset I1850Clm50BgcCrop --res f19_g17 "
        "--run-unsupported --user-mods-dir /scratch/mods"
    )
