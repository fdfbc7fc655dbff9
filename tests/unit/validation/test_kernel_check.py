from pathlib import Path

import netCDF4
import numpy as np
import pytest

from ctsm_socnn.demo import make_twin_world
from ctsm_socnn.errors import ValidationError
from ctsm_socnn.export.readback import effective_scheme
from ctsm_socnn.parameters.ctsm_versions import resolve_version
from ctsm_socnn.validation.kernel_check import (
    check_kernel,
    fields_that_differ,
    format_kernel_check,
    kernel_check_json,
)
from ctsm_socnn.validation.kernel_run import open_kernel_run


@pytest.fixture(scope="module")
def twin(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("twin")
    make_twin_world(directory, seed=3, n_profiles=5)
    return directory


@pytest.fixture(scope="module")
def run_files(shared_data) -> Path:
    return shared_data / "data" / "ctsm_run"


def _history(directory: Path) -> list[Path]:
    return sorted((directory / "history").glob("*.h0a.*"))


def _edited(source: Path, target: Path, **factors: float) -> Path:
    """A copy of a paramfile with some scalars multiplied."""
    target.write_bytes(source.read_bytes())
    with netCDF4.Dataset(target, "a") as dataset:
        for name, factor in factors.items():
            dataset[name][...] = dataset[name][...] * factor
    return target


def _check_real(run_files: Path, paramfile: Path, instants: list[Path]):
    scheme = effective_scheme(paramfile, resolve_version("ctsm5.4"), {})
    surface = run_files / "surfdata.nc"
    return check_kernel(
        open_kernel_run(_history(run_files), scheme, instants=instants, surface=surface)
    )


def test_rates_of_the_twin_world_are_those_of_the_kernel(twin):
    scheme = effective_scheme(twin / "ctsm54_params.nc", resolve_version("ctsm5.4"), {})
    check = check_kernel(open_kernel_run(_history(twin), scheme))
    rates = [str(name) for name in check["field"].values if str(name).startswith("K_")]
    assert len(rates) == 7
    assert float(check["largest"].sel(field=rates).max()) < 1e-5
    assert np.isfinite(check["steady_stock"].values).any()


def test_another_depth_of_decay_shows_in_every_rate(twin, tmp_path):
    other = _edited(twin / "ctsm54_params.nc", tmp_path / "p.nc", decomp_depth_efolding=0.5)
    scheme = effective_scheme(other, resolve_version("ctsm5.4"), {})
    differ = fields_that_differ(check_kernel(open_kernel_run(_history(twin), scheme)))
    assert len([name for name in differ if name.startswith("K_")]) == 7


def test_history_without_the_budget_is_refused(history_file, twin):
    scheme = effective_scheme(twin / "ctsm54_params.nc", resolve_version("ctsm5.4"), {})
    with pytest.raises(ValidationError, match="lacks T_SCALAR"):
        open_kernel_run([history_file()], scheme)


@pytest.mark.real_data
@pytest.mark.parametrize("with_instants", [True, False])
def test_the_kernel_goes_where_the_real_run_went(run_files, with_instants):
    instants = sorted((run_files / "history").glob("*.h1i.*")) if with_instants else []
    check = _check_real(run_files, run_files / "ctsm54_form_params.nc", instants)
    assert fields_that_differ(check) == []
    assert int(check["cells"].min()) >= 8
    changes = check.sel(field=[name for name in check["field"].values if "change" in str(name)])
    assert changes.sizes["field"] == 7
    assert float(changes["largest"].max()) < 0.05
    text = format_kernel_check(check)
    assert "0 of 9 cells are spun up" in text
    assert text.splitlines()[0].split()[-3:] == ["median", "allowed", "largest"]
    assert "agrees if its median" in text


@pytest.mark.real_data
def test_other_turnover_times_are_named_by_rate_and_pool(run_files, tmp_path):
    other = _edited(
        run_files / "ctsm54_form_params.nc", tmp_path / "p.nc", bgc_tau_s2=1.3, bgc_tau_l1=0.8
    )
    check = _check_real(run_files, other, sorted((run_files / "history").glob("*.h1i.*")))
    differ = fields_that_differ(check)
    assert {name for name in differ if name.startswith("K_")} == {"K_LIT_MET", "K_SOM_SLO"}
    assert {"change of S2", "change of S3"} <= set(differ)
    told = {row["field"]: row["agrees"] for row in kernel_check_json(check)}
    assert not told["K_SOM_SLO"]
    assert told["K_SOM_PAS"]
