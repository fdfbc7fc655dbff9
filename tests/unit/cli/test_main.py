from __future__ import annotations

import gc
import importlib
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ctsm_socnn.cli.main import COMMANDS, main


def test_without_words_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("ctsm-socnn ")


def test_unknown_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["bild-params"])
    assert stop.value.code == 2
    assert "unknown command 'bild-params'" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert f"ctsm-socnn {name}" in capsys.readouterr().out.split("\n\n", 1)[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_module_with_the_two_functions(name: str) -> None:
    module = importlib.import_module(COMMANDS[name][0])
    assert callable(module.add_arguments)
    assert callable(module.run)


def test_a_reader_that_goes_away_is_no_error() -> None:
    words = shlex.join([sys.executable, "-m", "ctsm_socnn", "parameters"])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words} | true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 141
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_printed_is_one_line() -> None:
    words = [sys.executable, "-m", "ctsm_socnn", "parameters"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "ctsm-socnn parameters: [Errno 28] No space left on device; --debug shows where\n"
    )


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PermissionError(13, "Permission denied", "/data"), "Permission denied: '/data'"),
        (MemoryError(), "there is not enough memory"),
    ],
)
def test_what_the_system_refuses_is_one_line(error, told, monkeypatch, capsys) -> None:
    def fail(_: object) -> int:
        raise error

    module = SimpleNamespace(__doc__="", add_arguments=lambda _: None, run=fail)
    monkeypatch.setitem(sys.modules, "refused", module)
    monkeypatch.setitem(COMMANDS, "train", ("refused", ""))
    assert main(["train"]) == 2
    line = capsys.readouterr().err
    assert told in line
    assert line.count("\n") == 1
    with pytest.raises(type(error)):
        main(["train", "--debug"])


class _HalfMade:
    """What is left when the signal comes inside `__init__`."""

    def __init__(self) -> None:
        raise KeyboardInterrupt

    def __del__(self) -> None:
        raise AttributeError("no attribute that __init__ would have made")


def _fail_on_the_way_out() -> None:
    try:
        _HalfMade()
    finally:
        _HalfMade()


@pytest.mark.parametrize("work", [_HalfMade, _fail_on_the_way_out])
def test_how_to_go_on_is_all_that_an_interrupted_command_says(work, monkeypatch, capsys) -> None:
    module = SimpleNamespace(__doc__="", add_arguments=lambda _: None, run=lambda _: work())
    monkeypatch.setitem(sys.modules, "interrupted", module)
    monkeypatch.setitem(COMMANDS, "train", ("interrupted", ""))
    heard = []
    monkeypatch.setattr(sys, "unraisablehook", heard.append)
    assert main(["train"]) == 130
    assert capsys.readouterr().err == (
        "ctsm-socnn train: interrupted; run the same command again: it continues where it stopped\n"
    )
    gc.collect()
    assert heard == []
    assert sys.unraisablehook == heard.append
