"""Workers that are killed while they compute: what was done is kept, the end is the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

from ctsm_socnn.assimilation import SamplingPlan, Settings, site_by_site
from ctsm_socnn.cli.main import main
from ctsm_socnn.demo import make_twin_world
from ctsm_socnn.errors import WorkerError
from ctsm_socnn.schemas import open_sites

SETTINGS = Settings(plan=SamplingPlan(chains=4, warmup=150, draws=150), seed=2)
N_SITES, N_BLOCKS = 40, 5
ONE_WORKER = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}


@pytest.fixture(scope="module")
def sites_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sites of the twin world."""
    directory = tmp_path_factory.mktemp("world")
    make_twin_world(directory, seed=4, n_profiles=N_SITES)
    output = directory / "sites.nc"
    columns = [
        *("profile_id=profile_id", "lon=lon [degrees]", "lat=lat [degrees]"),
        *("top=top_cm [cm]", "bottom=bottom_cm [cm]", "oc=oc_g_per_kg [g/kg]"),
        "bulk_density=bulk_density_g_per_cm3 [g/cm3]",
    ]
    words = ["--history", str(directory / "history" / "*.nc"), "--columns", *columns]
    words += ["--surface", str(directory / "surfdata.nc")]
    assert (
        main(["sites", "--profiles", str(directory / "profiles.csv"), *words, "-o", str(output)])
        == 0
    )
    return output


@pytest.fixture(scope="module")
def whole(sites_file: Path, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    output = tmp_path_factory.mktemp("whole") / "posterior.nc"
    return site_by_site(open_sites(sites_file), SETTINGS, output=output)


def when_a_block_is_done(output: Path, act: Callable[[], object]) -> threading.Thread:
    """Do something in a thread as soon as the first block lies beside the output."""

    def wait_and_act() -> None:
        while not list(Path(f"{output}.parts").glob("block_*.npz")):
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait_and_act, daemon=True)
    thread.start()
    return thread


def test_the_work_of_a_lost_dask_worker_is_done_elsewhere(
    sites_file: Path, whole: xr.Dataset, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")
    output = tmp_path / "posterior.nc"
    with distributed.LocalCluster(**{**ONE_WORKER, "n_workers": 2}) as cluster:
        first = next(iter(cluster.workers.values()))
        thread = when_a_block_is_done(output, lambda: os.kill(first.pid, signal.SIGKILL))
        address = cluster.scheduler_address
        found = site_by_site(open_sites(sites_file), SETTINGS, output=output, scheduler=address)
        thread.join()
    xr.testing.assert_identical(found.drop_attrs(), whole.drop_attrs())


def test_a_lost_dask_cluster_is_an_error_that_loses_nothing(
    sites_file: Path, whole: xr.Dataset, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")
    output = tmp_path / "posterior.nc"
    with distributed.LocalCluster(**ONE_WORKER) as cluster:
        address = cluster.scheduler_address
        thread = when_a_block_is_done(output, cluster.close)
        with pytest.raises(WorkerError, match="were lost; what is done so far is kept"):
            site_by_site(open_sites(sites_file), SETTINGS, output=output, scheduler=address)
        thread.join()
    assert_that_the_rest_follows(sites_file, output, whole)


def test_a_lost_process_is_an_error_that_loses_nothing(
    sites_file: Path, whole: xr.Dataset, tmp_path: Path
) -> None:
    output = tmp_path / "posterior.nc"
    thread = when_a_block_is_done(output, lambda: multiprocessing.active_children()[0].kill())
    with pytest.raises(WorkerError, match="a worker process ended before its time"):
        site_by_site(open_sites(sites_file), SETTINGS, output=output, workers=2)
    thread.join()
    assert_that_the_rest_follows(sites_file, output, whole)


def assert_that_the_rest_follows(sites_file: Path, output: Path, whole: xr.Dataset) -> None:
    """Check that blocks were kept, that they are not computed again, and that the end is the same."""
    kept = {path: path.stat().st_mtime_ns for path in Path(f"{output}.parts").glob("block_*.npz")}
    assert 0 < len(kept) < N_BLOCKS
    assert not output.exists()
    found = site_by_site(open_sites(sites_file), SETTINGS, output=output)
    xr.testing.assert_identical(found.drop_attrs(), whole.drop_attrs())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_do_not_outlive_a_run_that_is_killed(sites_file, tmp_path, number):
    output = tmp_path / "posterior.nc"
    words = ["assimilate", str(sites_file), "-o", str(output), "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ctsm_socnn", *words, "--chains", "4", "--draws", "1000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    when_a_block_is_done(output, lambda: os.kill(process.pid, number)).join()
    # The pipe ends with the last process that holds it.
    process.communicate(timeout=60)
    assert process.returncode == {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143}[number]
    assert not output.exists()
