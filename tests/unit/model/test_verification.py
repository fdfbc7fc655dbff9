from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.errors import ValidationError
from ctsm_socnn.model.verification import verify_file
from ctsm_socnn.model.verification.block import Block, profile_error, relative_error


@pytest.fixture(scope="module")
def golden_file(shared_data: Path) -> Path:
    return shared_data / "golden" / "golden_proda_public.nc"


@pytest.fixture(scope="module")
def spoiled_file(golden_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dataset = xr.load_dataset(golden_file)
    dataset["reference_soc"][7, 2] *= 1.0 + 1e-8
    path = tmp_path_factory.mktemp("spoiled") / "spoiled.nc"
    dataset.to_netcdf(path)
    return path


def test_kernel_agrees_with_the_published_model(golden_file: Path) -> None:
    _, blocks = verify_file(golden_file)
    assert {block.name for block in blocks} >= {"soc", "pools", "k_diag", "v_diag", "input"}
    assert [block.name for block in blocks if not block.passed] == []
    limits = {block.name: block.limit for block in blocks}
    assert limits["soc"] == limits["pools"] == 1e-10
    assert limits["k_diag"] == limits["v_lower"] == 1e-12


def test_every_case_is_compared(spoiled_file: Path) -> None:
    _, blocks = verify_file(spoiled_file)
    assert [block.name for block in blocks if not block.passed] == ["soc"]


def test_command_prints_a_line_a_block(
    golden_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(golden_file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "published model" in lines[0]
    assert any(line.split()[0] == "soc" and line.endswith("ok") for line in lines)


def test_command_fails_beyond_the_limit(
    golden_file: Path, spoiled_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--json", str(golden_file), str(spoiled_file)]) == 1
    good, spoiled = json.loads(capsys.readouterr().out)
    assert good["passed"]
    assert not spoiled["passed"]
    assert spoiled["file"] == str(spoiled_file)


def test_unknown_form_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.nc"
    xr.Dataset({"x": ("a", np.zeros(3))}).to_netcdf(path)
    with pytest.raises(ValidationError, match=r"other\.nc is of no form .*published model"):
        verify_file(path)
    assert main(["verify", str(path)]) == 2
    assert "is of no form" in capsys.readouterr().err


def test_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "absent.nc")]) == 2
    assert "absent.nc does not exist" in capsys.readouterr().err


def test_value_that_is_not_finite_fails() -> None:
    assert not Block("x", float("nan"), 1.0).passed
    assert not Block("x", float("inf"), 1.0).passed
    assert Block("x", 0.5, 0.5).passed
    reference = np.ones((2, 3))
    values = reference.copy()
    values[1, 2] = np.nan
    assert np.isnan(profile_error(values, reference))


def test_errors_are_shares_of_the_profile_or_of_the_value() -> None:
    reference = np.array([[100.0, 1.0], [1e-3, 1e-20]])
    values = np.array([[100.0, 1.1], [1e-3, 0.0]])
    assert profile_error(values, reference) == pytest.approx(1e-3)
    assert relative_error(values, reference) == pytest.approx(0.1)
    assert profile_error(np.zeros((1, 2)), np.zeros((1, 2))) == 0.0
    assert profile_error(np.ones((1, 2)), np.zeros((1, 2))) == np.inf


def test_infinite_error_is_null_in_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = [Block("soil carbon", float("inf"), 1e-9)]
    form = SimpleNamespace(name="made up")
    monkeypatch.setattr("ctsm_socnn.cli.verify.verify_file", lambda *_: (form, blocks))
    assert main(["verify", "--json", "made_up.nc"]) == 1
    (found,) = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["blocks"] == [
        {"name": "soil carbon", "error": None, "limit": 1e-9, "passed": False}
    ]
