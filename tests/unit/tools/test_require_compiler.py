import importlib.util
import os
import stat
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "require_compiler.py"


@pytest.fixture
def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("require_compiler", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def bare_machine(tmp_path, monkeypatch) -> Path:
    """A PATH that holds nothing but the shell's own touch."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv("FC", raising=False)
    monkeypatch.delenv("CC", raising=False)
    return programs


def _program(directory: Path, name: str, body: str = "exit 0") -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_compilers_on_path_are_enough(script, bare_machine, capsys):
    for name in ("gfortran", "cc"):
        _program(bare_machine, name)
    assert script.main() == 0
    assert f"Fortran compiler: {bare_machine}/gfortran" in capsys.readouterr().out


def test_the_variable_fc_decides(script, bare_machine, monkeypatch):
    _program(bare_machine, "gfortran")
    _program(bare_machine, "myfort")
    monkeypatch.setenv("FC", "myfort -O1")
    assert script.find_compiler("FC", script.FORTRAN_COMPILERS) == str(bare_machine / "myfort")
    monkeypatch.setenv("FC", "absent")
    assert script.find_compiler("FC", script.FORTRAN_COMPILERS) is None


def test_without_apt_one_line_says_what_to_install(script, bare_machine, capsys):
    assert script.main() == 1
    advice = capsys.readouterr().err
    assert advice.count("\n") == 1
    assert "apt-get install gfortran gcc libc6-dev" in advice
    assert "conda install -c conda-forge gfortran gcc" in advice


def test_without_root_apt_is_not_called(script, bare_machine, monkeypatch, capsys):
    _program(bare_machine, "apt-get", f"echo called > {bare_machine}/called")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert script.main() == 1
    assert not (bare_machine / "called").exists()


def test_as_root_apt_installs_what_is_missing(script, bare_machine, monkeypatch, capsys):
    _program(bare_machine, "cc")
    compiler = bare_machine / "gfortran"
    log = bare_machine / "log"
    body = f'echo "$@" >> {log}\n: > {compiler}\n/bin/chmod +x {compiler}'
    _program(bare_machine, "apt-get", body)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert script.main() == 0
    assert log.read_text().splitlines() == [
        "update -qq",
        "install -qq -y --no-install-recommends gfortran",
    ]
    assert "Installing gfortran with apt-get" in capsys.readouterr().out


def test_a_failing_apt_ends_in_the_advice(script, bare_machine, monkeypatch, capsys):
    _program(bare_machine, "apt-get", "exit 100")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert script.main() == 1
    assert "The build needs a Fortran compiler and a C compiler" in capsys.readouterr().err
