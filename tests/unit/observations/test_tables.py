from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from ctsm_socnn.errors import FileError, ProfileError
from ctsm_socnn.observations import read_profiles
from ctsm_socnn.observations.tables import read_table

ROWS = {
    "profile_id": ["a", "a"],
    "lon": [280.02, 280.02],
    "lat": [40.03, 40.03],
    "top [cm]": [0, 10],
    "bottom [cm]": [10, 30],
    "oc [g/kg]": [25.0, np.nan],
    "bulk_density [g/cm3]": [1.2, 1.3],
}


def require_expected(path: Path) -> None:
    profiles = read_profiles(path)
    np.testing.assert_allclose(profiles["bottom"], [0.1, 0.3])
    np.testing.assert_allclose(profiles["soc"], [30000.0, np.nan])


@pytest.mark.parametrize(
    ("name", "separator"),
    [("t.csv", ","), ("t.tsv", "\t"), ("t.csv.gz", ","), ("t.txt", "\t"), ("T.CSV", ",")],
)
def test_text_tables(tmp_path, name, separator):
    pd.DataFrame(ROWS).to_csv(tmp_path / name, sep=separator, index=False)
    require_expected(tmp_path / name)


@pytest.mark.parametrize("more", [",", ",9,9"])
def test_more_fields_than_names_are_refused(tmp_path, more):
    path = tmp_path / "t.csv"
    pd.DataFrame(ROWS).to_csv(path, index=False)
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *(row + more for row in rows)]))
    with pytest.raises(FileError, match="more fields than the header"):
        read_table(path)


def test_a_described_column_settles_which_of_two_is_meant(tmp_path):
    path = tmp_path / "t.csv"
    pd.DataFrame(ROWS | {"oc [%]": [9.0, 9.0]}).to_csv(path, index=False)
    with pytest.raises(ProfileError, match="are both oc"):
        read_profiles(path)
    # The header is the name of the column, with what stands in its brackets.
    pd.DataFrame(ROWS | {"oc [%]": [9.0, 9.0], "carbon": [2.5, 0.5]}).to_csv(path, index=False)
    profiles = read_profiles(path, columns={"oc": "carbon [%]"})
    np.testing.assert_array_equal(profiles["oc"], [25.0, 5.0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profile_id;lon;lat\na;1,5;2", "single column, 'profile_id;lon;lat'.*separated by ','"),
        ("profile_id,lon\n\u00c4,1", "not in UTF-8 .* save it in that encoding"),
    ],
)
def test_other_separators_and_encodings_are_told(tmp_path, text, said):
    (tmp_path / "t.csv").write_text(text, encoding="latin-1")
    with pytest.raises(FileError, match=said):
        read_table(tmp_path / "t.csv")


def test_a_name_of_blanks_is_none(tmp_path):
    pd.DataFrame(ROWS | {"profile_id": ["a", "  "]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ProfileError, match="without profile_id"):
        read_profiles(tmp_path / "t.csv")


def test_whole_numbers_beside_a_gap_have_no_point(tmp_path):
    name = np.array(["a", "b"], dtype="S1")
    values = {"litter": [1.0, np.nan], "depth": [0.5, 1.0], "name": name}
    xr.Dataset({key: ("row", value) for key, value in values.items()}).to_netcdf(tmp_path / "t.nc")
    table = read_table(tmp_path / "t.nc")
    assert table["litter"].tolist() == ["1", pd.NA]
    assert table["depth"].tolist() == ["0.5", "1.0"]
    assert table["name"].tolist() == ["a", "b"]


def test_excel(tmp_path):
    pytest.importorskip("openpyxl", reason="Excel needs openpyxl")
    pd.DataFrame(ROWS).to_excel(tmp_path / "t.xlsx", index=False)
    require_expected(tmp_path / "t.xlsx")


def test_flat_netcdf(tmp_path):
    described = {name.split(" ")[0]: name for name in ROWS if "[" in name}
    flat = {name.split(" ")[0]: ("sample", values) for name, values in ROWS.items()}
    xr.Dataset(flat).to_netcdf(tmp_path / "t.nc")
    profiles = read_profiles(tmp_path / "t.nc", columns=described)
    np.testing.assert_allclose(profiles["soc"], [30000.0, np.nan])


def test_netcdf_of_another_shape_is_refused(history_file):
    with pytest.raises(FileError, match="is not a flat table"):
        read_table(history_file())


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.xlsx", "t.nc"])
def test_missing_file_is_named(tmp_path, name):
    if name.endswith("xlsx"):
        pytest.importorskip("openpyxl", reason="Excel needs openpyxl")
    with pytest.raises(FileError, match=f"{name} does not exist"):
        read_table(tmp_path / name)


def test_damaged_archive_is_named(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(b"not gzip")
    with pytest.raises(FileError, match=r"t\.csv\.gz cannot be read as a table"):
        read_table(tmp_path / "t.csv.gz")


def test_unknown_kind_is_refused(tmp_path):
    (tmp_path / "t.doc").write_text("x")
    with pytest.raises(FileError, match=r"a profile table ends in \.csv"):
        read_table(tmp_path / "t.doc")


def _damage(path: Path, start: float) -> None:
    data = bytearray(path.read_bytes())
    for place in range(int(start * len(data)), len(data), 5):
        data[place] ^= 0x24
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("start", [0.05, 0.3])
def test_a_damaged_archive_is_refused(tmp_path, start):
    path = tmp_path / "t.csv.gz"
    pd.DataFrame([ROWS] * 200).to_csv(path)
    _damage(path, start)
    with pytest.raises(FileError, match=r"t\.csv\.gz cannot be read"):
        read_table(path)


def test_a_damaged_workbook_is_refused(tmp_path):
    pytest.importorskip("openpyxl", reason="Excel needs openpyxl")
    path = tmp_path / "t.xlsx"
    pd.DataFrame(ROWS).to_excel(path, index=False)
    for start in np.linspace(0.0, 0.9, 12):
        pd.DataFrame(ROWS).to_excel(path, index=False)
        _damage(path, start)
        with pytest.raises(FileError, match="cannot be read as Excel"):
            read_table(path)


def test_a_packing_that_is_not_known_is_refused(tmp_path):
    pd.DataFrame(ROWS).to_csv(tmp_path / "t.csv.bz2", index=False)
    with pytest.raises(FileError, match="ends in"):
        read_table(tmp_path / "t.csv.bz2")
