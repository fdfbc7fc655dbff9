from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.forcing import climatology as stage
from ctsm_socnn.schemas import open_file, open_sites


@pytest.fixture
def words(tmp_path: Path, history_file):
    for year in (1, 2, 3):
        history_file(f"case.clm2.h0.{year:04d}.nc", year=year)
    history = str(tmp_path / "*.h0.*.nc")
    return ["forcing", "--history", history, "-o", str(tmp_path / "climatology.nc")]


def test_climatology_is_written_and_described(words, tmp_path, capsys):
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "5 land cells" in said
    assert "0001-01 to 0003-12 (36 months of 3 files)" in said
    assert open_file(tmp_path / "climatology.nc")["TSOI"].sizes["layer"] == 20


def celsius_called_kelvin(dataset):
    return dataset.assign(TSOI=(dataset["TSOI"] - 273.15).assign_attrs(units="K"))


def celsius(dataset):
    return dataset.assign(TSOI=(dataset["TSOI"] - 273.15).assign_attrs(units="degC"))


def stock_of_layers(dataset):
    return dataset.assign(W_SCALAR=dataset["W_SCALAR"].assign_attrs(units="g/m2"))


def other_component(dataset):
    return dataset.rename(levsoi="lev").drop_vars("lev")


def other_calendar(dataset):
    dataset["time"].attrs["calendar"] = "gregorian"
    return dataset


def other_grid(dataset):
    return dataset.assign_coords(lon=dataset["lon"] + 0.5)


def mask_of_the_wrong_sense(dataset):
    return dataset.assign(landmask=1 - dataset["landmask"])


def missing_months(dataset):
    return dataset.isel(time=slice(0, 10))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (celsius_called_kelvin, "these are degrees Celsius"),
        (celsius, "TSOI is in 'degC'; it must be in"),
        (stock_of_layers, "W_SCALAR is in 'g/m2'; it must be in"),
        (other_component, "Is it of another component"),
        (other_calendar, "different calendars (noleap in "),
        (other_grid, "is on another grid or mask"),
        (mask_of_the_wrong_sense, "is on another grid or mask"),
        (missing_months, "months are missing between 0002-10"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_bad_file_in_the_middle_is_one_line(words, tmp_path, capsys, history_file, edit, said):
    history_file("case.clm2.h0.0002.nc", year=2, edit=edit)
    require_refused(words, tmp_path, capsys, said, "case.clm2.h0.0002.nc")


@pytest.mark.parametrize("left", [-1, 300], ids=["cut short", "header only"])
def test_a_corrupt_file_in_the_middle_is_one_line(words, tmp_path, capsys, left):
    middle = tmp_path / "case.clm2.h0.0002.nc"
    middle.write_bytes(middle.read_bytes()[:left])
    require_refused(words, tmp_path, capsys, "case.clm2.h0.0002.nc")


def test_masks_of_the_wrong_sense_in_all_files_are_one_line(words, tmp_path, capsys, history_file):
    for year in (1, 2, 3):
        history_file(f"case.clm2.h0.{year:04d}.nc", year=year, edit=mask_of_the_wrong_sense)
    require_refused(words, tmp_path, capsys, "landmask has the wrong sense")


def require_refused(words, tmp_path, capsys, *said):
    """One line that says so, exit status 2, and nothing written."""
    assert main(words) == 2
    message = capsys.readouterr().err
    assert all(text in message for text in said), message
    assert message.count("\n") == 1
    assert not list(tmp_path.glob("*climatology*"))


def test_interrupted_run_goes_on_and_ends_alike(words, tmp_path, interrupt_after):
    assert main(words) == 0
    whole = open_file(tmp_path / "climatology.nc")
    (tmp_path / "climatology.nc").unlink()
    with interrupt_after(2):
        assert main(words) == 130
    assert [path.name for path in tmp_path.glob("climatology*")] == ["climatology.nc.partial.npz"]
    with interrupt_after(1):
        assert main(words) == 0
    xr.testing.assert_identical(
        whole.drop_attrs(), open_file(tmp_path / "climatology.nc").drop_attrs()
    )
    assert not (tmp_path / "climatology.nc.partial.npz").exists()


def test_sums_of_other_files_are_not_gone_on_with(words, tmp_path, interrupt_after, capsys):
    with interrupt_after(2):
        assert main(words) == 130
    assert main([*words, "--first-year", "2"]) == 2
    assert "delete it to begin anew" in capsys.readouterr().err


def test_damaged_sums_are_refused(words, tmp_path, capsys):
    (tmp_path / "climatology.nc.partial.npz").write_bytes(b"nothing")
    assert main(words) == 2
    assert "is damaged" in capsys.readouterr().err


def test_sites_read_the_climatology(words, tmp_path):
    assert main(words) == 0
    table = "profile_id,lon,lat,depth [m],soc [kgC/m3]\na,280.02,40.03,0.1,20\n"
    (tmp_path / "layers.csv").write_text(table)
    common = ["sites", "--profiles", str(tmp_path / "layers.csv")]
    climatology = ["--climatology", str(tmp_path / "climatology.nc")]
    assert main([*common, *climatology, "-o", str(tmp_path / "a.nc")]) == 0
    assert main([*common, *words[1:3], "-o", str(tmp_path / "b.nc")]) == 0
    one, other = open_sites(tmp_path / "a.nc"), open_sites(tmp_path / "b.nc")
    np.testing.assert_allclose(one["TSOI"], other["TSOI"], rtol=1e-15)
    assert main([*common, *climatology, *words[1:3], "-o", str(tmp_path / "c.nc")]) == 2


def test_history_is_no_climatology(words, tmp_path, capsys):
    table = "profile_id,lon,lat,depth [m],soc [kgC/m3]\na,280.02,40.03,0.1,20\n"
    (tmp_path / "layers.csv").write_text(table)
    history = str(tmp_path / "case.clm2.h0.0001.nc")
    profiles = ["--profiles", str(tmp_path / "layers.csv")]
    assert main(["sites", *profiles, "--climatology", history, "-o", str(tmp_path / "a.nc")]) == 2
    assert "is not a climatology of `ctsm-socnn forcing`" in capsys.readouterr().err


def test_what_made_a_climatology_is_refused_beside_it(words, tmp_path, capsys):
    assert main(words) == 0
    table = "profile_id,lon,lat,depth [m],soc [kgC/m3]\na,280.02,40.03,0.1,20\n"
    (tmp_path / "layers.csv").write_text(table)
    asked = ["sites", "--profiles", str(tmp_path / "layers.csv"), "--climatology", words[-1]]
    assert main([*asked, "--first-year", "1990", "-o", str(tmp_path / "a.nc")]) == 2
    assert "--first-year: the climatology is made already" in capsys.readouterr().err
    assert not (tmp_path / "a.nc").exists()


def test_progress_of_a_resumed_run_starts_where_it_goes_on(words, interrupt_after, monkeypatch):
    with interrupt_after(2):
        assert main(words) == 130
    started = []

    class Bar(stage.tqdm):
        def __init__(self, **options):
            started.append((options["initial"], options["total"]))
            super().__init__(**options)

    monkeypatch.setattr(stage, "tqdm", Bar)
    assert main(words) == 0
    assert started == [(24, 36)]
