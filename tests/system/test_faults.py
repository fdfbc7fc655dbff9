"""Damaged inputs, full disks and busy outputs: one clear line, nothing half-written."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ctsm_socnn.cli.main import main
from ctsm_socnn.demo import make_twin_world

SHARES = (0.0, 0.001, 0.02, 0.3, 0.7, 0.98)
FLIPS = 12


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("world")
    make_twin_world(directory, seed=4, n_profiles=20)
    return directory


def _is_refused_in_one_line(status: int, error: str) -> bool:
    lines = [line for line in error.splitlines() if line.startswith("ctsm-socnn ")]
    return status == 2 and len(lines) == 1 and "Traceback" not in error


@pytest.mark.parametrize("name", ["covariates.nc", "history/twin.clm2.h0a.2002-02-01-00000.nc"])
@pytest.mark.parametrize("share", SHARES)
def test_a_file_that_was_cut_short_is_refused(world, tmp_path, capsys, name, share):
    damaged = tmp_path / "world"
    shutil.copytree(world, damaged)
    data = (damaged / name).read_bytes()
    (damaged / name).write_bytes(data[: int(share * len(data))])
    status = main(["check", str(damaged / "twin.toml")])
    error = capsys.readouterr().err
    # The values of a classic file may be cut without its header telling; they are read later.
    assert status == 0 or _is_refused_in_one_line(status, error)
    if share <= 0.001:
        assert status == 2
        assert Path(name).name in error


def test_a_flipped_bit_never_ends_in_a_traceback(world, tmp_path):
    """Run in one process of its own: a library may crash on a damaged file, the suite must not."""
    rng = np.random.default_rng(1)
    victims = []
    for number in range(FLIPS):
        source = world / ("covariates.nc" if number % 2 else "ctsm54_params.nc")
        data = bytearray(source.read_bytes())
        data[int(rng.integers(0, min(len(data), 4096)))] ^= 1 << int(rng.integers(0, 8))
        victim = tmp_path / f"flipped_{number}.nc"
        victim.write_bytes(bytes(data))
        victims.append(str(victim))
    code = (
        "import sys\n"
        "from ctsm_socnn.cli.main import main\n"
        "sys.exit(max(main(['show', name]) for name in sys.argv[1:]))\n"
    )
    done = _python(code, *victims)
    assert done.returncode in (0, 2), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("limit", [1_000, 60_000])
def test_a_full_disk_leaves_no_half_written_file(tmp_path, limit):
    code = (
        "import os, resource, signal, sys\n"
        "from pathlib import Path\n"
        "import numpy as np, xarray as xr\n"
        "from ctsm_socnn.errors import FileError\n"
        "from ctsm_socnn.netcdf import write_ctsm_input, write_dataset, write_in_parts\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "data = xr.Dataset({'q10': ('x', np.random.default_rng(0).random(200_000))})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "def in_parts(data, path):\n"
        "    write_in_parts((data.isel(x=slice(i, i + 500)) for i in range(0, 200_000, 500)), 'x', path)\n"
        "for write in (write_dataset, write_ctsm_input, in_parts):\n"
        "    try:\n"
        "        write(data, Path(sys.argv[1]) / 'maps.nc')\n"
        "    except FileError as error:\n"
        "        print('refused:', error, flush=True)\n"
        "os._exit(0)  # HDF5 tries to close the failed file again at exit, and may crash there\n"
    )
    done = _python(code, str(tmp_path), str(limit))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("refused:") == 3
    assert done.stdout.count("maps.nc cannot be written") == 3
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_for_a_network_is_named(tmp_path):
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from types import SimpleNamespace\n"
        "import torch\n"
        "from ctsm_socnn.errors import FileError\n"
        "from ctsm_socnn.network.training import _Saver\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "run = SimpleNamespace(state=lambda: {'weights': torch.zeros(100_000)})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000,) * 2)\n"
        "try:\n"
        "    _Saver(Path(sys.argv[1]) / 'member_0.pt').save(run)\n"
        "except FileError as error:\n"
        "    print('refused:', error)\n"
    )
    done = _python(code, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "member_0.pt cannot be written" in done.stdout
    assert list(tmp_path.iterdir()) == []


NOWHERE = "/proc/ctsm-socnn"
"""Nobody can make anything there, not even root."""


@pytest.mark.parametrize(
    "words",
    [
        ["demo", "-o", NOWHERE],
        ["build-params", "{world}/twin.toml", "-o", NOWHERE],
        ["forcing", "--history", "{world}/history/*.nc", "-o", f"{NOWHERE}/climatology.nc"],
        ["validate", "--run", "a={world}/history/*.nc", "--totals", "-o", NOWHERE],
        ["ilamb", "--run", "a={world}/history/*.nc", "-o", NOWHERE],
        [
            *("export", "paramfile", "-i", "{world}/ctsm54_params.nc", "--ctsm", "ctsm5.4"),
            *("-o", f"{NOWHERE}/params.nc"),
        ],
    ],
    ids=lambda words: words[0],
)
def test_a_directory_that_cannot_be_written_is_named(world, capsys, words):
    status = main([word.format(world=world) for word in words])
    error = capsys.readouterr().err
    assert _is_refused_in_one_line(status, error)
    assert NOWHERE in error


def test_two_runs_on_one_output_refuse_each_other(world, tmp_path, capsys):
    results = tmp_path / "results"
    results.mkdir()
    with (results / ".lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert main(["build-params", str(world / "twin.toml"), "-o", str(results)]) == 2
    assert "is in use by another run" in capsys.readouterr().err
    assert {path.name for path in results.iterdir()} == {".lock"}


def test_names_with_spaces_and_signs_are_only_names(world, tmp_path, capsys):
    strange = tmp_path / "a b;$(touch pwned) 'c'"
    shutil.copytree(world, strange)
    assert main(["check", str(strange / "twin.toml")]) == 0
    assert not (tmp_path / "pwned").exists()
    assert not Path("pwned").exists()
    assert capsys.readouterr().out.startswith("history: 24 months")


def _python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
