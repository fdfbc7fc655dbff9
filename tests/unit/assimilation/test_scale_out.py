"""Shards and dask: the same results as one undivided run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.assimilation import SamplingPlan, Settings, Shard, merge_posteriors, site_by_site
from ctsm_socnn.errors import AssimilationError, ConfigError, WorkerError
from ctsm_socnn.schemas import open_file, open_sites

SHORT = Settings(plan=SamplingPlan(chains=4, warmup=60, draws=40), seed=4)


@pytest.fixture(scope="module")
def sites(twin: tuple[xr.Dataset, np.ndarray]) -> xr.Dataset:
    return twin[0].isel(site=np.arange(20) % 6)


@pytest.fixture(scope="module")
def whole(sites: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return site_by_site(sites, SHORT, output=tmp_path_factory.mktemp("whole") / "posterior.nc")


def parts_of(sites: xr.Dataset, directory: Path) -> list[xr.Dataset]:
    for number in (1, 2):
        output = directory / f"part_{number}.nc"
        site_by_site(sites, SHORT, output=output, shard=Shard(number, 2))
    return [open_file(directory / f"part_{number}.nc") for number in (2, 1)]


def test_shards_merge_to_the_whole(sites: xr.Dataset, whole: xr.Dataset, tmp_path: Path) -> None:
    merged = merge_posteriors(parts_of(sites, tmp_path), output=tmp_path / "merged.nc")
    xr.testing.assert_identical(merged.drop_attrs(), whole.drop_attrs())


def test_what_the_shards_cost_is_summed(sites: xr.Dataset, tmp_path: Path) -> None:
    seconds = ("1.5", "20.0")
    parts = [
        part.assign_attrs(cpu_seconds=s)
        for part, s in zip(parts_of(sites, tmp_path), seconds, strict=True)
    ]
    merged = merge_posteriors(parts, output=tmp_path / "merged.nc")
    assert merged.attrs["cpu_seconds"] == "21.5"


def test_results_do_not_depend_on_how_many_sites_are_in_memory(
    sites: xr.Dataset, whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sites.nc"
    sites.to_netcdf(path)
    monkeypatch.setattr(sys.modules["ctsm_socnn.assimilation.screening"], "SITES_AT_A_TIME", 8)
    monkeypatch.setattr(sys.modules["ctsm_socnn.assimilation.site_by_site"], "SITES_AT_A_TIME", 8)
    opened = open_sites(path, load=False)
    found = site_by_site(opened, SHORT, output=tmp_path / "posterior.nc")
    xr.testing.assert_identical(found.drop_attrs(), whole.drop_attrs())
    merged = merge_posteriors(parts_of(opened, tmp_path), output=tmp_path / "merged.nc")
    xr.testing.assert_identical(merged.drop_attrs(), whole.drop_attrs())


def test_parts_that_do_not_fit_are_refused(sites: xr.Dataset, tmp_path: Path) -> None:
    second, first = parts_of(sites, tmp_path)
    output = tmp_path / "merged.nc"
    for some in ([first], [second]):
        with pytest.raises(AssimilationError, match="in no part"):
            merge_posteriors(some, output=output)
    with pytest.raises(AssimilationError, match="more than one part"):
        merge_posteriors([first, second, second], output=output)
    for name, other in (("seed", "5"), ("prior", "another"), ("sites_sha256", "0")):
        with pytest.raises(AssimilationError, match=f"different runs: {name} is .* and "):
            merge_posteriors([first, second.assign_attrs({name: other})], output=output)
    for name in ("sites_in_all", "seed", "cpu_seconds"):
        bare = second.copy()
        del bare.attrs[name]
        with pytest.raises(AssimilationError, match=f"part_2.nc lacks the global attribute {name}"):
            merge_posteriors([first, bare], output=output)
    assert not output.exists()


def test_a_missing_last_part_is_noticed(sites: xr.Dataset, tmp_path: Path) -> None:
    parts = []
    for number in (1, 2):
        shard = Shard(number, 3)
        parts.append(site_by_site(sites, SHORT, output=tmp_path / f"{number}.nc", shard=shard))
    with pytest.raises(AssimilationError, match="4 sites are in no part, the first at place 16"):
        merge_posteriors(parts, output=tmp_path / "merged.nc")


@pytest.mark.parametrize("text", ["3", "0/2", "3/2", "a/b", "-1/2"])
def test_wrong_shards_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="shard"):
        Shard.from_text(text)


def test_a_dask_cluster_gives_the_same(
    sites: xr.Dataset, whole: xr.Dataset, tmp_path: Path
) -> None:
    pytest.importorskip("distributed", reason="needs the extra `cluster`")
    output = tmp_path / "posterior.nc"
    by_dask = site_by_site(sites, SHORT, output=output, workers=2, scheduler="local")
    xr.testing.assert_identical(by_dask.drop_attrs(), whole.drop_attrs())


def test_a_scheduler_that_does_not_run_is_an_error(sites: xr.Dataset, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra `cluster`")
    with pytest.raises(WorkerError, match=r"no_such_file.json does not exist"):
        site_by_site(
            sites, SHORT, output=tmp_path / "p.nc", scheduler=str(tmp_path / "no_such_file.json")
        )


@pytest.mark.parametrize("text", ["not json", "[]", "{}"])
def test_a_file_that_is_no_scheduler_file_is_an_error(
    sites: xr.Dataset, tmp_path: Path, text: str
) -> None:
    pytest.importorskip("distributed", reason="needs the extra `cluster`")
    path = tmp_path / "scheduler.json"
    path.write_text(text)
    with pytest.raises(WorkerError, match=r"scheduler\.json is not a dask scheduler file"):
        site_by_site(sites, SHORT, output=tmp_path / "p.nc", scheduler=str(path))


def test_a_scheduler_file_names_the_cluster(
    sites: xr.Dataset, whole: xr.Dataset, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")
    path = tmp_path / "scheduler.json"
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        path.write_text(json.dumps(cluster.scheduler.identity(), default=str))
        found = site_by_site(sites, SHORT, output=tmp_path / "p.nc", scheduler=str(path))
    xr.testing.assert_identical(found.drop_attrs(), whole.drop_attrs())


def test_a_shard_without_sites_is_refused(sites: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only 3 blocks"):
        site_by_site(sites, SHORT, output=tmp_path / "p.nc", shard=Shard(4, 4))
