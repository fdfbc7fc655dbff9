from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.directories import CHECKSUMS, damaged_files
from ctsm_socnn.errors import ExportError, FileError, SocnnError
from ctsm_socnn.export.checking import check_usermods
from ctsm_socnn.export.estimates import Estimate
from ctsm_socnn.export.usermods import write_usermods
from ctsm_socnn.parameters import PARAMETER_NAMES, TurnoverConvention

Template = Callable[..., Path]
UNNORMALISED = TurnoverConvention.UNNORMALISED


def contents(directory: Path) -> set[str]:
    return {p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("version", "namelist"),
    [
        ("release-clm5.0", ["decomp_depth_efolding"]),
        ("cesm2.2", ["decomp_depth_efolding"]),
        ("ctsm5.4", []),
    ],
)
def test_directory_of_scalars(
    template: Template, values: np.ndarray, tmp_path: Path, version: str, namelist: list[str]
) -> None:
    directory = tmp_path / "mods"
    values[PARAMETER_NAMES.index("efolding")] = 1.0 / 3.0  # more digits than one would print
    result = write_usermods(
        directory, version=version, template=template(version),
        estimate=Estimate(values, UNNORMALISED),
    )  # fmt: skip
    assert contents(directory) == {"user_nl_clm", "paramfile.nc", "README", CHECKSUMS}
    lines = [
        line
        for line in (directory / "user_nl_clm").read_text().splitlines()
        if line and not line.startswith("!")
    ]
    assert [line.split(" = ")[0] for line in lines] == ["paramfile", *namelist]
    assert lines[0] == f"paramfile = '{directory}/paramfile.nc'"
    if namelist:
        asked = values[PARAMETER_NAMES.index("efolding")]
        assert float(lines[1].split(" = ")[1]) == asked
    assert str(directory) in result.create_newcase
    assert "fs1s2" in (directory / "README").read_text()
    assert "Spin-up" in (directory / "README").read_text()


def test_checksums_are_those_of_sha256sum(
    template: Template, values: np.ndarray, tmp_path: Path
) -> None:
    directory = tmp_path / "mods"
    write_usermods(
        directory, version="ctsm5.4", template=template(), estimate=Estimate(values, UNNORMALISED)
    )
    subprocess.run(["sha256sum", "--check", "--strict", CHECKSUMS], cwd=directory, check=True)
    assert damaged_files(directory) == []  # none is left out either


def test_with_maps_and_medians(
    template: Template, maps: xr.Dataset, surface: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "mods"
    result = write_usermods(
        directory, version="ctsm5.4", template=template(), maps=maps, model_grid=surface
    )
    assert "gridded_parameters.nc" in contents(directory)
    assert result.gridded is not None
    with netCDF4.Dataset(directory / "paramfile.nc") as dataset:
        on_land = maps["q10"].values[:, :3]
        assert float(dataset["q10_mr"][...]) == np.median(on_land)
    assert "create_newcase" in result.summary()
    assert "reads no maps" in result.in_short()
    assert " 1 (was" not in (directory / "README").read_text()


def test_medians_are_those_of_cells_with_data_of_their_own(
    template: Template, maps: xr.Dataset, surface: Path, tmp_path: Path
) -> None:
    flag = np.ones((3, 4), dtype=np.int8)
    flag[0, 1], flag[1, 3] = 0, 0  # the second is ocean
    maps["filled"] = (("lat", "lon"), flag)
    directory = tmp_path / "mods"
    write_usermods(directory, version="ctsm5.4", template=template(), maps=maps, model_grid=surface)
    with netCDF4.Dataset(directory / "paramfile.nc") as dataset:
        assert float(dataset["q10_mr"][...]) == maps["q10"].values[0, 1]
        assert maps["q10"].values[0, 1] != np.median(maps["q10"].values[:, :3])


def test_readme_says_how_to_undo_all_of_it(
    template: Template, values: np.ndarray, tmp_path: Path
) -> None:
    for version, items in (
        ("cesm2.2", "`paramfile = ...`, `decomp_depth_efolding = ...`."),
        ("ctsm5.4", "`paramfile = ...`."),
    ):
        directory = tmp_path / version
        write_usermods(
            directory, version=version, template=template(version),
            estimate=Estimate(values, UNNORMALISED),
        )  # fmt: skip
        assert f"from user_nl_clm of the case: {items}" in (directory / "README").read_text()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("with space", "' '"),
        ("it's", '"\'"'),
        ("$HOME", "'\\$'"),
        ("x" * 260, "path of"),
        ("my_src_mods", "'src' in its name"),
        ("naïve", "'ï'"),
    ],
)
def test_paths_that_a_case_cannot_carry(
    template: Template, values: np.ndarray, tmp_path: Path, name: str, words: str
) -> None:
    source = template()
    with pytest.raises(ExportError, match=words):
        write_usermods(
            tmp_path / name, version="ctsm5.4", template=source,
            estimate=Estimate(values, UNNORMALISED),
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == [source]


def test_nothing_is_left_when_the_maps_are_bad(
    template: Template, maps: xr.Dataset, surface: Path, tmp_path: Path
) -> None:
    source, before = template(), set(tmp_path.iterdir())
    maps["beta"][0, 0] = np.nan
    with pytest.raises(SocnnError, match="beta"):
        write_usermods(
            tmp_path / "mods", version="ctsm5.4", template=source, maps=maps, model_grid=surface
        )
    assert set(tmp_path.iterdir()) - before == {source} - before


def test_only_own_directories_are_replaced(
    template: Template, values: np.ndarray, tmp_path: Path
) -> None:
    def write(directory: Path, *, overwrite: bool) -> None:
        write_usermods(
            directory, version="ctsm5.4", template=template(),
            estimate=Estimate(values, UNNORMALISED), overwrite=overwrite,
        )  # fmt: skip

    foreign = tmp_path / "theirs"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("precious")
    with pytest.raises(FileError, match="exists already"):
        write(foreign, overwrite=False)
    with pytest.raises(FileError, match="was not made by ctsm-socnn"):
        write(foreign, overwrite=True)
    assert (foreign / "thesis.tex").read_text() == "precious"
    mine = tmp_path / "mine"
    write(mine, overwrite=False)
    (mine / "stale").write_text("")
    write(mine, overwrite=True)
    assert "stale" not in contents(mine)
    assert {p.name for p in tmp_path.iterdir()} == {"theirs", "mine", "params_ctsm5.4.nc"}


def test_needs_values_or_maps(template: Template, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="or maps"):
        write_usermods(tmp_path / "mods", version="ctsm5.4", template=template())


def test_a_case_that_sets_the_paramfile_again_is_told_of(
    template: Template, values: np.ndarray, tmp_path: Path
) -> None:
    directory, case = tmp_path / "mods", tmp_path / "case"
    write_usermods(
        directory, version="cesm2.2", template=template("cesm2.2"),
        estimate=Estimate(values, UNNORMALISED),
    )  # fmt: skip
    (case / "SourceMods").mkdir(parents=True)
    ours = (directory / "user_nl_clm").read_text()
    later = 'paramfile = "/other/params.nc" ! of other usermods\n'

    def problems(name: str, text: str) -> tuple[str, ...]:
        for path in case.glob("user_nl_clm*"):
            path.unlink()
        (case / name).write_text(text)
        return check_usermods(directory, case=case)[-1].problems

    # Not taken yet, so that it will be appended; or taken last, as it is; or a comment.
    for fine in (later, later + ours, ours, ours + "! " + later, ours + "hist_nhtfrq = 0, -24\n"):
        assert problems("user_nl_clm", fine) == ()
    for name in ("user_nl_clm", "user_nl_clm_0002"):
        (problem,) = problems(name, ours + later)
        assert f"{case / name} sets paramfile again, to '/other/params.nc'" in problem
