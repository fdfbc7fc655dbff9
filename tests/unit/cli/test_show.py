import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.provenance import checksum, provenance_attributes

CONFIGURATION = "seed = 5\n\n[grid]\ntarget = 'f09'\n"


@pytest.fixture
def made(tmp_path) -> Path:
    source = tmp_path / "input.csv"
    source.write_text("1,2\n")
    attributes = provenance_attributes(
        seed=5,
        inputs={"profiles": source},
        configuration=CONFIGURATION,
        previous_history="2020-01-01T00:00:00Z: earlier",
    )
    dataset = xr.Dataset({"q10": (("lat", "lon"), np.ones((2, 3)))}, attrs=attributes)
    write_dataset(dataset, tmp_path / "maps.nc")
    return tmp_path / "maps.nc"


def test_show_prints_command_seed_inputs_and_shape(made, capsys):
    assert main(["show", str(made)]) == 0
    out = capsys.readouterr().out
    assert "seed: 5" in out
    assert f"input_profiles: input.csv sha256:{checksum(made.parent / 'input.csv')}" in out
    assert "\n  2020-01-01T00:00:00Z: earlier" in out
    assert "configuration: 4 lines" in out
    assert "dimensions: lat 2, lon 3" in out
    assert "  q10(lat, lon)" in out


def test_the_configuration_comes_back_as_it_was_given(made, capsys):
    assert main(["show", str(made), "--configuration"]) == 0
    assert capsys.readouterr().out == CONFIGURATION


def test_json_can_be_read_back(made, capsys):
    assert main(["show", str(made), "--json"]) == 0
    header = json.loads(capsys.readouterr().out)
    assert header["attributes"]["seed"] == "5"
    assert header["dimensions"] == {"lat": 2, "lon": 3}
    assert header["variables"]["q10"] == ["lat", "lon"]


def test_numbers_among_the_attributes_are_json_too(tmp_path, capsys):
    path = tmp_path / "foreign.nc"
    xr.Dataset(attrs={"limits": np.array([1.0, 2.0])}).to_netcdf(path)
    assert main(["show", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["attributes"]["limits"] == [1.0, 2.0]


@pytest.mark.parametrize("words", [["absent.nc"], ["bad.nc"], ["plain.nc", "--configuration"]])
def test_what_cannot_be_shown_is_one_line_and_status_2(words, tmp_path, capsys):
    (tmp_path / "bad.nc").write_bytes(b"CDF\x01 cut short")
    xr.Dataset().to_netcdf(tmp_path / "plain.nc")
    assert main(["show", str(tmp_path / words[0]), *words[1:]]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("model.json", '{"method": "two-step"}', '"method": "two-step"'),
        ("README", "A usermods directory\n", "A usermods directory"),
        ("stages.json", '{"sites": {"state": "done"}}', '"state": "done"'),
    ],
)
def test_directories_show_what_they_say_of_themselves(tmp_path, capsys, name, text, shown):
    (tmp_path / name).write_text(text)
    assert main(["show", str(tmp_path)]) == 0
    assert shown in capsys.readouterr().out
    assert main(["show", str(tmp_path), "--json"]) == 0
    json.loads(capsys.readouterr().out)


def test_json_files_are_shown_and_damaged_ones_refused(tmp_path, capsys):
    path = tmp_path / "scores.json"
    path.write_text('{"nse": 0.5}')
    assert main(["show", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"nse": 0.5}
    path.write_text('{"nse": 0.')
    assert main(["show", str(path)]) == 2
    assert "scores.json cannot be read" in capsys.readouterr().err


def test_a_directory_of_something_else_is_refused(tmp_path, capsys):
    assert main(["show", str(tmp_path)]) == 2
    assert (
        "holds neither results of build-params nor usermods nor a model" in capsys.readouterr().err
    )
