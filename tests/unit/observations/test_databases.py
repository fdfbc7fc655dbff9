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
from ctsm_socnn.observations.tables import read_table

TABLES: dict[str, dict[str, str]] = {
    "wosis-2019": {
        "wosis_201909_profiles.tsv": "profile_id,dataset_id,geom_accuracy,latitude,longitude\n"
        "7,US-NCSS,0.0001,40.03,-79.02",
        "wosis_201909_layers_chemical.tsv": "profile_id,profile_layer_id,upper_depth,lower_depth,"
        "layer_name,litter,orgc_value,orgc_value_avg\n7,1,0,10,A,f,{1:25},25",
        "wosis_201909_layers_physical.tsv": "profile_id,profile_layer_id,upper_depth,lower_depth,"
        "bdfiod_value_avg,cfvo_value_avg\n7,1,0,10,1.2,10",
    },
    "wosis-2023": {
        "wosis_202312_orgc.tsv": "profile_id,layer_id,upper_depth,lower_depth,longitude,latitude,"
        "positional_uncertainty,date,value,value_avg\n"
        "7,1,0,10,-79.02,40.03,Circa 100 m,1998-06-11,{25},25",
        "wosis_202312_bdfiod.tsv": "profile_id,layer_id,longitude,latitude,value_avg\n"
        "7,1,-79.02,40.03,1.2",
        "wosis_202312_cfvo.tsv": "profile_id,layer_id,value_avg\n7,1,10",
    },
    "iscn3": {
        "ISCN_ALL_DATA_LAYER.csv": "dataset_name_sub,site_name,profile_name,lat (dec. deg),"
        "long (dec. deg),layer_top (cm),layer_bot (cm),oc (percent),bd_samp (g cm-3)\n"
        "NRCS,s,7,40.03,-79.02,0,10,2.25,1.2",
    },
    "kssl": {
        "lab_layer.csv": "labsampnum,pedon_key,site_key,hzn_top,hzn_bot\nA1,7,3,0,10",
        "lab_chemical_properties.csv": "labsampnum,prep_code,estimated_organic_carbon\n"
        "A1,GP,9.9\nA1,S,2.5",
        "lab_physical_properties.csv": "labsampnum,prep_code,bulk_density_oven_dry,"
        "total_frag_wt_pct_gt_2_mm_ws\nA1,S,1.2,19.70260223",
        "lab_combine_nasis_ncss.csv": "pedon_key,site_key,site_obsdate\n7,3,6/11/1998",
        "lab_site.csv": "site_key,latitude_std_decimal_degrees,longitude_std_decimal_degrees\n"
        "3,40.03,-79.02",
    },
    "raca": {
        "RaCA_samples.csv": "rcasiteid,upedonid,TOP,BOT,Bulkdensity,SOC_pred1,BDmeasured,fragvolc,"
        "c_tot_ncs,caco3,Measure_BD,Model_BD\nC1,7,0,10,1.3,2.4,measured,10,2.62,1.0,1.2,1.3",
        "RaCa_general_location.csv": "RaCA_Id,Gen_lat,Gen_long\nC1,40.03,-79.02",
    },
    "neon": {
        "mgp_perbiogeosample.csv": "pitID,horizonID,biogeoSampleType,biogeoTopDepth,"
        "biogeoBottomDepth,coarseFrag2To5,coarseFrag5To20,estimatedOC\n"
        "7,h1,Regular,0,10,97,100.0260223,25",
        "mgp_perbulksample.csv": "pitID,horizonID,bulkDensSampleType,bulkDensExclCoarseFrag\n"
        "7,h1,Audit,1.9\n7,h1,Regular,1.2",
        "mgp_permegapit.csv": "pitID,decimalLatitude,decimalLongitude\n7,40.03,-79.02",
    },
    "israd": {
        "ISRaD_extra_flat_layer.csv": "entry_name,site_name,pro_name,pro_lat,pro_long,lyr_top,"
        "lyr_bot,lyr_c_org,lyr_bd_samp,lyr_bd_tot,lyr_coarse_tot\n"
        "X2020,s,7,40.03,-79.02,0,10,2.25,1.2,1.5,20",
    },
}
"""The columns of the published files that matter, one layer of 27 kgC m-3 each."""

IDENTITY = {"iscn3": "NRCS/s/7", "israd": "X2020/s/7"}


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
    assert profiles["profile_id"].item() == IDENTITY.get(name, "7")
    assert (profiles["lon"].item(), profiles["lat"].item()) == (-79.02, 40.03)
    assert (profiles["top"].item(), profiles["bottom"].item()) == (0.0, 0.1)
    assert profiles["soc"].item() == pytest.approx(27000.0, rel=1e-9)


@pytest.mark.parametrize("name", ["wosis-2019", "wosis-2023", "kssl"])
@pytest.mark.parametrize("suffix", ["sqlite", "gpkg"])
@pytest.mark.parametrize("ending", ["", "_vw"])
def test_tables_may_lie_in_one_file(tmp_path, name, suffix, ending):
    path = tmp_path / f"lab.{suffix}"
    with closing(sqlite3.connect(path)) as connection:
        for file, text in TABLES[name].items():
            header, *rows = (line.split(",") for line in text.split("\n"))
            table = pd.DataFrame(rows, columns=header)
            table.to_sql(Path(file).stem + ending, connection, index=False)
    assert read_profiles(path, name)["soc"].item() == pytest.approx(27000.0, rel=1e-9)


def test_litter_of_a_geopackage_is_known_beside_unknown_values(tmp_path):
    path = tmp_path / "wosis.gpkg"
    layers = pd.DataFrame(
        {
            "profile_id": [7, 7],
            "layer_id": [1, 2],
            "upper_depth": [0, 5],
            "lower_depth": [5, 20],
            "litter": [1, None],
            "value_avg": [300.0, 25.0],
            "longitude": -79.02,
            "latitude": 40.03,
        }
    )
    with closing(sqlite3.connect(path)) as connection:
        layers.to_sql("wosis_202312_orgc", connection, index=False)
        layers.assign(value_avg=1.2).to_sql("wosis_202312_bdfiod", connection, index=False)
    profiles = read_profiles(path, "wosis-2023")
    assert profiles["profile_id"].values.tolist() == ["7"]
    litter, soil = (names_in(int(flag)) for flag in profiles["flag"].values)
    assert "above_surface" in litter
    assert "above_surface" not in soil


@pytest.mark.parametrize("name", ["t.csv", "t.tsv.gz"])
def test_only_the_wanted_columns_are_read(tmp_path, name):
    separator = "," if name.endswith("csv") else "\t"
    pd.DataFrame({"a": ["1"], "b": ["2"], "c": ["3"]}).to_csv(
        tmp_path / name, sep=separator, index=False
    )
    assert list(read_table(tmp_path / name, {"a", "c", "d"})) == ["a", "c"]


def change(name, file, old, new):
    """Tables of a database with a piece of one file replaced."""
    assert old in TABLES[name][file]
    return {**TABLES[name], file: TABLES[name][file].replace(old, new)}


def notes_of(profiles):
    return names_in(int(profiles["flag"].item()))


def test_raca_falls_back_to_modelled_density_and_predicted_carbon(tmp_path):
    tables = change("raca", "RaCA_samples.csv", "2.62,1.0,1.2,1.3", "NULL,NULL,NULL,1.3")
    profiles = read_profiles(write(tmp_path, tables), "raca")
    assert profiles["soc"].item() == pytest.approx(24.0 * 1.3 * 0.9 * 1000.0, rel=1e-9)
    assert {"carbon_indirect", "bulk_density_indirect"} <= set(notes_of(profiles))


@pytest.mark.parametrize("caco3", ["", "-0.8"])
def test_raca_without_carbonates_is_all_organic(tmp_path, caco3):
    tables = change("raca", "RaCA_samples.csv", "2.62,1.0", f"2.5,{caco3}")
    profiles = read_profiles(write(tmp_path, tables), "raca")
    assert profiles["oc"].item() == pytest.approx(25.0)


def test_audit_samples_of_neon_are_flagged(tmp_path):
    audit = "\n7,h1,Audit,0,10,0,0,50\n7,h1,Regular"
    tables = change("neon", "mgp_perbiogeosample.csv", "\n7,h1,Regular", audit)
    profiles = read_profiles(write(tmp_path, tables), "neon")
    assert profiles["oc"].values.tolist() == [25.0, 50.0]
    regular, repeat = (names_in(int(flag)) for flag in profiles["flag"].values)
    assert "layer_overlaps" not in regular
    assert "rejected_at_source" not in regular
    assert "rejected_at_source" in repeat


def test_israd_whole_soil_density_loses_its_fragments_once(tmp_path):
    tables = change("israd", "ISRaD_extra_flat_layer.csv", "2.25,1.2,1.5,20", "2.25,,1.5,20")
    profiles = read_profiles(write(tmp_path, tables), "israd")
    assert profiles["soc"].item() == pytest.approx(22.5 * 1.5 * 0.8 * 1000.0, rel=1e-9)
    assert "bulk_density_indirect" in notes_of(profiles)


@pytest.mark.parametrize(
    ("name", "file", "old", "new"),
    [
        ("wosis-2019", "wosis_201909_profiles.tsv", "0.0001", "0.1"),
        ("wosis-2023", "wosis_202312_orgc.tsv", "Circa 100 m", "Over 10 km"),
    ],
)
def test_wosis_says_which_coordinates_are_coarse(tmp_path, name, file, old, new):
    assert "coarse_coordinates" not in notes_of(read_profiles(write(tmp_path, TABLES[name]), name))
    coarse = read_profiles(write(tmp_path, change(name, file, old, new)), name)
    assert "coarse_coordinates" in notes_of(coarse)


def test_text_in_a_computed_column_is_refused(tmp_path):
    tables = change("raca", "RaCA_samples.csv", "2.62,1.0", "2.62,trace")
    with pytest.raises(ProfileError, match="caco3 holds 'trace' in data row 1"):
        read_profiles(write(tmp_path, tables), "raca")


def test_indirect_column_fills_gaps_and_is_noted(tmp_path):
    text = TABLES["iscn3"]["ISCN_ALL_DATA_LAYER.csv"].replace(
        "oc (percent)", "oc (percent),c_tot (percent)"
    )
    text = text.replace("2.25", "2.25,9") + "\nNRCS,s,7,40.03,-79.02,10,20,,1.5,1.3"
    path = tmp_path / "layer.csv"
    path.write_text(text)
    profiles = read_profiles(path, "iscn3")
    np.testing.assert_allclose(profiles["oc"], [22.5, 15.0])
    notes = [names_in(int(flag)) for flag in profiles["flag"].values]
    assert ["carbon_indirect" in names for names in notes] == [False, True]


def test_litter_layers_are_above_the_surface(tmp_path):
    tables = change("wosis-2019", "wosis_201909_layers_chemical.tsv", "A,f,", "A,t,")
    assert "above_surface" in notes_of(read_profiles(write(tmp_path, tables), "wosis-2019"))


def test_iscn_may_come_in_parts(tmp_path):
    """Each with the mark of byte order and the old line ends that the network's own files have."""
    text = TABLES["iscn3"]["ISCN_ALL_DATA_LAYER.csv"]
    for number in (1, 2):
        part = "\ufeffISCN 1-1 (2015-12-10)," + text.replace("\n", "\n,")
        part = part.replace(",7,", f",{number},")
        path = tmp_path / f"ISCN_ALL_DATA_LAYER_C{number}_1-1.csv"
        path.write_text(part.replace("\n", "\r"), encoding="utf-8", newline="")
    profiles = read_profiles(tmp_path, "iscn3")
    assert profiles["profile_id"].values.tolist() == ["NRCS/s/1", "NRCS/s/2"]


def test_missing_part_of_a_database_is_named(tmp_path):
    with pytest.raises(FileError, match="no table whose name has 'layer'"):
        read_profiles(tmp_path, "iscn3")


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
