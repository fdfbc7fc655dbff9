"""Site-by-site assimilation: files, resume, locks, workers, statuses."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.assimilation import (
    SamplingPlan,
    Settings,
    SiteStatus,
    make_prior,
    one_batch,
    random_sampling,
    site_by_site,
)
from ctsm_socnn.assimilation.summary import posterior_summary
from ctsm_socnn.errors import AssimilationError, ConfigError, FileError, KernelError, ProfileError
from ctsm_socnn.schemas import open_file, validate_posterior

SHORT = Settings(plan=SamplingPlan(chains=4, warmup=200, draws=200), seed=4)


def many_sites(twin: tuple[xr.Dataset, np.ndarray], n: int = 20) -> xr.Dataset:
    return twin[0].isel(site=np.arange(n) % twin[0].sizes["site"])


def test_the_posterior_meets_the_schema(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    output = tmp_path / "posterior.nc"
    returned = site_by_site(twin[0], SHORT, output=output)
    written = validate_posterior(open_file(output))
    xr.testing.assert_equal(written, returned)
    assert written.attrs["seed"] == "4"
    assert written.attrs["turnover_time_convention"] == "unnormalised"
    assert list(tmp_path.iterdir()) == [output]


def test_results_do_not_depend_on_workers(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    sites = many_sites(twin)
    one = site_by_site(sites, SHORT, output=tmp_path / "one.nc")
    two = site_by_site(sites, SHORT, output=tmp_path / "two.nc", workers=2)
    xr.testing.assert_identical(one.drop_attrs(), two.drop_attrs())


def test_no_two_sites_share_their_random_numbers(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    alike = twin[0].isel(site=np.zeros(17, dtype=int))
    laplace = site_by_site(alike, Settings(sampler="laplace"), output=tmp_path / "posterior.nc")
    assert np.unique(laplace["mean"].values, axis=0).shape[0] == 17


def test_a_stopped_run_goes_on_and_ends_the_same(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites, output = many_sites(twin), tmp_path / "posterior.nc"
    whole = site_by_site(sites, SHORT, output=tmp_path / "whole.nc")
    run = _stop_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        site_by_site(sites, SHORT, output=output)
    assert not output.exists()
    (tmp_path / "posterior.nc.parts" / "block_000001.npz").write_bytes(b"PK truncated")
    monkeypatch.undo()
    calls = _count_calls(monkeypatch)
    resumed = site_by_site(sites, SHORT, output=output)
    assert calls == [1, 2]
    assert run == [0, 1]
    xr.testing.assert_identical(resumed.drop_attrs(), whole.drop_attrs())


def _count_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    module = sys.modules["ctsm_socnn.assimilation.site_by_site"]
    calls: list[int] = []
    original = module.run_block

    def counted(task):
        calls.append(task.index)
        return original(task)

    monkeypatch.setattr(module, "run_block", counted)
    return calls


def _stop_after(monkeypatch: pytest.MonkeyPatch, blocks: int) -> list[int]:
    module = sys.modules["ctsm_socnn.assimilation.site_by_site"]
    done: list[int] = []
    original = module.run_block

    def stopping(task):
        if len(done) == blocks:
            raise KeyboardInterrupt
        done.append(task.index)
        return original(task)

    monkeypatch.setattr(module, "run_block", stopping)
    return done


def test_a_disk_that_is_full_at_the_end_loses_no_site(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise FileError("posterior.nc cannot be written; is the disk full?")

    output = tmp_path / "posterior.nc"
    monkeypatch.setattr(sys.modules["ctsm_socnn.assimilation.site_by_site"], "write_in_parts", full)
    with pytest.raises(FileError, match="disk full"):
        site_by_site(twin[0], SHORT, output=output)
    assert not output.exists()
    monkeypatch.undo()
    calls = _count_calls(monkeypatch)
    assert site_by_site(twin[0], SHORT, output=output).sizes["site"] == 6
    assert calls == []


def test_two_runs_on_one_output_refuse_each_other(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    parts = tmp_path / "posterior.nc.parts"
    parts.mkdir()
    with (parts / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(AssimilationError, match="another run is working"):
            site_by_site(twin[0], SHORT, output=tmp_path / "posterior.nc")


def test_unfinished_sites_of_other_settings_are_not_mixed_in(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "posterior.nc"
    _stop_after(monkeypatch, 0)
    with pytest.raises(KeyboardInterrupt):
        site_by_site(twin[0], SHORT, output=output)
    other = Settings(plan=SHORT.plan, seed=5)
    with pytest.raises(AssimilationError, match="unfinished run with another seed"):
        site_by_site(twin[0], other, output=output)
    changed = twin[0].assign(soc=2.0 * twin[0]["soc"])
    with pytest.raises(AssimilationError, match="another sites_sha256"):
        site_by_site(changed, SHORT, output=output)
    module = sys.modules["ctsm_socnn.assimilation.site_by_site"]
    monkeypatch.setattr(module, "package_version", lambda: "9.9", raising=False)
    with pytest.raises(AssimilationError, match="another version"):
        site_by_site(twin[0], SHORT, output=output)


def test_an_output_that_exists_is_kept(twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path) -> None:
    output = tmp_path / "posterior.nc"
    output.write_text("precious")
    with pytest.raises(FileError, match="exists already"):
        site_by_site(twin[0], SHORT, output=output)
    assert output.read_text() == "precious"


def test_sites_that_cannot_be_run_say_why(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    sites = many_sites(twin, 7).copy(deep=True)
    sites["soc"][0, 1:] = np.nan
    sites["TSOI"][1, 3, 4] = np.nan
    for pool in ("CWD", "LITR1", "LITR2", "LITR3"):
        sites[f"{pool}_INPUT"][2] = 0.0
    sites["W_SCALAR"][3] = 0.0
    sites["TSOI"][4] -= 273.15
    sites["nbedrock"][5] = 100
    posterior = site_by_site(sites, SHORT, output=tmp_path / "posterior.nc")
    assert [SiteStatus(s).name for s in posterior["status"].values[:6]] == [
        "TOO_FEW_OBSERVATIONS",
        "FORCING_INCOMPLETE",
        "NO_CARBON_INPUT",
        "NO_DECOMPOSITION",
        "FORCING_OUT_OF_RANGE",
        "FORCING_OUT_OF_RANGE",
    ]
    assert (posterior["converged"].values[:6] == 0).all()
    assert np.isnan(posterior["mean"].values[:6]).all()
    assert np.isfinite(posterior["mean"].values[6:]).all()


def test_forcing_in_the_wrong_unit_everywhere_is_an_error(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    celsius = twin[0].assign(TSOI=twin[0]["TSOI"] - 273.15)
    with pytest.raises(KernelError, match="TSOI"):
        site_by_site(celsius, SHORT, output=tmp_path / "posterior.nc")
    assert list(tmp_path.iterdir()) == []


def test_chains_that_are_too_short_have_not_converged(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    settings = Settings(plan=SamplingPlan(chains=4, warmup=20, draws=20))
    posterior = site_by_site(twin[0], settings, output=tmp_path / "posterior.nc")
    assert set(posterior["status"].values) <= {
        SiteStatus.RHAT_TOO_HIGH,
        SiteStatus.TOO_FEW_EFFECTIVE_DRAWS,
    }
    assert "rhat_too_high" in posterior["status"].attrs["flag_meanings"]


def test_parameters_without_effect_are_named(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    posterior = site_by_site(twin[0], SHORT, output=tmp_path / "posterior.nc")
    without = posterior["parameter"].values[posterior["identifiable"].values[0] == 0]
    assert set(without) == {"cryo", "tau_cwd"}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"sampler": "gibbs"}, "unknown sampler"), ({"likelihood": "l1"}, "unknown likelihood")],
)
def test_unknown_names_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Settings(**options)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: SamplingPlan(0, 10, 10), "chains is 0; it must be at least 1"),
        (lambda: SamplingPlan(4, -1, 10), "warmup is -1; it must be at least 0"),
        (lambda: SamplingPlan(4, 10, 1), "draws is 1; it must be at least 2"),
        (lambda: Settings(seed=-1), "seed is -1; it must be at least 0"),
        (lambda: random_sampling(posterior_of([1]), 2, draws=0), "draws per site is 0"),
        (lambda: random_sampling(posterior_of([1]), 2, seed=-1), "seed is -1"),
    ],
)
def test_numbers_that_are_too_small_are_refused(made: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        made()


def test_too_few_workers_are_refused(twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="workers is 0; it must be at least 1"):
        site_by_site(twin[0], SHORT, output=tmp_path / "p.nc", workers=0)


def test_no_more_processes_are_started_than_there_is_work_for(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, asked = sys.modules["ctsm_socnn.assimilation.site_by_site"], []

    def opened(workers: int, scheduler: str | None) -> AbstractContextManager[None]:
        asked.append(workers)
        return nullcontext()

    monkeypatch.setattr(module, "open_executor", opened)
    site_by_site(many_sites(twin), SHORT, output=tmp_path / "p.nc", workers=50)
    assert asked == [3]


@pytest.mark.parametrize("method", [site_by_site, one_batch])
def test_a_file_without_sites_is_refused(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path, method: Callable[..., object]
) -> None:
    output = {"output": tmp_path / "p.nc"} if method is site_by_site else {}
    with pytest.raises(ProfileError, match="has no sites"):
        method(twin[0].isel(site=slice(0, 0)), **output)
    assert list(tmp_path.iterdir()) == []


def posterior_of(converged: list[int]) -> xr.Dataset:
    n = len(converged)
    draws = np.arange(n * 10.0).reshape(n, 10, 1) * np.ones(21)
    return xr.Dataset(
        {
            "draws": (("site", "draw", "parameter"), draws.astype(np.float32)),
            "converged": (("site",), np.array(converged, dtype=np.int8)),
        }
    )


def test_random_sampling_draws_whole_vectors_of_converged_sites() -> None:
    drawn = random_sampling(posterior_of([1, 0, 1]), n_sites=40, draws=30, seed=2)["parameters"]
    assert drawn.shape == (40, 30, 21)
    assert (drawn == drawn[..., :1]).all()
    assert set(np.unique(drawn)) == {*range(10), *range(20, 30)}
    again = random_sampling(posterior_of([1, 0, 1]), n_sites=40, draws=30, seed=2)["parameters"]
    np.testing.assert_array_equal(drawn, again)


def test_random_sampling_needs_a_converged_site() -> None:
    with pytest.raises(AssimilationError, match="no site of the posterior has converged"):
        random_sampling(posterior_of([0, 0]), n_sites=2)


def test_laplace_marks_sites_by_whether_the_mode_was_found(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    settings = Settings(sampler="laplace", prior=make_prior("normal"), seed=4)
    posterior = site_by_site(twin[0], settings, output=tmp_path / "posterior.nc")
    assert (posterior["status"] == SiteStatus.CONVERGED).all()
    assert np.isnan(posterior["rhat"]).all()
    assert posterior.attrs["prior"].startswith("normal between the bounds")
    assert "acceptance" not in posterior_summary(posterior, twin[0], 1.0)


def test_parameters_that_the_profiles_do_not_tell_are_named(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    settings = Settings(sampler="laplace", seed=4)
    posterior = site_by_site(twin[0], settings, output=tmp_path / "posterior.nc")
    table = posterior_summary(posterior, twin[0], 1.0)
    assert "without effect on carbon: cryo (6 sites), tau_cwd (6 sites)" in table
    hardly = next(line for line in table.splitlines() if line.startswith("hardly constrained"))
    assert "fcwdl2" in hardly
    assert "tau_cwd" not in hardly
    assert "efolding" not in hardly


def test_predictive_coverage_is_in_the_file_and_in_the_table(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    posterior = site_by_site(twin[0], SHORT, output=tmp_path / "posterior.nc")
    assert (posterior["coverage_90"] >= posterior["coverage_50"]).all()
    assert f"{'observations in 90% intervals':<34}" in posterior_summary(posterior, twin[0], 1.0)
    mean = float(posterior["coverage_50"].mean())
    assert f"{'observations in 50% intervals':<34}{mean:>10.3f}" in posterior_summary(
        posterior, twin[0], 1.0
    )


def test_odd_but_possible_sites_are_run(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    """Carbon that rises with depth, soil frozen all year, a profile with zeros."""
    sites = twin[0].copy(deep=True)
    sites["soc"][0] = np.sort(sites["soc"].values[0])
    sites["TSOI"][1] = 250.0
    sites["ALTMAX"][1] = sites["ALTMAX_LASTYEAR"][1] = 0.0
    sites["soc"][2, 3:] = 0.0
    settings = Settings(sampler="laplace", seed=4)
    posterior = site_by_site(sites, settings, output=tmp_path / "posterior.nc")
    assert (posterior["status"] == SiteStatus.CONVERGED).all()
    assert np.isfinite(posterior["mean"]).all()
    frozen = posterior["identifiable"].isel(site=1)
    assert not frozen.sel(parameter=["diffus", "cryo", "beta"]).any()
    assert np.isfinite(posterior["soc_fit"][2]).values.tolist() == [True] * 3 + [False] * 2
