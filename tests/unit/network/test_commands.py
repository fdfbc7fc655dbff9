from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.parameters import PARAMETER_NAMES
from ctsm_socnn.schemas import FORCING_DIMENSIONS

QUICK = ("--members", "2", "--epochs", "3")


@pytest.fixture
def files(sites: xr.Dataset, posterior: xr.Dataset, tmp_path: Path) -> Path:
    write_dataset(sites, tmp_path / "sites.nc")
    write_dataset(posterior, tmp_path / "posterior.nc")
    grid = xr.Dataset(coords={"lat": [40.0, 41.0], "lon": [1.0, 2.0]})
    for name in ("cov_warmth", "cov_noise", "cov_Land_Cover"):
        grid[name] = (("lat", "lon"), sites[name].values[:4].reshape(2, 2))
    write_dataset(grid, tmp_path / "grid.nc")
    return tmp_path


def train(files: Path, *options: str) -> int:
    return main(["train", str(files / "sites.nc"), "-o", str(files / "model"), *QUICK, *options])


def test_train_score_predict(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(files, "--method", "end-to-end", "--no-forcing-summaries") == 0
    assert "trained on 40 sites" in capsys.readouterr().out
    assert not (files / ".model.training").exists()

    assert main(["score", str(files / "model"), str(files / "sites.nc"), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert {"nse", "log_nse", "stock_nse", "r2", "rmse", "bias", "n_layers"} <= scores.keys()
    assert scores["n_sites"] == 40
    assert main(["score", str(files / "model"), str(files / "sites.nc")]) == 0
    assert "160 layers of 40 sites" in capsys.readouterr().out

    maps = files / "maps.nc"
    assert main(["predict", str(files / "model"), str(files / "grid.nc"), "-o", str(maps)]) == 0
    assert "4 cells" in capsys.readouterr().out
    with xr.open_dataset(maps) as written:
        assert np.isfinite(written["q10"]).all()
        assert "sha256" in written.attrs["input_model"]


def test_score_and_predict_count_what_training_never_saw(
    files: Path, sites: xr.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(files, "--method", "end-to-end", "--no-forcing-summaries") == 0
    strange = sites.copy(deep=True)
    strange["cov_warmth"] = strange["cov_warmth"] + 273.15
    strange["cov_Land_Cover"][:3] = 77.0
    strange["cov_noise"][4] = np.nan
    strange["cov_noise"][5] = strange["cov_warmth"][5] = np.nan
    write_dataset(strange, files / "strange.nc")
    capsys.readouterr()
    assert main(["score", str(files / "model"), str(files / "strange.nc"), "--json"]) == 0
    printed = capsys.readouterr()
    scores = json.loads(printed.out)
    assert scores["unseen_classes"] == {"cov_Land_Cover": 3}
    assert scores["missing_covariates"] == {"cov_noise": 2, "cov_warmth": 1}
    assert scores["excluded"]["sites: covariates missing"] == 1
    assert "cov_warmth lies between" in printed.err
    assert "is it in the same unit (1)?" in printed.err

    grid = xr.open_dataset(files / "grid.nc").load()
    grid["cov_Land_Cover"][0, 0] = 99.0
    write_dataset(grid, files / "strange_grid.nc")
    words = ["predict", str(files / "model"), str(files / "strange_grid.nc"), "--json"]
    assert main([*words, "-o", str(files / "maps.nc")]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["unseen_classes"] == {"cov_Land_Cover": 1}
    assert "never or rarely seen in training" in printed.err
    write_dataset(grid.drop_vars("cov_noise"), files / "short_grid.nc")
    words[2] = str(files / "short_grid.nc")
    assert main([*words, "-o", str(files / "none.nc")]) == 2
    assert "the grid lacks cov_noise" in capsys.readouterr().err
    assert not (files / "none.nc").exists()


def test_calibration_is_printed_and_stored(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(files, "--method", "end-to-end", "--calibrate", "2", "--by", "region") == 0
    printed = capsys.readouterr().out
    assert "at sites not seen, 2 folds: NSE" in printed
    assert "soc_stock_100cm" in printed
    record = json.loads((files / "model" / "model.json").read_text())
    assert record["training"]["in_sample"]["n_sites"] == 40
    assert record["training"]["out_of_fold"]["coverage"]["soc"]["n"] == 160
    assert main(["score", str(files / "model"), str(files / "sites.nc")]) == 0
    assert "observations within" in capsys.readouterr().out


def test_two_step_trains_on_posteriors(files: Path) -> None:
    posterior = str(files / "posterior.nc")
    assert train(files, "--method", "two-step", "--posterior", posterior) == 0
    description = json.loads((files / "model" / "model.json").read_text())
    assert description["method"] == "two-step"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "two-step"), "give a posterior file"),
        (("--method", "end-to-end", "--preset", "published"), "give --method two-step"),
        (("--method", "two-step", "--from-profiles"), "give --method end-to-end"),
        (("--method", "two-step", "--loss", "sqrt"), "--loss is only for the end-to-end method"),
        (
            ("--method", "end-to-end", "--calibrate", "2", "--block-km", "50"),
            "--block-km is only for --by block; folds are by location",
        ),
        (("--method", "end-to-end", "--members", "0"), "network setting members"),
        (("--method", "end-to-end", "--hold", "q11"), "unknown parameter 'q11' among held"),
        (("--method", "end-to-end", "--tie", "tau_cwd"), "tau_cwd cannot be both held and tied"),
        (("--method", "end-to-end", "--unseen", "tie"), "give --posterior"),
        (("--method", "two-step", "--preset", "published", "--hold", "q10"), "every parameter"),
    ],
)
def test_wrong_options_are_explained_in_one_line(
    files: Path, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(files, *options) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not (files / "model").exists()


def test_parameters_are_held_or_tied_by_name(files: Path) -> None:
    words = ("--method", "end-to-end", "--from-profiles", "--hold", "q10", "--tie", "beta", "cryo")
    assert train(files, *words) == 0
    settings = json.loads((files / "model" / "model.json").read_text())["settings"]
    assert settings["parameters"]["held"] == ["tau_cwd", "q10"]
    assert settings["parameters"]["tied"] == ["beta", "cryo"]


def test_parameters_that_profiles_do_not_tell_are_tied(
    files: Path, posterior: xr.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = posterior["mean"].shape
    contraction, acts = np.full(shape, 0.7), np.ones(shape, dtype=np.int8)
    contraction[:, PARAMETER_NAMES.index("tau_l1")] = 0.02
    acts[:, PARAMETER_NAMES.index("tau_cwd")] = 0
    informed = posterior.assign(
        contraction=(("site", "parameter"), contraction),
        identifiable=(("site", "parameter"), acts),
        cost_mean=("site", np.ones(shape[0])),
    )
    write_dataset(informed, files / "posterior.nc", overwrite=True)
    words = ("--posterior", str(files / "posterior.nc"), "--unseen", "tie")
    assert train(files, "--method", "end-to-end", "--from-profiles", *words) == 0
    assert "profiles hardly constrain tau_l1" in capsys.readouterr().err
    settings = json.loads((files / "model" / "model.json").read_text())["settings"]
    assert settings["parameters"]["tied"] == ["tau_l1"]


def test_location_is_warned_about(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(files, "--method", "end-to-end", "--location") == 0
    assert "follow the pattern of the profiles" in capsys.readouterr().err


def test_an_existing_model_is_kept(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "model").mkdir()
    assert train(files, "--method", "end-to-end") == 2
    assert "exists already" in capsys.readouterr().err


def test_too_many_folds_are_told_before_the_training(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(files, "--method", "end-to-end", "--calibrate", "99") == 2
    assert "fewer than 99 folds" in capsys.readouterr().err
    assert not list(files.glob(".model.training*"))


def test_covariates_that_do_not_vary_are_named(
    files: Path, sites: xr.Dataset, posterior: xr.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    sites["cov_same"] = sites["cov_warmth"] * 0.0 + 3.0
    sites["cov_gone"] = sites["cov_warmth"] * np.nan
    write_dataset(sites, files / "sites.nc", overwrite=True)
    assert train(files, "--method", "two-step", "--posterior", str(files / "posterior.nc")) == 0
    error = capsys.readouterr().err
    assert "warning: cov_same has one value or none" in error
    assert "warning: cov_gone has one value or none" in error
    assert "cov_noise" not in error


def test_posteriors_of_other_sites_are_refused(
    files: Path, posterior: xr.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--method", "two-step", "--posterior", str(files / "other.nc"))
    write_dataset(posterior.isel(site=slice(0, 39)), files / "other.nc")
    assert train(files, *words) == 2
    assert "give the sites file that was assimilated" in capsys.readouterr().err
    moved = posterior.assign_coords(profile_id=posterior["profile_id"] + 1)
    write_dataset(moved, files / "other.nc", overwrite=True)
    assert train(files, *words) == 2
    assert "site 0 has profile_id 1000 but its posterior 1001" in capsys.readouterr().err
    assert not (files / "model").exists()


def test_damaged_models_and_models_of_other_versions_are_refused_by_every_command(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(files, "--method", "two-step", "--posterior", str(files / "posterior.nc")) == 0
    model, sites, out = (str(files / name) for name in ("model", "sites.nc", "out"))
    commands = (
        ["score", model, sites],
        ["predict", model, str(files / "grid.nc"), "-o", out],
        ["importance", model, sites, "-o", out],
    )
    weights = files / "model" / "member_1.pt"
    weights.write_bytes(weights.read_bytes()[:-100])
    description = files / "model" / "model.json"
    for said in ("is damaged", "format 99"):
        capsys.readouterr()
        for words in commands:
            assert main(words) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert said in line
        changed = json.loads(description.read_text()) | {"format": 99}
        description.write_text(json.dumps(changed))
    assert not (files / "out").exists()


def test_outputs_replace_neither_each_other_nor_what_is_read(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(files, "--method", "two-step", "--posterior", str(files / "posterior.nc")) == 0
    shutil.copy(files / "sites.nc", files / "forcing.nc")
    words = ["predict", str(files / "model"), str(files / "grid.nc"), "--overwrite"]
    words += ["--forcing", str(files / "forc*.nc")]
    out, read = str(files / "out.nc"), ("grid.nc", "model/model.json", "model", "forcing.nc")
    capsys.readouterr()
    for name in read:
        for option in (["-o", str(files / name)], ["-o", out, "--soil-carbon", str(files / name)]):
            assert main([*words, *option]) == 2
            assert f"{name} is read by this command" in capsys.readouterr().err
    same = str(files / "model" / ".." / "out.nc")
    assert main([*words, "-o", out, "--soil-carbon", same]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "-o and --soil-carbon both name" in line
    assert not (files / "out.nc").exists()


@pytest.fixture
def forced(files: Path, sites: xr.Dataset) -> xr.Dataset:
    """The grid with forcing in every cell; also as a file."""
    grid = xr.open_dataset(files / "grid.nc").load()
    for name, dimensions in FORCING_DIMENSIONS.items():
        values = np.moveaxis(sites[name].values[:4].astype(float), 0, -1)
        shaped = values.reshape(*values.shape[:-1], 2, 2)
        grid[name] = ((*dimensions[1:], "lat", "lon"), shaped)
    write_dataset(grid, files / "forced.nc")
    return grid


@pytest.mark.parametrize("members", [1, 2])
def test_totals_have_a_spread_only_where_there_are_several_members(
    files: Path, forced: xr.Dataset, capsys: pytest.CaptureFixture[str], members: int
) -> None:
    method = ["--method", "two-step", "--posterior", str(files / "posterior.nc")]
    assert train(files, *method, "--members", str(members)) == 0
    words = ["-o", str(files / "maps.nc"), "--soil-carbon", str(files / "soc.nc")]
    capsys.readouterr()
    assert main(["predict", str(files / "model"), str(files / "forced.nc"), *words]) == 0
    told = capsys.readouterr().out
    assert "in PgC:" in told
    assert ("over the ensemble" in told) is (members > 1)


def test_maps_are_drawn_on_request(
    files: Path, forced: xr.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = forced.stack(cell=("lat", "lon"), create_index=False)
    write_dataset(listed, files / "listed.nc")
    assert train(files, "--method", "two-step", "--posterior", str(files / "posterior.nc")) == 0
    outputs = ["-o", str(files / "maps.nc"), "--soil-carbon", str(files / "soc.nc")]
    words = [*outputs, "--figures", str(files)]
    model = str(files / "model")
    assert main(["predict", model, str(files / "listed.nc"), *words]) == 2
    assert "is not on (lat, lon)" in capsys.readouterr().err
    assert not (files / "maps.nc").exists()
    assert main(["predict", model, str(files / "forced.nc"), *words]) == 0
    assert (files / "parameters.png").stat().st_size > 10_000
    assert (files / "soil_carbon.png").stat().st_size > 10_000
