"""What the build installs, as meson plans it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# `make test` does not activate the environment in which meson and ninja are.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
MESON = shutil.which("meson", path=PATH)

needs_build_tools = pytest.mark.skipif(
    not (MESON and shutil.which("gfortran") and (ROOT / "meson.build").exists()),
    reason="needs meson and a Fortran compiler",
)


@needs_build_tools
def test_library_of_an_earlier_build_does_not_replace_the_new_one(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT / "fortran", source / "fortran")
    shutil.copy(ROOT / "meson.build", source)
    (source / "usermods").mkdir()
    (source / "ctsm_socnn").mkdir()
    stale = source / "ctsm_socnn" / "_kernel.of-an-earlier-build.so"
    stale.touch()
    build = tmp_path / "build"
    native = tmp_path / "native.ini"
    native.write_text(f"[binaries]\npython = '{sys.executable}'\n")
    subprocess.run(
        [str(MESON), "setup", "--native-file", native, build, source],
        check=True,
        capture_output=True,
        env={**os.environ, "PATH": PATH},
    )
    plan = json.loads((build / "meson-info" / "intro-install_plan.json").read_text())
    package = plan["install_subdirs"][str(source / "ctsm_socnn")]
    assert package["exclude_files"] == [stale.name]
