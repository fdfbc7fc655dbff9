"""The rules of docs/architecture.md that a machine can check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "ctsm_socnn"

LEVELS = (
    {"errors", "interruption", "library_order", "progress", "_kernel"},
    {
        "parameters",
        "provenance",
        "netcdf",
        "netcdf_reading",
        "executors",
        "locks",
        "processor",
        "shipped",
        "units",
    },
    {"directories", "schemas", "stages"},
    {"model"},
    {"regrid"},
    {"observations", "forcing"},
    {"assimilation", "network", "export"},
    {"validation"},
    {"config", "environment", "reproduction"},
    {"configured"},
    {"cases"},
    {"judging"},
    {"pipeline", "demo", "preview"},
    {"cli"},
)
"""A room may import rooms of lower levels only: neither higher ones nor its neighbours."""

EXCEPTIONS = {("network", "ctsm_socnn.validation.scores")}
"""Scores are pure functions, and networks are scored while they learn."""

LONGEST_FILE = 500
CATCH_ALL_NAMES = {"utils", "util", "misc", "helpers", "common"}


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _sources() -> list[Path]:
    fortran = [p for p in (PROJECT / "fortran").rglob("*") if p.suffix in (".f90", ".F90")]
    tests = (PROJECT / "tests").rglob("*.py")
    return sorted([*_modules(), *tests, *fortran, *(PROJECT / "tools").glob("*.py")])


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "ctsm_socnn":
            yield from (f"ctsm_socnn.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _level(room: str) -> int:
    return next(number for number, rooms in enumerate(LEVELS) if room in rooms)


def _forbidden(path: Path) -> list[str]:
    room = _room(path)
    found = []
    for module in _imports(path):
        parts = module.split(".")
        if parts[0] != "ctsm_socnn" or len(parts) == 1 or parts[1] == room:
            continue
        if (room, module) not in EXCEPTIONS and _level(parts[1]) >= _level(room):
            found.append(f"{path.relative_to(PROJECT)} imports {module}")
    return found


def test_every_module_stands_in_a_known_room():
    rooms = {_room(path) for path in _modules()} - {"__init__", "__main__"}
    assert rooms <= set().union(*LEVELS)


def test_rooms_know_only_the_rooms_below_them():
    inside = [path for path in _modules() if _room(path) not in ("__init__", "__main__")]
    assert [line for path in inside for line in _forbidden(path)] == []


def test_the_check_of_rooms_sees_a_wrong_import(tmp_path, monkeypatch):
    package = tmp_path / "ctsm_socnn"
    (package / "model").mkdir(parents=True)
    wrong = package / "model" / "wrong.py"
    wrong.write_text("from ctsm_socnn.cli import main\nfrom ctsm_socnn.errors import KernelError\n")
    monkeypatch.setitem(globals(), "PACKAGE", package)
    monkeypatch.setitem(globals(), "PROJECT", tmp_path)
    assert _forbidden(wrong) == ["ctsm_socnn/model/wrong.py imports ctsm_socnn.cli"]


def test_files_are_short_and_named_for_what_they_do():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in _sources()}
    assert len(lengths) > 100
    assert [str(path) for path, length in lengths.items() if length >= LONGEST_FILE] == []
    assert [str(path) for path in lengths if path.stem in CATCH_ALL_NAMES] == []


def _calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Calls of the form `module.function(...)`, with that name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name):
                yield f"{owner.id}.{node.func.attr}", node


def test_no_shell_is_ever_started():
    for path in _modules():
        for name, call in _calls(path):
            assert name not in ("os.system", "os.popen"), path
            assert not any(keyword.arg == "shell" for keyword in call.keywords), path


def test_files_are_loaded_without_running_code_from_them():
    for path in _modules():
        for name, call in _calls(path):
            assert not name.startswith(("pickle.load", "joblib.load", "dill.load")), path
            if name == "torch.load":
                safe = [k.value for k in call.keywords if k.arg == "weights_only"]
                assert [ast.literal_eval(value) for value in safe] == [True], path
