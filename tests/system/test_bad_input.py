"""What users get wrong, as they see it: one line, exit status 2, nothing half-written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest

from ctsm_socnn.cli.main import main
from ctsm_socnn.demo import make_twin_world

Spoil = Callable[[Path], None]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("world")
    make_twin_world(directory, seed=1, n_profiles=30)
    return directory


@pytest.fixture
def copy(world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world, tmp_path / "copy"))


def build(copy: Path, *words: str) -> int:
    return main(
        ["build-params", str(copy / "twin.toml"), "-o", str(copy / "out"), "--workers", "1", *words]
    )


def history(copy: Path) -> list[Path]:
    return sorted((copy / "history").glob("*.nc"))


def drop_variable(copy: Path) -> None:
    for path in history(copy):
        with netCDF4.Dataset(path, "r+") as dataset:
            dataset.renameVariable("W_SCALAR", "X_SCALAR")


def celsius(copy: Path) -> None:
    for path in history(copy):
        with netCDF4.Dataset(path, "r+") as dataset:
            dataset["TSOI"].units = "degC"


def kilograms(copy: Path) -> None:
    for path in history(copy):
        with netCDF4.Dataset(path, "r+") as dataset:
            name = next(n for n in dataset.variables if "HR_vr" in n)
            dataset[name].units = "kgC/m^3/s"


def same_month_twice(copy: Path) -> None:
    first = history(copy)[0]
    shutil.copy(first, first.with_name(first.name.replace(".clm2.h0a.", ".clm2.h0a.9")))


def one_month_missing(copy: Path) -> None:
    history(copy)[0].unlink()
    path = history(copy)[0]
    with netCDF4.Dataset(path, "r+") as dataset:
        dataset["time_bounds"][:] = dataset["time_bounds"][:] * 12.0
        dataset["time"][:] = dataset["time"][:] * 12.0


def profiles_elsewhere(copy: Path) -> None:
    table = pd.read_csv(copy / "profiles.csv")
    table["lat [degrees]" if "lat [degrees]" in table else "lat"] = -60.0
    table.to_csv(copy / "profiles.csv", index=False)


def negative_carbon(copy: Path) -> None:
    table = pd.read_csv(copy / "profiles.csv")
    table["oc_g_per_kg"] = -1.0
    table.to_csv(copy / "profiles.csv", index=False)


def no_covariate(copy: Path) -> None:
    with netCDF4.Dataset(copy / "covariates.nc", "r+") as dataset:
        dataset["cov_ph"][:] = np.nan


def unknown_version(copy: Path) -> None:
    text = (copy / "twin.toml").read_text().replace('"ctsm5.4"', '"ctsm9.9"')
    (copy / "twin.toml").write_text(text)


def unknown_key(copy: Path) -> None:
    (copy / "twin.toml").write_text((copy / "twin.toml").read_text() + "\n[networks]\nmembers=1\n")


def missing_profiles(copy: Path) -> None:
    (copy / "profiles.csv").unlink()


def corrupt_history(copy: Path) -> None:
    path = history(copy)[0]
    path.write_bytes(path.read_bytes()[:2000])


def cut_second_history(copy: Path) -> None:
    path = history(copy)[1]
    path.write_bytes(path.read_bytes()[:-40])


def mixed_calendars(copy: Path) -> None:
    with netCDF4.Dataset(history(copy)[1], "r+") as dataset:
        dataset["time"].calendar = "gregorian"


def other_grid(copy: Path) -> None:
    with netCDF4.Dataset(history(copy)[1], "r+") as dataset:
        dataset["lat"][:] = dataset["lat"][:] + 0.5


def other_component(copy: Path) -> None:
    for path in history(copy):
        with netCDF4.Dataset(path, "r+") as dataset:
            for name in ("levgrnd", "levsoi", "levdcmp"):
                dataset.renameDimension(name, f"ocean_{name}")


def inverted_mask(copy: Path) -> None:
    for path in history(copy):
        with netCDF4.Dataset(path, "r+") as dataset:
            dataset["landmask"][:] = 1 - dataset["landmask"][:]


def stocks_for_densities(copy: Path) -> None:
    text = (copy / "twin.toml").read_text()
    (copy / "twin.toml").write_text(
        text.replace('oc = "oc_g_per_kg [g/kg]"', 'soc = "oc_g_per_kg [g/m2]"')
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (drop_variable, ["W_SCALAR", "usermods"]),
        (celsius, ["TSOI", "degC", "K"]),
        (kilograms, ["kgC"]),
        (same_month_twice, ["2001"]),
        (one_month_missing, ["month"]),
        (profiles_elsewhere, ["-60"]),
        (negative_carbon, ["no usable layer"]),
        (no_covariate, ["covariate"]),
        (unknown_version, ["ctsm9.9", "ctsm5.4"]),
        (unknown_key, ["networks", "did you mean network"]),
        (missing_profiles, ["profiles.csv", "does not exist"]),
        (corrupt_history, ["cannot be read"]),
        (cut_second_history, ["2002", "ends 40 bytes before"]),
        (mixed_calendars, ["different calendars", "noleap in ", "standard in "]),
        (other_grid, ["2002", "another grid"]),
        (other_component, ["of another component"]),
        (inverted_mask, ["landmask"]),
        (stocks_for_densities, ["g/m2", "divided by the thickness"]),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_one_line_says_what_is_wrong(
    copy: Path, capsys: pytest.CaptureFixture[str], spoil: Spoil, said: list[str]
) -> None:
    spoil(copy)
    assert build(copy) == 2
    lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith("ctsm-socnn ")]
    assert len(lines) == 1
    assert all(word in lines[0] for word in said), lines[0]
    assert not list((copy / "out").glob(".*.nc"))
    assert not (copy / "out" / "usermods").exists()


def test_output_of_something_else_is_left_alone(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "out").mkdir()
    (copy / "out" / "sites.nc").write_text("precious")
    assert build(copy) == 2
    assert "not from this run" in capsys.readouterr().err
    assert (copy / "out" / "sites.nc").read_text() == "precious"


def test_output_that_cannot_be_made_is_named(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "out").write_text("a file, not a directory")
    assert build(copy) == 2
    assert "out cannot be made" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["my results", "it's", "a$b", 'say "so"', "semi;colon", "new\nline"]
)
def test_an_output_that_a_case_could_not_name_is_refused_before_anything_is_done(
    copy: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    output = copy / name
    assert main(["build-params", str(copy / "twin.toml"), "-o", str(output), "--workers", "1"]) == 2
    assert "CIME's namelists do not carry safely" in capsys.readouterr().err
    assert not output.exists()
