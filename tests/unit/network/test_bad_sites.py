"""Sites that are not what a model was trained on, as the user of `score` and `train` sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.network import NetworkSettings, default_settings, save_model, train, training

Spoil = Callable[[xr.Dataset], xr.Dataset]


def lack_a_covariate(sites: xr.Dataset) -> xr.Dataset:
    return sites.drop_vars("cov_noise")


def lack_all_forcing(sites: xr.Dataset) -> xr.Dataset:
    return sites.assign(TSOI=sites["TSOI"] * np.nan)


def hold_a_constant(sites: xr.Dataset) -> xr.Dataset:
    return sites.assign(cov_noise=sites["cov_noise"] * 0.0 + 0.5)


def hold_gaps(sites: xr.Dataset) -> xr.Dataset:
    return sites.assign(cov_noise=sites["cov_noise"].where(np.arange(40) > 1))


def hold_infinities(sites: xr.Dataset) -> xr.Dataset:
    return sites.assign(cov_noise=sites["cov_noise"].where(np.arange(40) > 1, np.inf))


def use_another_unit(sites: xr.Dataset) -> xr.Dataset:
    return sites.assign(cov_warmth=(sites["cov_warmth"] + 273.15).assign_attrs(units="1"))


def hold_new_classes(sites: xr.Dataset) -> xr.Dataset:
    return sites.assign(cov_Land_Cover=sites["cov_Land_Cover"].where(np.arange(40) > 2, 77.0))


@pytest.fixture
def model(sites: xr.Dataset, posterior: xr.Dataset, tmp_path: Path) -> str:
    settings = NetworkSettings(members=1, epochs=2, inputs={"forcing_summaries": False})
    save_model(train(sites, "two-step", settings, 0, posterior=posterior), tmp_path / "model")
    return str(tmp_path / "model")


@pytest.mark.parametrize(
    ("spoil", "status", "said"),
    [
        (lack_a_covariate, 2, "lacks 1 of the model's inputs: cov_noise"),
        (lack_all_forcing, 2, "forcing"),
        (hold_a_constant, 0, "cov_noise is 0.5 at all 40 places, but varied in training"),
        (hold_gaps, 0, "cov_noise 2"),
        (hold_infinities, 0, "cov_noise 2"),
        (use_another_unit, 0, "is it in the same unit (1)?"),
        (hold_new_classes, 0, "never or rarely seen in training"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_sites_of_another_kind_are_refused_or_counted(
    model: str,
    sites: xr.Dataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Spoil,
    status: int,
    said: str,
) -> None:
    write_dataset(spoil(sites), tmp_path / "other.nc")
    capsys.readouterr()
    assert main(["score", model, str(tmp_path / "other.nc")]) == status
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line


@pytest.mark.parametrize("gap", [np.inf, -np.inf])
@pytest.mark.parametrize("name", ["cov_warmth", "cov_Land_Cover"])
def test_infinity_at_a_training_site_is_a_gap(sites: xr.Dataset, name: str, gap: float) -> None:
    def predicted(value: float) -> np.ndarray:
        spoilt = sites.assign({name: sites[name].where(np.arange(40) != 3, value)})
        settings = default_settings("end-to-end").with_changes(members=1, epochs=1)
        return train(spoilt, "end-to-end", settings, 0).predict_sites(sites)

    np.testing.assert_array_equal(predicted(gap), predicted(np.nan))


def test_a_site_that_is_left_out_leaves_no_trace(sites: xr.Dataset) -> None:
    def predicted(warmth: float) -> np.ndarray:
        third = np.arange(40) == 3
        spoilt = sites.assign(
            cov_warmth=sites["cov_warmth"].where(~third, warmth),
            TSOI=sites["TSOI"].where(xr.DataArray(~third, dims="site")),
        )
        model = train(spoilt, "end-to-end", NetworkSettings(members=1, epochs=1), 0)
        assert model.training["excluded"] == {"forcing missing": 1}
        return model.predict_sites(sites)

    np.testing.assert_array_equal(predicted(0.0), predicted(50.0))


@pytest.mark.parametrize("command", ["train", "evaluate", "importance"])
def test_fewer_sites_than_folds_are_told_before_any_training(
    model: str, sites: xr.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    file, out = str(tmp_path / "sites.nc"), ["-o", str(tmp_path / "out")]
    write_dataset(sites, Path(file))
    words = {
        "train": [file, "--method", "end-to-end", "--calibrate", "99"],
        "evaluate": [file, "--folds", "99"],
        "importance": [model, file, "--folds", "99"],
    }
    assert main([command, *words[command], *out]) == 2
    assert "fewer than 99 folds; ask for fewer folds" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["1"], "folds: 1 asked for"),
        (["0"], "folds: 0 asked for"),
        (["-1"], "folds: -1 asked for"),
        (["1", "--by", "region"], "folds: 1 asked for"),
        (["2", "--by", "block", "--block-km", "0"], "blocks of 0 km"),
        (["2", "--by", "block", "--block-km", "nan"], "blocks of nan km"),
        (["41", "--by", "region"], "40 locations cannot be divided into 41 regions"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_folds_that_make_no_sense_are_told_before_any_training(
    sites: xr.Dataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    words: list[str],
    said: str,
) -> None:
    def trained(*_: object) -> None:
        pytest.fail("an epoch was trained")

    monkeypatch.setattr(training._Run, "one_epoch", trained)
    write_dataset(sites, tmp_path / "sites.nc")
    asked = {"train": ["--method", "end-to-end", "--calibrate"], "evaluate": ["--folds"]}
    line = [command, str(tmp_path / "sites.nc"), "-o", str(tmp_path / "out"), *asked[command]]
    assert main([*line, *words]) == 2
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert said in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda sites: sites.isel(site=[0]),
            "1 of 1 sites can be trained on; a network needs at least two",
        ),
        (lack_all_forcing, "0 of 40 sites can be trained on (40 forcing missing)"),
        (lambda s: s.assign(soc=s["soc"] * np.nan), "40 no usable observation"),
    ],
    ids=["one site", "no forcing", "no carbon"],
)
def test_too_few_sites_to_train_on_are_counted_by_reason(
    sites: xr.Dataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Spoil,
    said: str,
) -> None:
    write_dataset(spoil(sites), tmp_path / "sites.nc")
    words = [str(tmp_path / "sites.nc"), "-o", str(tmp_path / "model")]
    assert main(["train", *words, "--method", "end-to-end"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line
    assert not (tmp_path / "model").exists()
