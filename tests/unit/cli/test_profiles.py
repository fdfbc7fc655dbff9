from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ctsm_socnn.cli.main import main
from ctsm_socnn.observations import read_profiles
from ctsm_socnn.observations.quality import REASONS, reason
from ctsm_socnn.schemas import open_file

FAULTS = """profile_id,lon,lat,top [cm],bottom [cm],oc [g/kg],bulk_density [g/cm3],\
coarse_fragments [%],coarse_fragments_weight [%],oc_basis,bd_basis,flag,litter,wetland,date
good,280.02,40.03,0,10,25,1.2,5,,lab,core,,,,1998
no_carbon_value,280.02,40.13,0,10,,1.2,5,,,,,,,
no_depth,280.02,40.23,0,,25,1.2,5,,,,,,,
carbon_not_positive,280.02,40.33,0,10,0,1.2,5,,,,,,,
carbon_above_60_percent,280.02,40.43,0,10,610,0.1,5,,,,,,,
soc_above_250_kg,280.02,40.53,0,10,300,1.2,5,,,,,,,
no_bulk_density,280.02,40.63,0,10,25,,5,,,,,,,
bulk_density_implausible,280.02,40.73,0,10,25,2.7,5,,,,,,,
fragments_implausible,280.02,40.83,0,10,25,1.2,100,,,,,,,
layer_upside_down,280.02,40.93,10,0,25,1.2,5,,,,,,,
layer_overlaps,280.02,41.03,0,10,25,1.2,5,,,,,,,
layer_overlaps,280.02,41.03,8,20,25,1.2,5,,,,,,,
above_surface,280.02,41.13,-5,0,25,1.2,5,,,,,,,
above_surface,280.02,41.13,0,5,25,1.2,5,,,,,true,,
rejected_at_source,280.02,41.23,0,10,25,1.2,5,,,,suspect,,,
duplicate_profile,-79.98,40.03,0,10,25.001,1.2,5,,,,,,,1998
bad_coordinates,,40.03,0,10,25,1.2,5,,,,,,,
in_sea,-60.02,40.03,0,10,25,1.2,5,,,,,,,
depth_implausible,280.02,42.03,0,2001,25,1.2,5,,,,,,,
gap_above,280.02,41.33,0,10,25,1.2,5,,,,,,,
gap_above,280.02,41.33,15,20,25,1.2,5,,,,,,,
no_fragments,280.02,41.43,0,10,25,1.2,,,,,,,,
fragments_by_weight,280.02,41.53,0,10,25,1.2,,20,,,,,,
carbon_indirect,280.02,41.63,0,10,25,1.2,5,,predicted by MIR,,,,,
bulk_density_indirect,280.02,41.73,0,10,25,1.2,5,,,modelled,,,,
coarse_coordinates,280.3,41.8,0,10,25,1.2,5,,,,,,,
organic_soil,280.02,41.83,0,10,130,0.4,5,,,,,,,
wetland,280.02,41.93,0,10,25,1.2,5,,,,,,yes,
"""
"""Profiles named after what ails them."""

TABLE = """profile_id,lon,lat,top [cm],bottom [cm],oc [g/kg],bulk_density [g/cm3],source
a,280.02,40.03,0,10,25,1.2,lab
a,280.02,40.03,10,30,12,,lab
b,281.04,40.96,0,20,-1,1.2,field
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "layers.csv"
    path.write_text(TABLE)
    return path


def test_inspection_counts_by_reason_and_source(table, capsys):
    assert main(["profiles", "inspect", str(table)]) == 0
    said = capsys.readouterr().out
    assert "2 profiles, 3 layers; usable are 1 layers in 1 profiles" in said
    rows = [line.split() for line in said.splitlines()]
    assert ["field", "1", "1", "0"] in rows
    assert ["lab", "1", "2", "1"] in rows
    assert any(row[:4] == ["carbon_not_positive", "excluded", "1", "1"] for row in rows)
    assert any(row[:4] == ["no_bulk_density", "excluded", "1", "1"] for row in rows)


def test_inspection_counts_every_fault_by_its_name(tmp_path, capsys):
    (tmp_path / "faults.csv").write_text(FAULTS)
    assert main(["profiles", "inspect", str(tmp_path / "faults.csv"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["profiles"], told["layers"]) == (25, 28)
    assert {row["reason"]: row["profiles"] for row in told["reasons"]} == {
        item.name: 3 if item.name == "organic_soil" else 1 for item in REASONS
    }


def test_every_faulty_layer_stays_in_the_converted_file(tmp_path):
    (tmp_path / "faults.csv").write_text(FAULTS)
    output = tmp_path / "faults.nc"
    assert main(["profiles", "convert", str(tmp_path / "faults.csv"), "-o", str(output)]) == 0
    profiles = open_file(output)
    names = np.repeat(profiles["profile_id"].values, profiles["row_size"].values)
    last_of = dict(zip(names.tolist(), profiles["flag"].values.tolist(), strict=True))
    assert all(last_of[item.name] & item.bit for item in REASONS)
    assert last_of["good"] == 0


def test_predicted_bulk_density_makes_a_layer_usable(table, capsys):
    words = ["profiles", "inspect", str(table), "--bulk-density-from", "alexander-1980"]
    assert main(words) == 0
    assert "usable are 2 layers in 1 profiles" in capsys.readouterr().out


def test_figures_are_drawn_and_not_replaced(table, tmp_path, capsys):
    words = ["profiles", "inspect", str(table), "--figures", str(tmp_path / "new" / "figures")]
    assert main(words) == 0
    drawn = sorted((tmp_path / "new" / "figures").iterdir())
    assert [path.name for path in drawn] == ["depth_profiles.png", "map.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.filterwarnings("error")
def test_profiles_without_a_usable_layer_are_drawn_too(tmp_path):
    table = tmp_path / "bad.csv"
    table.write_text("profile_id,lon,lat,depth [m],soc [gC/m3]\na,280.52,40.26,0.1,-1\n")
    assert main(["profiles", "inspect", str(table), "--figures", str(tmp_path)]) == 0
    assert (tmp_path / "map.png").exists()


def test_profiles_are_splined_on_request(table, tmp_path, capsys):
    output = tmp_path / "profiles.nc"
    words = [str(table), "--spline-depths", "0", "0.05", "0.1", "-o", str(output)]
    assert main(["profiles", "convert", *words, "--bulk-density-from", "alexander-1980"]) == 0
    splined = open_file(output)
    before = read_profiles(table, bulk_density_from="alexander-1980")
    kept = splined["soc"].values[:2].mean()
    assert kept == pytest.approx(before["soc"].values[0], rel=1e-9)
    assert splined["soc"].values[0] > splined["soc"].values[1]
    assert splined.attrs["spline_smoothing"] == 0.0
    assert main(["profiles", "inspect", *words[:3]]) == 2
    assert "--spline-depths is for convert" in capsys.readouterr().err


def test_depths_to_spline_to_that_nothing_covers_are_refused(table, tmp_path, capsys):
    words = ["profiles", "convert", str(table), "--spline-depths", "0", "30", "100"]
    assert main([*words, "-o", str(tmp_path / "profiles.nc")]) == 2
    assert "--spline-depths 0 30 100: usable layers cover none" in capsys.readouterr().err
    assert not (tmp_path / "profiles.nc").exists()


@pytest.mark.parametrize(
    ("action", "words", "message"),
    [
        ("inspect", ["-o", "profiles.nc"], "--output is for convert and merge, not for inspect"),
        ("convert", ["-o", "a.nc", "--figures", "f"], "--figures is for inspect, not for convert"),
        ("merge", ["-o", "a.nc", "--columns", "top=a [m]"], "--columns is for inspect and convert"),
    ],
)
def test_options_that_an_action_does_not_read_are_refused(table, action, words, message, capsys):
    assert main(["profiles", action, str(table), *words]) == 2
    assert message in capsys.readouterr().err


def test_converted_profiles_read_back_alike(table, tmp_path):
    output = tmp_path / "profiles.nc"
    assert main(["profiles", "convert", str(table), "-o", str(output)]) == 0
    before, after = read_profiles(table), read_profiles(output, "tidy")
    assert before.sizes == after.sizes
    for name in ("profile_id", "source", "flag", "row_size", "soc", "top"):
        np.testing.assert_array_equal(before[name].values, after[name].values)
    stored = open_file(output)
    assert stored.attrs["featureType"] == "profile"
    assert stored["row_size"].attrs["sample_dimension"] == "sample"
    assert "layer_overlaps" in stored["flag"].attrs["flag_meanings"]


def test_conversion_needs_an_output(table, capsys):
    assert main(["profiles", "convert", str(table)]) == 2
    assert "needs -o" in capsys.readouterr().err


def test_merging_flags_what_an_earlier_file_holds(table, tmp_path, capsys):
    other = tmp_path / "other.csv"
    rounded = TABLE.replace("280.02", "-79.98").replace(",25,1.2", ",25.001,1.2")
    rounded = rounded.replace(",source", "").replace(",lab", "").replace(",field", "")
    other.write_text(rounded.replace("b,281.04", "z,281.94"))
    files = [str(tmp_path / name) for name in ("one.nc", "two.nc")]
    for source, target in zip((table, other), files, strict=True):
        words = ["--bulk-density-from", "alexander-1980", "-o", target]
        assert main(["profiles", "convert", str(source), *words]) == 0
    capsys.readouterr()
    assert main(["profiles", "merge", *files, "-o", str(tmp_path / "all.nc")]) == 0
    assert "4 profiles, 6 layers; usable are 2 layers" in capsys.readouterr().out
    merged = open_file(tmp_path / "all.nc")
    assert list(merged["profile_id"].values) == ["a@one", "b", "a@two", "z"]
    assert list(merged["source"].values) == ["lab", "field", "", ""]
    duplicate = reason("duplicate_profile").bit
    np.testing.assert_array_equal(
        (merged["flag"].values & duplicate) > 0, [False, False, False, True, True, False]
    )


def test_layers_and_depths_do_not_mix(table, tmp_path, capsys):
    (tmp_path / "d.csv").write_text(
        "profile_id,lon,lat,depth [m],soc [gC/m3]\nq,280.5,40.5,0.1,9e3\n"
    )
    files = [str(tmp_path / name) for name in ("one.nc", "two.nc")]
    for source, target in zip((table, tmp_path / "d.csv"), files, strict=True):
        assert main(["profiles", "convert", str(source), "-o", target]) == 0
    assert main(["profiles", "merge", *files, "-o", str(tmp_path / "all.nc")]) == 2
    assert "cannot be merged" in capsys.readouterr().err


def test_only_merging_takes_several_files(table, capsys):
    assert main(["profiles", "inspect", str(table), str(table)]) == 2
    assert "inspect takes one file" in capsys.readouterr().err


def test_other_netcdf_is_no_tidy_file(history_file, capsys):
    assert main(["profiles", "inspect", str(history_file()), "--format", "tidy"]) == 2
    assert "is not a file of tidy profiles" in capsys.readouterr().err
