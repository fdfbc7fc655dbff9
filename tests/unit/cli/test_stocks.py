import json
from pathlib import Path

import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.demo import make_twin_world


@pytest.fixture(scope="module")
def run_words(tmp_path_factory) -> list[str]:
    directory = tmp_path_factory.mktemp("twin")
    make_twin_world(directory, seed=3, n_profiles=5)
    return ["--run", f"clm={directory}/history/*.nc"]


def test_totals_stand_beside_published_ones(run_words, capsys):
    assert main(["stocks", *run_words]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1].startswith("clm")
    assert "Köchy et al. 2015" in out
    assert main(["stocks", *run_words, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["totals"]["clm"]
    assert [row["stock"] for row in rows] == ["0-0.3 m", "0-1 m", "0-2 m", "column"]
    assert rows[0]["total"] < rows[1]["total"]


def test_ilamb_files_and_configuration_are_written(run_words, tmp_path, capsys):
    out = tmp_path / "ilamb"
    assert main(["ilamb", *run_words, "-o", str(out)]) == 0
    printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert {path.name for path in printed} == {
        "cSoil_clm.nc",
        "cSoilAbove1m_clm.nc",
        "areacella_clm.nc",
        "sftlf_clm.nc",
        "ilamb.cfg",
    }
    with xr.open_dataset(out / "MODELS" / "clm" / "cSoil_clm.nc") as dataset:
        assert "ctsm-socnn" in dataset.attrs["source"]
    assert main(["ilamb", *run_words, "-o", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["ilamb", *run_words, "-o", str(out), "--overwrite"]) == 0


def test_nothing_is_written_for_ilamb_unless_all_runs_can_be_read(run_words, tmp_path, capsys):
    damaged = tmp_path / "damaged.nc"
    damaged.write_text("no history")
    out = tmp_path / "ilamb"
    assert main(["ilamb", *run_words, "--run", f"b={damaged}", "-o", str(out)]) == 2
    assert "damaged.nc" in capsys.readouterr().err
    assert not out.exists()


def test_nothing_is_written_for_ilamb_when_a_file_is_in_the_way(run_words, tmp_path, capsys):
    out = tmp_path / "ilamb"
    out.mkdir()
    (out / "ilamb.cfg").write_text("mine")
    assert main(["ilamb", *run_words, "-o", str(out)]) == 2
    printed = capsys.readouterr()
    assert "ilamb.cfg exists already" in printed.err
    assert printed.out == ""
    assert [path.name for path in out.iterdir()] == ["ilamb.cfg"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stocks"], "nothing to add up"),
        (["stocks", "--map", "a=absent.nc"], "absent.nc does not exist"),
        (["stocks", "--run", "history.nc"], "must read NAME=PATTERN"),
        (["ilamb", "--run", "a=absent*.nc", "-o", "x"], "no file matches"),
        (["ilamb", "--run", f"a/b={__file__}", "-o", "x"], "the name becomes that of a directory"),
    ],
)
def test_wrong_words_are_one_line_and_status_2(words, message, capsys):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
