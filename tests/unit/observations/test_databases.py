"""Each database, in the smallest form that its own tables allow."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctsm_socnn.errors import ConfigError, FileError, ProfileError
from ctsm_socnn.observations import FORMATS, read_profiles
from ctsm_socnn.observations.databases import DATABASES
from ctsm_socnn.observations.quality import names_in

TABLES: dict[str, dict[str, str]] = {
    "wosis-2019": {
        "wosis_201909_profiles.tsv": "profile_id,dataset_id,latitude,longitude\n7,US-NCSS,40.03,-79.02",
        "wosis_201909_layers_chemical.tsv": "profile_id,profile_layer_id,upper_depth,lower_depth,"
        "litter,orgc_value_avg\n7,1,0,10,f,25",
        "wosis_201909_layers_physical.tsv": "profile_id,profile_layer_id,upper_depth,lower_depth,"
        "bdfiod_value_avg,cfvo_value_avg\n7,1,0,10,1.2,10",
    },
    "wosis-2023": {
        "wosis_202312_orgc.tsv": "profile_id,layer_id,upper_depth,lower_depth,longitude,latitude,"
        "value_avg\n7,1,0,10,-79.02,40.03,25",
        "wosis_202312_bdfiod.tsv": "profile_id,layer_id,longitude,latitude,value_avg\n"
        "7,1,-79.02,40.03,1.2",
        "wosis_202312_cfvo.tsv": "profile_id,layer_id,value_avg\n7,1,10",
    },
    "iscn3": {
        "ISCN_ALL_DATA_LAYER.csv": "site_name,profile_name,lat (dec. deg),long (dec. deg),"
        "layer_top (cm),layer_bot (cm),oc (percent),bd_samp (g cm-3)\ns,7,40.03,-79.02,0,10,2.25,1.2",
    },
    "kssl": {
        "lab_layer.csv": "labsampnum,pedon_key,hzn_top,hzn_bot\nA1,7,0,10",
        "lab_chemical_properties.csv": "labsampnum,estimated_organic_carbon\nA1,2.25",
        "lab_physical_properties.csv": "labsampnum,bulk_density_oven_dry\nA1,1.2",
        "lab_combine_nasis_ncss.csv": "pedon_key,latitude_decimal_degrees,"
        "longitude_decimal_degrees\n7,40.03,-79.02",
    },
    "raca": {
        "RaCA_samples.csv": "rcasiteid,upedonid,TOP,BOT,SOC_pred1,Bulkdensity,BDmeasured,fragvolc\n"
        "C1,7,0,10,2.5,,1.2,10",
        "RaCA_general_location.csv": "RaCA_Id,Gen_long,Gen_lat\nC1,-79.02,40.03",
    },
    "neon": {
        "mgp_perbiogeosample.csv": "pitID,horizonName,biogeoTopDepth,biogeoBottomDepth,estimatedOC\n"
        "7,A,0,10,22.5",
        "mgp_perbulksample.csv": "pitID,horizonName,bulkDensExclCoarseFrag\n7,A,1.2",
        "mgp_permegapit.csv": "pitID,decimalLatitude,decimalLongitude\n7,40.03,-79.02",
    },
    "israd": {
        "ISRaD_extra_flat_layer.csv": "entry_name,pro_name,pro_lat,pro_long,lyr_top,lyr_bot,"
        "lyr_c_org,lyr_bd_samp\nX2020,7,40.03,-79.02,0,10,2.25,1.2",
    },
}


def write(directory: Path, tables: dict[str, str]) -> Path:
    for name, text in tables.items():
        separator = "\t" if name.endswith(".tsv") else ","
        (directory / name).write_text(text.replace(",", separator) + "\n")
    return directory


def test_every_database_is_tried_here():
    assert set(TABLES) == set(DATABASES)
    assert set(DATABASES) <= set(FORMATS)


@pytest.mark.parametrize("name", TABLES)
def test_layer_arrives_in_the_packages_units(tmp_path, name):
    directory = write(tmp_path, TABLES[name])
    path = next(directory.iterdir()) if len(TABLES[name]) == 1 else directory
    profiles = read_profiles(path, name)
    assert profiles["profile_id"].item() == "7"
    assert (profiles["lon"].item(), profiles["lat"].item()) == (-79.02, 40.03)
    assert (profiles["top"].item(), profiles["bottom"].item()) == (0.0, 0.1)
    assert profiles["soc"].item() == pytest.approx(27000.0, rel=1e-12)


@pytest.mark.parametrize("suffix", ["sqlite", "gpkg"])
def test_tables_may_lie_in_one_file(tmp_path, suffix):
    path = tmp_path / f"lab.{suffix}"
    with closing(sqlite3.connect(path)) as connection:
        for name, text in TABLES["kssl"].items():
            header, row = (line.split(",") for line in text.split("\n"))
            table = pd.DataFrame([row], columns=header)
            table.to_sql(Path(name).stem, connection, index=False)
    assert read_profiles(path, "kssl")["soc"].item() == pytest.approx(27000.0, rel=1e-12)


def test_indirect_column_fills_gaps_and_is_noted(tmp_path):
    text = TABLES["iscn3"]["ISCN_ALL_DATA_LAYER.csv"].replace(
        "oc (percent)", "oc (percent),c_tot (percent)"
    )
    text = text.replace("2.25", "2.25,9") + "\ns,7,40.03,-79.02,10,20,,1.5,1.3"
    path = tmp_path / "layer.csv"
    path.write_text(text)
    profiles = read_profiles(path, "iscn3")
    np.testing.assert_allclose(profiles["oc"], [22.5, 15.0])
    notes = [names_in(int(flag)) for flag in profiles["flag"].values]
    assert ["carbon_indirect" in names for names in notes] == [False, True]


def test_litter_layers_are_above_the_surface(tmp_path):
    tables = dict(TABLES["wosis-2019"])
    tables["wosis_201909_layers_chemical.tsv"] = tables["wosis_201909_layers_chemical.tsv"].replace(
        "10,f,25", "10,t,25"
    )
    profiles = read_profiles(write(tmp_path, tables), "wosis-2019")
    assert "above_surface" in names_in(int(profiles["flag"].item()))


def test_missing_table_is_named(tmp_path):
    tables = dict(TABLES["kssl"])
    del tables["lab_chemical_properties.csv"]
    with pytest.raises(FileError, match="no table whose name has 'lab_chemical_properties'"):
        read_profiles(write(tmp_path, tables), "kssl")


def test_two_tables_of_one_name_are_refused(tmp_path):
    directory = write(tmp_path, TABLES["kssl"])
    (directory / "old_lab_layer.csv").write_text("labsampnum\n")
    with pytest.raises(FileError, match="several tables whose name has 'lab_layer'"):
        read_profiles(directory, "kssl")


def test_table_without_its_key_is_refused(tmp_path):
    tables = dict(TABLES["neon"])
    tables["mgp_permegapit.csv"] = "decimalLatitude,decimalLongitude\n40.03,-79.02"
    with pytest.raises(ProfileError, match="'mgp_permegapit' cannot be joined, pitID is missing"):
        read_profiles(write(tmp_path, tables), "neon")


def test_file_that_is_no_sqlite_is_refused(tmp_path):
    (tmp_path / "lab.sqlite").write_bytes(b"no database at all, but long enough to be looked at")
    with pytest.raises(FileError, match="cannot be read as SQLite"):
        read_profiles(tmp_path / "lab.sqlite", "kssl")


def test_unknown_format_is_refused_with_the_known(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown profile format 'hwsd'; known are generic"):
        read_profiles(tmp_path, "hwsd")


def test_database_takes_no_column_map(tmp_path):
    with pytest.raises(ConfigError, match="has its own columns"):
        read_profiles(tmp_path, "kssl", {"oc": "x [%]"})
