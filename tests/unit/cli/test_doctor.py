import json
import os

import pytest

from ctsm_socnn import environment
from ctsm_socnn.cli.main import main


def test_doctor_names_kernel_threads_and_libraries(capsys):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    first_words = {line[8:].split("  ")[0].strip(): line.split()[0] for line in lines}
    assert first_words["Fortran kernel"] == "ok"
    assert first_words["torch"] == "ok"
    assert {"processors", "ESMPy", "GPU", "Fortran compiler"} <= set(first_words)


def test_json_holds_the_same_findings(capsys, tmp_path):
    assert main(["doctor", "--json", "--directory", str(tmp_path)]) == 0
    findings = {item["name"]: item for item in json.loads(capsys.readouterr().out)}
    assert findings[f"directory {tmp_path}"]["state"] == "ok"
    assert findings["numpy"]["value"]


def test_an_unwritable_directory_is_broken(capsys, tmp_path):
    assert main(["doctor", "--directory", str(tmp_path / "absent")]) == 1
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if "absent  not writable" in line)
    assert line.startswith("broken")
    assert "choose another directory" in line


def test_more_threads_than_processors_is_named(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    finding = environment._processors()
    assert finding.state == "absent"
    assert "set it lower" in finding.remedy


def test_openmp_is_known_by_the_library_that_the_kernel_brings(monkeypatch, tmp_path):
    maps = tmp_path / "maps"
    monkeypatch.setattr(environment, "_MAPS", maps)
    maps.write_text(
        "7f00-7f01 r-xp 0 fe:00 1 /usr/lib/libgomp.so.1.0.0\n7f02-7f03 rw-p 0 00:00 0\n"
    )
    assert environment._openmp() == environment.Finding("OpenMP", "ok", "libgomp.so.1.0.0")
    maps.write_text("7f00-7f01 r-xp 0 fe:00 1 /usr/lib/libc.so.6\n")
    assert environment._openmp().state == "absent"
    assert "one thread" in environment._openmp().remedy


def test_a_missing_compiler_is_no_fault_of_an_installed_package(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("FC", raising=False)
    finding = environment._compiler()
    assert finding.state == "absent"
    assert "gfortran" in finding.remedy


@pytest.mark.parametrize(("name", "state"), [("numpy", "ok"), ("no-such-package", "broken")])
def test_libraries_are_found_by_their_metadata(name, state):
    assert environment._library(name).state == state
