from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.schemas import open_sites

TABLE = """profile_id,lon,lat,upper,lower,orgc,bd,cf
a,280.02,40.03,0,10,25,1.2,5
a,280.02,40.03,10,30,12,1.3,10
b,281.04,40.96,0,20,-1,1.2,0
c,281.04,40.96,0,20,18,1.2,0
d,20.00,60.00,0,20,18,1.2,0
"""
COLUMNS = [
    "top=upper [cm]",
    "bottom=lower [cm]",
    "oc=orgc [g/kg]",
    "bulk_density=bd [g/cm3]",
    "coarse_fragments=cf [%]",
]


@pytest.fixture
def words(tmp_path: Path, history_file):
    (tmp_path / "layers.csv").write_text(TABLE)
    history_file("case.clm2.h0.0001.nc")
    return [
        "sites",
        "--history",
        str(tmp_path / "*.h0.*.nc"),
        "--profiles",
        str(tmp_path / "layers.csv"),
        "--columns",
        *COLUMNS,
        "-o",
        str(tmp_path / "sites.nc"),
    ]


def left_behind(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if "sites" in path.name)


def test_sites_and_exclusions_are_written(words, tmp_path, capsys):
    assert main(words) == 0
    sites = open_sites(tmp_path / "sites.nc")
    assert list(sites["profile_id"].values) == ["a", "c"]
    exclusions = pd.read_csv(tmp_path / "sites_exclusions.csv").set_index("profile_id")
    assert exclusions["reason"].to_dict() == {"b": "no usable layer", "d": "no land cell near"}
    assert exclusions["detail"]["b"] == "carbon_not_positive"
    said = capsys.readouterr().out
    assert "2 sites of 4 profiles" in said
    assert "left out, no usable layer: 1" in said
    assert sites.attrs["input_profiles"].startswith("layers.csv sha256:")


def test_existing_output_is_kept(words, tmp_path, capsys):
    (tmp_path / "sites.nc").write_text("mine")
    assert main(words) == 2
    assert (tmp_path / "sites.nc").read_text() == "mine"
    assert "exists already" in capsys.readouterr().err
    assert left_behind(tmp_path) == ["sites.nc"]


def test_existing_table_of_exclusions_is_kept(words, tmp_path, capsys):
    (tmp_path / "sites_exclusions.csv").write_text("mine")
    assert main(words) == 2
    assert left_behind(tmp_path) == ["sites_exclusions.csv"]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("oc=carbon [g/kg]", "lacks the columns carbon"),
        ("oc=orgc [gC/m2]", "is in 'gC/m2'"),
        ("oc", "must read quantity='column [unit]'"),
        ("carbon=orgc [g/kg]", "unknown quantity carbon"),
    ],
)
def test_bad_column_map_leaves_nothing_behind(words, tmp_path, capsys, column, said):
    words[words.index("oc=orgc [g/kg]")] = column
    assert main(words) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1
    assert left_behind(tmp_path) == []


def test_history_without_a_field_leaves_nothing_behind(words, tmp_path, capsys, history_file):
    history_file("case.clm2.h0.0001.nc", edit=lambda dataset: dataset.drop_vars("W_SCALAR"))
    assert main(words) == 2
    assert "lacks W_SCALAR" in capsys.readouterr().err
    assert left_behind(tmp_path) == []


def counted_from_180_west(dataset):
    return dataset.assign_coords(lon=("lon", dataset["lon"].values - 360.0, dataset["lon"].attrs))


def from_north_to_south(dataset):
    return dataset.isel(lat=slice(None, None, -1))


@pytest.mark.parametrize("edit", [counted_from_180_west, from_north_to_south])
def test_however_the_history_is_written_the_sites_are_the_same(words, tmp_path, history_file, edit):
    assert main(words) == 0
    history_file("case.clm2.h0.0001.nc", edit=edit)
    assert main([*words, "--overwrite", "-o", str(tmp_path / "again_sites.nc")]) == 0
    plain, other = (open_sites(tmp_path / name) for name in ("sites.nc", "again_sites.nc"))
    assert (plain["cell_distance"] < 6.0).all()
    np.testing.assert_allclose(other["cell_lon"] % 360.0, plain["cell_lon"], rtol=1e-12)
    names = ["cell_lat", "cell_distance", "TSOI", "LITR1_INPUT", "soc", "profile_id"]
    xr.testing.assert_allclose(plain[names].drop_attrs(), other[names].drop_attrs())


def test_history_may_cross_the_date_line(words, tmp_path, history_file):
    def move_to_chukotka(dataset):
        lon = ("lon", [179.0, 180.0, -179.0], dataset["lon"].attrs)
        return dataset.assign_coords(lon=lon, lat=dataset["lat"] + 27.0)

    history_file("case.clm2.h0.0001.nc", edit=move_to_chukotka)
    table = TABLE.replace("280.02,40.03", "-179.41,67.03").replace("281.04,40.96", "179.04,67.96")
    (tmp_path / "layers.csv").write_text(table)
    assert main(words) == 0
    assert open_sites(tmp_path / "sites.nc")["cell_lon"].values.tolist() == [-179.0, 179.0]


def test_profiles_in_the_sea_are_counted_and_listed(words, tmp_path, capsys):
    (tmp_path / "layers.csv").write_text(TABLE.replace("c,281.04,40.96", "c,-70.04,40.06"))
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "left out, no usable layer: 2" in said
    assert "of these with carbon_not_positive: 1" in said
    assert "of these with in_sea: 1" in said
    exclusions = pd.read_csv(tmp_path / "sites_exclusions.csv").set_index("profile_id")
    assert exclusions["detail"]["c"] == "in_sea"


def test_stocks_in_place_of_densities_are_one_line(words, tmp_path, capsys):
    words[words.index("oc=orgc [g/kg]")] = "soc=orgc [g/m2]"
    assert main(words) == 2
    message = capsys.readouterr().err
    assert "A stock must be divided by the thickness of its layer first" in message
    assert message.count("\n") == 1
    assert left_behind(tmp_path) == []
