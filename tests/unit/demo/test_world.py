import filecmp
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from ctsm_socnn.config import load_config
from ctsm_socnn.demo import make_twin_world
from ctsm_socnn.errors import FileError
from ctsm_socnn.parameters import PARAMETERS
from ctsm_socnn.schemas import validate_maps

SEED = 11
N_PROFILES = 40


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("twin")
    make_twin_world(directory, SEED, N_PROFILES)
    return directory


def _open_raw(path: Path) -> netCDF4.Dataset:
    dataset = netCDF4.Dataset(path)
    dataset.set_auto_mask(False)
    return dataset


def _histories(world: Path) -> list[Path]:
    return sorted((world / "history").glob("twin.clm2.h0a.*.nc"))


def test_the_same_seed_gives_the_same_world(world, tmp_path):
    make_twin_world(tmp_path, SEED, N_PROFILES)
    for name in ("profiles.csv", "twin.toml", "clm50_params.nc", "ctsm54_params.nc"):
        assert filecmp.cmp(world / name, tmp_path / name, shallow=False), name
    for ours, again in zip(_histories(world), _histories(tmp_path), strict=True):
        assert filecmp.cmp(ours, again, shallow=False), ours.name


def test_another_seed_gives_another_world(world, tmp_path):
    make_twin_world(tmp_path, SEED + 1, N_PROFILES)
    assert not filecmp.cmp(world / "profiles.csv", tmp_path / "profiles.csv", shallow=False)


def test_nothing_is_replaced(world):
    with pytest.raises(FileError, match="exists already"):
        make_twin_world(world, SEED, N_PROFILES)


def test_history_files_have_the_form_of_ctsm(world):
    files = _histories(world)
    assert [path.name for path in files] == [
        "twin.clm2.h0a.2001-02-01-00000.nc",
        "twin.clm2.h0a.2002-02-01-00000.nc",
    ]
    with _open_raw(files[0]) as first, _open_raw(files[1]) as second:
        assert {name: len(d) for name, d in first.dimensions.items()} == {
            "lon": 16,
            "lat": 12,
            "levgrnd": 25,
            "levsoi": 20,
            "levdcmp": 25,
            "nbnd": 2,
            "time": 12,
        }
        assert first["TSOI"].dimensions == ("time", "levgrnd", "lat", "lon")
        assert first["FPI_vr"].dimensions == ("time", "levdcmp", "lat", "lon")
        assert first["time"].calendar == "noleap"
        assert second["time_bounds"][0].tolist() == [365.0, 396.0]
        assert "PCT_SAND" in first.variables
        assert "PCT_SAND" not in second.variables


def test_ocean_is_filled_as_clm_fills_it(world):
    with _open_raw(_histories(world)[0]) as file:
        sea = file["landmask"][:] == 0
        assert sea.any()
        assert not sea.all()
        assert (file["TSOI"][0, 0][sea] == np.float32(1e36)).all()
        assert (file["nbedrock"][:][sea] == -9999).all()
        assert (file["TSOI"][:][..., ~sea] < 330.0).all()


def test_no_decay_below_bedrock(world):
    with _open_raw(_histories(world)[0]) as file:
        land = file["landmask"][:] == 1
        below = np.arange(1, 21)[:, np.newaxis] > file["nbedrock"][:][land]
        assert below.any()
        for name in ("W_SCALAR", "K_SOM_SLO"):
            values = file[name][0, :20][:, land]
            assert (values[below] == 0.0).all()
            assert (values[~below] > 0.0).all()


def test_litter_losses_add_up_to_litterfall(world):
    with _open_raw(_histories(world)[0]) as file:
        land = file["landmask"][:] == 1
        thickness = np.diff(_interfaces(file))
        losses = [
            *(f"{pool}_HR_vr" for pool in ("LIT_MET", "LIT_CEL", "LIT_LIG")),
            "LIT_MET_C_TO_SOM_ACT_C_v",
            "LIT_CEL_C_TO_SOM_ACT_C_v",
            "LIT_LIG_C_TO_SOM_SLO_C_v",
        ]
        total = sum(file[name][:, :20][..., land].astype(float) for name in losses)
        column = np.einsum("mzc,z->mc", total, thickness)
        assert column == pytest.approx(file["LITFALL"][:][:, land], rel=1e-5)


def _interfaces(file: netCDF4.Dataset) -> np.ndarray:
    from ctsm_socnn.model import SOIL_GRID

    assert file["levsoi"][:] == pytest.approx(SOIL_GRID.node_depth, rel=1e-6)
    return SOIL_GRID.interface_depth


@pytest.mark.parametrize(
    ("name", "scalar", "dimensions"),
    [("clm50_params.nc", "tau_s3", ("allpfts",)), ("ctsm54_params.nc", "bgc_tau_s3", ())],
)
def test_paramfiles_hold_clm5_values_in_the_form_of_their_generation(
    world, name, scalar, dimensions
):
    with _open_raw(world / name) as file:
        assert file.data_model == "NETCDF3_CLASSIC"
        assert file[scalar].dimensions == dimensions
        assert file[scalar][...].item() == pytest.approx(222.2222, rel=1e-6)
        assert file["som_diffus"][...].item() == pytest.approx(3.17097919837646e-12, rel=1e-6)
        assert file["rootprof_beta"].dimensions == ("variants", "pft")
        assert file["leafcn"]._FillValue == -999.0


def test_the_truth_is_a_set_of_maps_within_bounds(world):
    truth = validate_maps(xr.open_dataset(world / "truth.nc"))
    for parameter in PARAMETERS:
        values = truth[parameter.name].values
        known = values[np.isfinite(values)]
        assert known.size > 500
        assert known.min() > parameter.lower
        assert known.max() < parameter.upper
    assert float(truth["efolding"].std()) > 0.03


def test_profiles_are_layers_of_measured_quantities(world):
    table = pd.read_csv(world / "profiles.csv")
    good = table[table["profile_id"].str.startswith("twin")]
    assert good["profile_id"].nunique() == N_PROFILES
    assert (good["bottom_cm"] > good["top_cm"]).all()
    assert good["oc_g_per_kg"].between(0.01, 400.0).all()
    assert good["bulk_density_g_per_cm3"].between(0.2, 1.6).all()
    assert {"at_sea", "negative", "upside_down"} <= set(table["profile_id"])


def test_the_configuration_is_valid_and_its_files_exist(world):
    config, _ = load_config(world / "twin.toml")
    assert config.seed == SEED
    assert [case.version for case in config.case] == ["release-clm5.0", "ctsm5.4"]
    files = [config.profiles.file, config.covariates.file, config.forcing.surface]
    assert all(path.is_file() for path in [*files, *(case.paramfile for case in config.case)])
