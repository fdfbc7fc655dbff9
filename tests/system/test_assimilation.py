"""The command `assimilate` as a user runs it: all methods, kill -9 and resume, bad input."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.schemas import open_file, open_sites

COMMAND = [sys.executable, "-m", "ctsm_socnn", "assimilate"]
SHORT = ["--warmup", "60", "--draws", "40", "--seed", "3"]


@pytest.fixture(scope="module")
def sites_file(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sites") / "sites.nc"
    sites = open_sites(shared_data / "data" / "northeast_us" / "sites.nc")
    sites.isel(site=slice(0, 40)).drop_encoding().to_netcdf(path)
    params = shared_data / "data" / "clm_params" / "clm5_params.c171117.nc"
    shutil.copyfile(params, path.parent / "clm5_params.nc")
    return path


@pytest.mark.real_data
def test_every_method_writes_its_file(
    sites_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch, posterior, drawn = (tmp_path / f"{name}.nc" for name in ("batch", "posterior", "drawn"))
    sites = str(sites_file)
    assert (
        main(["assimilate", sites, "--method", "one-batch", "--starts", "1", "-o", str(batch)]) == 0
    )
    assert "95 % interval" in capsys.readouterr().out
    assert open_file(batch)["quantile"].shape == (5, 21)
    paramfile = sites_file.parent / "clm5_params.nc"
    case = ["--method", "one-batch", "--starts", "1", "--ctsm", "clm5.0"]
    case += ["--paramfile", str(paramfile), "-o", str(tmp_path / "scalars.nc")]
    assert main(["assimilate", sites, *case]) == 0
    table = capsys.readouterr().out
    assert "CTSM's own values of diffus, cryo, q10, tau_cwd" in table
    assert "\nbeta " not in table
    held = open_file(tmp_path / "scalars.nc").attrs["held_parameters"].split()
    assert {"tau_s3", "q10", "fs1s2", "beta"} <= set(held)
    assert "efolding" not in held
    assert main(["assimilate", sites, *case[:-2], "-o", str(paramfile), "--overwrite"]) == 2
    assert "is read by this command" in capsys.readouterr().err
    by = ["--method", "hierarchical", "--by", "cov_Texture_USDA_30cm", "--starts", "1"]
    assert main(["assimilate", sites, *by, "-o", str(tmp_path / "classes.nc")]) == 0
    assert "classes of cov_Texture_USDA_30cm" in capsys.readouterr().out
    assert main(["assimilate", sites, *SHORT, "--draws", "150", "-o", str(posterior)]) == 0
    table = capsys.readouterr().out
    assert "NSE in sample" in table
    quick = ["--sampler", "laplace", "--prior", "normal", "--prior-of", "q10=1.5,0.2"]
    assert main(["assimilate", sites, *quick, "-o", str(tmp_path / "laplace.nc")]) == 0
    table = capsys.readouterr().out
    assert "without effect on carbon: cryo" in table
    random = ["--method", "random-sampling", "--posterior", str(posterior)]
    assert main(["assimilate", sites, *random, "-o", str(drawn)]) == 0
    assert open_file(batch)["parameters"].shape == (21,)
    assert open_file(posterior)["mean"].shape == (40, 21)
    assert open_file(drawn)["parameters"].shape == (40, 50, 21)


@pytest.mark.real_data
def test_a_killed_run_goes_on_and_ends_the_same(sites_file: Path, tmp_path: Path) -> None:
    output, parts = tmp_path / "posterior.nc", tmp_path / "posterior.nc.parts"
    command = [*COMMAND, str(sites_file), *SHORT, "--draws", "300", "-o", str(output)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(parts.glob("block_*.npz")):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = {path.name: path.stat().st_mtime_ns for path in parts.glob("block_*.npz")}
    assert 0 < len(kept) < 5
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    whole = tmp_path / "whole.nc"
    subprocess.run([*command[:-1], str(whole)], check=True, stdout=subprocess.DEVNULL)
    xr.testing.assert_identical(open_file(output).drop_attrs(), open_file(whole).drop_attrs())


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "random-sampling"], "give it with --posterior"),
        (["--method", "hierarchical"], "name it with --by"),
        (["--errors", "no_such.toml"], "no_such.toml cannot be read"),
        (["--shard", "5/4"], "shard 5/4"),
        (["--sampler", "published"], "goes with the published likelihood"),
        (["--prior-of", "q10=1.5"], "write a name, its centre and its standard deviation"),
        (["--prior-of", "q10=1.5,0"], "prior of q10 has the width 0"),
        (["--chains", "0"], "chains is 0; it must be at least 1"),
        (["--figure-sites", "3"], "give both"),
        (["--figure-sites", "40", "--figures", "."], "has the sites 0 to 39"),
        (["--method", "one-batch", "--shard", "1/2"], "--shard is not for --method one-batch"),
        (["--method", "one-batch", "--likelihood", "lognormal"], "but for site-by-site"),
        (["--method", "one-batch", "--ctsm", "ctsm5.4"], "give both"),
        (["--method", "hierarchical", "--ctsm", "ctsm5.4"], "--ctsm is not for"),
        (["--method", "one-batch", "--ctsm", "5", "--paramfile", "x.nc"], "unknown CTSM version"),
        (
            ["--method", "one-batch", "--ctsm", "ctsm5.4", "--paramfile", "no_such.nc"],
            "no_such.nc does not exist",
        ),
        (["--cost", "log"], "--cost is not for --method site-by-site"),
        (["--draws-per-site", "5"], "but for random-sampling"),
    ],
)
def test_wrong_options_are_one_line(
    sites_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert main(["assimilate", str(sites_file), *options, "-o", str(tmp_path / "p.nc")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.real_data
@pytest.mark.parametrize("command", ["assimilate", "merge"])
def test_what_is_read_is_not_replaced(
    sites_file: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    before = sites_file.read_bytes()
    assert main([command, str(sites_file), "-o", str(sites_file), "--overwrite"]) == 2
    assert "sites.nc is read by this command; give the output another name" in (
        capsys.readouterr().err
    )
    assert sites_file.read_bytes() == before


@pytest.mark.real_data
def test_a_full_disk_keeps_what_was_done(
    sites_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, written = np.savez, []

    def savez(stream, **arrays):
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(1)
        save(stream, **arrays)

    monkeypatch.setattr(np, "savez", savez)
    output = tmp_path / "posterior.nc"
    assert main(["assimilate", str(sites_file), *SHORT, "-o", str(output)]) == 2
    parts = tmp_path / "posterior.nc.parts"
    assert len(list(parts.glob("block_*.npz"))) == 2
    assert not output.exists()
