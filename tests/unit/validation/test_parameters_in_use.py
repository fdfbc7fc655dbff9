import math
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.demo import make_twin_world
from ctsm_socnn.errors import ValidationError
from ctsm_socnn.export.gridded import write_gridded_parameters
from ctsm_socnn.export.paramfile import read_scalars
from ctsm_socnn.model import SOIL_GRID
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, resolve_version
from ctsm_socnn.validation.parameters_in_use import (
    Evidence,
    Verdict,
    find_evidence,
    format_evidence,
    rates_are_told,
)
from ctsm_socnn.validation.report_sections import evidence_section

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


@pytest.fixture(scope="module")
def maps(history, tmp_path_factory) -> Path:
    """Maps on the grid of the run, other values in every cell; not of its fractions."""
    with xr.open_dataset(history[0], decode_times=False) as run:
        lat, lon = run["lat"].values.astype(float), run["lon"].values.astype(float)
    draw = np.random.default_rng(5)
    data = {
        name: (("lat", "lon"), draw.uniform(low, high, (lat.size, lon.size)))
        for name, (low, high) in {
            "q10": (1.2, 3.0), "efolding": (0.3, 1.0), "w_scaling": (0.3, 0.9),
            "tau_cwd": (1.0, 6.0), "tau_l1": (0.01, 0.1), "tau_l2": (0.1, 0.3),
            "tau_s1": (0.1, 1.0), "tau_s2": (1.0, 50.0), "tau_s3": (200.0, 1000.0),
        }.items()
    }  # fmt: skip
    dataset = xr.Dataset(
        data, {"lat": lat, "lon": lon}, {"turnover_time_convention": "unnormalised"}
    )
    path = tmp_path_factory.mktemp("maps") / "gridded_parameters.nc"
    write_gridded_parameters(dataset, path, "ctsm5.4")
    return path


@pytest.fixture(scope="module")
def history_with_maps(history, maps, expected, version, tmp_path_factory) -> list[Path]:
    """The run's history as the SourceMods would have made it, month by month."""
    directory = tmp_path_factory.mktemp("mapped")
    with xr.open_dataset(maps) as file:
        new = {name: file[name].values for name in file if name not in ("LATIXY", "LONGXY")}
    pools = {"CWD": "tau_cwd", "LIT_MET": "tau_l1", "LIT_CEL": "tau_l2_l3", "SOM_ACT": "tau_s1",
             "SOM_SLO": "tau_s2", "SOM_PAS": "tau_s3"}  # fmt: skip
    paths = []
    for source in history:
        with xr.open_dataset(source, decode_times=False) as run:
            run = run.load()
        temperature, depth = run["TSOI"].values[:, :20], SOIL_GRID.node_depth[:20, None, None]
        change = new["q10_mr"] / expected["q10"]
        warm = change ** ((temperature - 298.15) / 10.0 + 1.0)
        cold = change ** (-2.5 + 1.0) * change ** ((temperature - 273.15) / 10.0)
        factor = np.where(temperature >= 273.15, warm, cold) * new["w_scaling"]
        factor *= np.exp(depth / expected["decomp_depth_efolding"])
        factor *= np.exp(-depth / new["decomp_depth_efolding"])
        for pool, item in pools.items():
            name = version.item(item).variable
            rates = run[f"K_{pool}"]
            rates[:, :20] = rates.values[:, :20] * factor * expected[item] / new[name]
        paths.append(directory / source.name)
        run.to_netcdf(paths[-1])
    return paths


def test_a_run_that_read_its_maps_used_them(history_with_maps, version, expected, maps):
    evidence = find_evidence(history_with_maps, version, expected, maps)
    assert "NOT used" not in _verdicts(evidence).values()
    mapped = {e.item: e for e in evidence if e.mapped}
    assert TURNOVER_TIMES | {"decomp_depth_efolding"} == set(mapped)
    assert all(e.difference < 1e-6 for e in mapped.values() if e.item in TURNOVER_TIMES)
    assert "bgc_tau_s2 (map)" in format_evidence(evidence)


def test_a_run_that_did_not_read_its_maps_is_found_out(history, version, expected, maps):
    verdicts = _verdicts(find_evidence(history, version, expected, maps))
    not_used = {item for item, verdict in verdicts.items() if verdict == "NOT used"}
    assert not_used == TURNOVER_TIMES | {"decomp_depth_efolding"}
    assert verdicts["q10"] == verdicts["rf_l1s1"] == "used"  # those of the paramfile still hold


def test_a_wrong_map_among_right_ones_is_named(
    history_with_maps, version, expected, maps, tmp_path
):
    other = tmp_path / "other.nc"
    with xr.open_dataset(maps) as file:
        file.load().assign(bgc_tau_s2=1.1 * file["bgc_tau_s2"]).to_netcdf(other)
    verdicts = _verdicts(find_evidence(history_with_maps, version, expected, other))
    assert {item for item, verdict in verdicts.items() if verdict == "NOT used"} == {"tau_s2"}


def test_a_map_that_is_too_high_here_and_too_low_there_is_not_the_one_used(
    history_with_maps, version, expected, maps, tmp_path
):
    other = tmp_path / "other.nc"
    with xr.open_dataset(maps) as file:
        by_column = np.where(np.arange(file["bgc_tau_s2"].shape[-1]) % 2, 1.1, 0.9)
        file.load().assign(bgc_tau_s2=by_column * file["bgc_tau_s2"]).to_netcdf(other)
    evidence = {e.item: e for e in find_evidence(history_with_maps, version, expected, other)}
    assert evidence["tau_s2"].verdict == "NOT used"
    assert 0.08 < evidence["tau_s2"].difference < 0.12


def test_one_turnover_time_tells_paramfiles_apart_and_none_is_missed_where_none_was_meant():
    def said(item: str, verdict: Verdict) -> Evidence:
        return Evidence(item, item, 1.0, 1.0, 0.0, 0.1, False, verdict, "1")

    q10, tau_s1 = said("q10", "used"), said("tau_s1", "cannot tell")
    assert rates_are_told([q10])
    assert not rates_are_told([q10, tau_s1])
    assert rates_are_told([q10, tau_s1, said("tau_s2", "NOT used")])


@pytest.mark.parametrize(("last_year", "verdict"), [(0.4, "used"), (2.5, "cannot tell")])
def test_cryoturbation_is_told_where_both_years_thaw_shallowly(
    history, version, expected, tmp_path, last_year, verdict
):
    """It mixes the layer that thaws in full, and fades below, down to 3 m."""
    cryo = expected["cryoturb_diffusion_k"]
    frozen = tmp_path / "frozen.nc"
    with xr.open_dataset(history[0], decode_times=False) as run:
        run = run.load()
    depth = SOIL_GRID.node_depth[:20, None, None]
    faded = cryo * np.clip((3.0 - depth) / (3.0 - last_year), 0.0, 1.0)
    mixing = run["W_SCALAR"].copy(deep=True)
    mixing[:, :20] = np.where(np.isfinite(mixing[:, :20]), faded, np.nan)
    thaw = {"ALTMAX": 0.0 * run["ALTMAX"] + 0.3, "ALTMAX_LASTYEAR": 0.0 * run["ALTMAX"] + last_year}
    run.assign(SOM_DIFFUS_COEF=mixing, **thaw).to_netcdf(frozen)
    verdicts = _verdicts(find_evidence([frozen], version, expected))
    assert verdicts["cryoturb_diffusion_k"] == verdict
    other = expected | {"cryoturb_diffusion_k": 1.1 * cryo}
    wrong = _verdicts(find_evidence([frozen], version, other))["cryoturb_diffusion_k"]
    assert wrong == ("NOT used" if verdict == "used" else verdict)


def test_maps_of_another_grid_are_refused(history, version, expected, maps, tmp_path):
    shifted = tmp_path / "shifted.nc"
    with xr.open_dataset(maps) as file:
        file.load().assign(LONGXY=file["LONGXY"] + 2.5).to_netcdf(shifted)
    with pytest.raises(ValidationError, match="not those of this case"):
        find_evidence(history, version, expected, shifted)


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
    assert line.split() == ["bgc_tau_s2", "10", "5", "yr", "-50.00%", "0.5%", "NOT", "used"]


def test_a_difference_that_rounds_to_nothing_has_no_sign():
    evidence = Evidence("q10", "q10_mr", 1.5, 1.5 - 1e-9, -1e-9, 0.001, False, "used", "1")
    assert "+0.00%" in format_evidence([evidence])
    (table,) = evidence_section({"ours": [evidence]}).tables
    assert [cell.text for cell in table.rows[0]][4:6] == ["1", "0.00%"]


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
