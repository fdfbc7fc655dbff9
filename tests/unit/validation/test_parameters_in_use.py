import math
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from ctsm_socnn.demo import make_twin_world
from ctsm_socnn.errors import ValidationError
from ctsm_socnn.export.paramfile import read_scalars
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, resolve_version
from ctsm_socnn.validation.parameters_in_use import Evidence, find_evidence, format_evidence

TURNOVER_TIMES = {"tau_cwd", "tau_l1", "tau_l2_l3", "tau_s1", "tau_s2", "tau_s3"}


@pytest.fixture(scope="module")
def version() -> CtsmVersion:
    return resolve_version("ctsm5.4")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("twin")
    make_twin_world(directory, seed=3, n_profiles=5)
    return directory


@pytest.fixture(scope="module")
def history(world) -> list[Path]:
    return sorted((world / "history").glob("*.nc"))


@pytest.fixture(scope="module")
def expected(world, version) -> dict[str, float]:
    return read_scalars(world / "ctsm54_params.nc", version)


def _verdicts(evidence: list[Evidence]) -> dict[str, str]:
    return {e.item: e.verdict for e in evidence}


def test_a_run_with_its_own_paramfile_used_all_that_can_be_told(history, version, expected):
    verdicts = _verdicts(find_evidence(history, version, expected))
    assert "NOT used" not in verdicts.values()
    told = {item for item, verdict in verdicts.items() if verdict == "used"}
    assert told >= TURNOVER_TIMES | {"q10", "decomp_depth_efolding", "rf_l1s1", "cwd_fcel"}
    assert verdicts["minpsi_hr"] == "cannot tell"


@pytest.mark.parametrize(
    "changed", [{"tau_s2": 1.02}, {"tau_s3": 0.9, "q10": 1.1}, {"decomp_depth_efolding": 0.9}]
)
def test_exactly_the_scalars_that_differ_are_named(history, version, expected, changed):
    other = expected | {item: expected[item] * factor for item, factor in changed.items()}
    verdicts = _verdicts(find_evidence(history, version, other))
    assert {item for item, verdict in verdicts.items() if verdict == "NOT used"} == set(changed)


def test_a_fraction_that_should_be_zero_and_is_not_is_named(history, version, expected):
    verdicts = _verdicts(find_evidence(history, version, expected | {"rf_cwdl2": 0.1}))
    assert verdicts["rf_cwdl2"] == "NOT used"


def test_what_is_found_is_printed_beside_what_was_meant(history, version, expected):
    text = format_evidence(find_evidence(history, version, expected | {"tau_s2": 10.0}))
    line = next(line for line in text.splitlines() if line.startswith("bgc_tau_s2"))
    assert line.split() == ["bgc_tau_s2", "10", "5", "-50.00%", "0.5%", "NOT", "used"]


def test_history_without_rates_is_refused_with_the_way_out(history, version, expected, tmp_path):
    bare = tmp_path / "bare.nc"
    with netCDF4.Dataset(history[0]) as full, netCDF4.Dataset(bare, "w") as copy:
        for name, dimension in full.dimensions.items():
            copy.createDimension(name, len(dimension))
        for name in ("time", "time_bounds", "lat", "lon", "landmask", "levsoi", "W_SCALAR"):
            source = full[name]
            target = copy.createVariable(name, source.dtype, source.dimensions)
            target.setncatts({k: source.getncattr(k) for k in source.ncattrs() if k[0] != "_"})
            target[:] = np.ma.filled(source[:])
    with pytest.raises(ValidationError, match="usermods/forcing_output"):
        find_evidence([bare], version, expected)


@pytest.mark.real_data
def test_a_real_run_used_its_paramfile_and_no_other(shared_data, version):
    run = shared_data / "data" / "ctsm_run"
    files = sorted((run / "history").glob("*.h0a.*"))
    expected = read_scalars(run / "ctsm54_form_params.nc", version)
    evidence = {e.item: e for e in find_evidence(files, version, expected)}
    told = {item for item, e in evidence.items() if e.verdict == "used"}
    assert told >= TURNOVER_TIMES | {"som_diffus", "cryoturb_diffusion_k", "q10", "rf_l3s2"}
    assert told >= {"froz_q10", "minpsi_hr", "maxpsi_hr"}
    assert not any(e.verdict == "NOT used" for e in evidence.values())
    assert all(
        math.isclose(evidence[item].found, expected[item], rel_tol=1e-4) for item in TURNOVER_TIMES
    )
    drier = expected | {"minpsi_hr": -2.5, "froz_q10": 5.0}
    verdicts = _verdicts(find_evidence(files, version, drier))
    assert {i for i, v in verdicts.items() if v == "NOT used"} == {"minpsi_hr", "froz_q10"}
    longer = expected | {"tau_s3": 1.5 * expected["tau_s3"], "tau_l1": 1.05 * expected["tau_l1"]}
    verdicts = _verdicts(find_evidence(files, version, longer))
    assert {i for i, verdict in verdicts.items() if verdict == "NOT used"} == {"tau_s3", "tau_l1"}
