from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.parameters import PARAMETERS
from ctsm_socnn.regrid.grids import cesm_grid


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    """Constant maps of all parameters over 20..50 N, 240..290 E."""
    lat, lon = np.arange(21.0, 50.0, 2.0), np.arange(241.0, 290.0, 2.0)
    variables = {
        p.name: (
            ("lat", "lon"),
            np.full((lat.size, lon.size), 0.5 * (p.lower + p.upper)),
            {"units": p.units, "valid_min": p.lower, "valid_max": p.upper},
        )
        for p in PARAMETERS
    }
    attributes = {"turnover_time_convention": "unnormalised", "history": "made", "seed": "9"}
    dataset = xr.Dataset(variables, coords={"lat": lat, "lon": lon}, attrs=attributes)
    dataset.to_netcdf(tmp_path / "maps.nc")
    return tmp_path / "maps.nc"


def test_maps_to_f19(maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "f19.nc"
    words = ["regrid", str(maps), "--to", "f19", "-o", str(output), "--backend", "own"]
    assert main(words) == 0
    assert (
        "96 x 144 rectilinear cells of f19, conservative by ctsm-socnn" in capsys.readouterr().out
    )
    with xr.open_dataset(output) as result:
        assert result["q10"].shape == (96, 144)
        np.testing.assert_allclose(result["q10"], 2.1, rtol=1e-12)
        assert result.attrs["seed"] == "9"
        assert result.attrs["history"].endswith("made")
        assert result.attrs["input_maps"].startswith("maps.nc sha256:")
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0


def test_only_land_of_the_mask_is_filled(
    maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = cesm_grid("f45")
    land = (grid.lat[:, None] > 0.0) & (grid.lon > 200.0)
    mask = xr.Dataset(
        {"landfrac": (("lat", "lon"), 0.3 * land)}, coords={"lat": grid.lat, "lon": grid.lon}
    )
    mask.to_netcdf(tmp_path / "run.nc")
    output = tmp_path / "f45.nc"
    words = ["regrid", str(maps), "--to", "f45", "--backend", "own", "-o", str(output)]
    assert main([*words, "--mask", str(tmp_path / "run.nc")]) == 0
    assert "ocean cells" not in capsys.readouterr().out
    with xr.open_dataset(output) as result:
        assert (np.isfinite(result["q10"].values) == land).all()
        assert (result["landmask"].values == land).all()
        assert result.attrs["input_mask"].startswith("run.nc sha256:")
    assert main([*words, "--overwrite"]) == 0
    assert "the ocean cells of f45 are filled too" in capsys.readouterr().out
    assert main([*words, "--overwrite", "--fill", "none"]) == 0
    printed = capsys.readouterr().out
    assert "filled" not in printed
    assert "the ocean cells of f45 count as gaps too, because nothing says" in printed


def test_weights_are_kept_and_used_again(
    maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["regrid", str(maps), "--backend", "own"]
    weights = str(tmp_path / "w.nc")
    first, second = tmp_path / "first.nc", tmp_path / "second.nc"
    assert main([*common, "--to", "f45", "-o", str(first), "--save-weights", weights]) == 0
    assert main([*common, "--to", "f45", "-o", str(second), "--weights", weights]) == 0
    with xr.open_dataset(first) as a, xr.open_dataset(second) as b:
        xr.testing.assert_equal(a, b)
    capsys.readouterr()
    assert main([*common, "--to", "f19", "-o", str(tmp_path / "x.nc"), "--weights", weights]) == 2
    assert "were made for another target (f19)" in capsys.readouterr().err
    assert not (tmp_path / "x.nc").exists()


def test_the_grid_of_the_maps_may_stand_in_another_file(
    maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cells of half the width leave gaps, so that the model cells are half covered."""
    lat, lon = np.arange(21.0, 50.0, 2.0), np.arange(241.0, 290.0, 2.0)
    bounds = np.stack([lon - 0.5, lon + 0.5], axis=1)
    coords = {"lat": lat, "lon": lon, "lon_bnds": (("lon", "two"), bounds)}
    xr.Dataset(coords=coords).to_netcdf(tmp_path / "grid.nc")
    words = ["regrid", str(maps), "--to", "f45", "--backend", "own", "--min-fraction", "0.4"]
    output = tmp_path / "out.nc"
    assert main([*words, "-o", str(output), "--from", str(tmp_path / "grid.nc")]) == 0
    with xr.open_dataset(output) as result:
        assert 0.4 < result["covered_fraction"].sel(lon=265.0, lat=34.0).item() < 0.61
    assert main([*words, "-o", str(tmp_path / "x.nc"), "--from", "f19"]) == 2
    assert "their grid f19 (96, 144)" in capsys.readouterr().err


def test_biomes_from_a_file(maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    biomes = xr.Dataset({"biome": (("lat", "lon"), np.zeros((46, 72))), "few": ("x", [1.0])})
    biomes.to_netcdf(tmp_path / "biomes.nc")
    words = ["regrid", str(maps), "--to", "f45", "--fill", "biome", "--backend", "own"]
    output = tmp_path / "out.nc"
    assert main([*words, "-o", str(output), "--biomes", f"{tmp_path}/biomes.nc:biome"]) == 0
    with xr.open_dataset(output) as result:
        assert set(np.unique(result["filled"])) == {0, 2}
    wrong = ["-o", str(tmp_path / "x.nc"), "--biomes", f"{tmp_path}/biomes.nc:few"]
    assert main([*words, *wrong]) == 2
    error = capsys.readouterr().err
    assert "few" in error
    assert "must be there with the 3312 cells of f45" in error


def test_biomes_may_have_the_cells_in_another_order(maps: Path, tmp_path: Path) -> None:
    grid = cesm_grid("f45")
    biomes = xr.Dataset(
        {"biome": (("lon", "lat"), np.where(grid.lat > 35.0, 1, -1) + np.zeros((72, 1)))},
        coords={"lat": grid.lat, "lon": grid.lon},
    )
    biomes.isel(lat=slice(None, None, -1)).to_netcdf(tmp_path / "biomes.nc")
    words = ["regrid", str(maps), "--to", "f45", "--fill", "biome", "--backend", "own"]
    output = tmp_path / "out.nc"
    assert main([*words, "-o", str(output), "--biomes", f"{tmp_path}/biomes.nc:biome"]) == 0
    with xr.open_dataset(output) as result:
        north = result["filled"].sel(lat=slice(35.0, None))
        south = result["filled"].sel(lat=slice(None, 35.0))
        assert set(np.unique(north)) == {0, 2}
        assert set(np.unique(south)) == {0, 1}


def test_no_output_replaces_another_or_what_is_read(
    maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = maps.read_bytes()
    words = ["regrid", str(maps), "--to", "f45", "--overwrite", "-o"]
    assert main([*words, str(maps)]) == 2
    assert f"{maps} is read by this command" in capsys.readouterr().err
    assert maps.read_bytes() == before
    both = str(tmp_path / "both.nc")
    assert main([*words, both, "--save-weights", both]) == 2
    assert "-o and --save-weights both name" in capsys.readouterr().err


def test_a_directory_does_not_hide_the_grid_of_that_name(
    maps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f45").mkdir()
    assert main(["regrid", str(maps), "--to", "f45", "-o", "out.nc", "--backend", "own"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "nowhere.nc"], "'nowhere.nc' is neither a file nor one of the grids"),
        (["--to", "f45", "--fill", "biome"], "give them with --biomes FILE:VARIABLE"),
        (["--to", "f45", "--biomes", "b.nc"], "must be FILE:VARIABLE"),
        (["--to", "f45", "--method", "bilinear", "--backend", "own"], "needs ESMPy"),
        (["--to", "f45", "--weights", "absent.nc"], "absent.nc does not exist"),
        (["--to", "f45", "--mask", "absent.nc"], "absent.nc does not exist"),
        (["--to", "f45", "--min-fraction", "1.5"], "--min-fraction 1.5 is not between 0 and 1"),
    ],
)
def test_bad_input_is_one_line(
    maps: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    output = tmp_path / "out.nc"
    assert main(["regrid", str(maps), "-o", str(output), *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not output.exists()


def _mesh(nodes: list[list[float]], cells: list[list[int]]) -> xr.Dataset:
    return xr.Dataset(
        {
            "nodeCoords": (("nodeCount", "coordDim"), np.array(nodes), {"units": "degrees"}),
            "elementConn": (("elementCount", "maxNodePElement"), np.array(cells, dtype=np.int32)),
            "numElementConn": ("elementCount", np.full(len(cells), len(cells[0]), dtype=np.int8)),
        }
    )


def rough_continents() -> np.ndarray:
    """Boxes that hold Eurasia with Africa's north, America and Australia, 5 degrees."""
    lat, lon = np.meshgrid(
        np.arange(-87.5, 90.0, 5.0), np.arange(-177.5, 180.0, 5.0), indexing="ij"
    )
    old_world = (lon > -15.0) & (lon < 145.0) & (lat > 10.0)
    america = (lon > -125.0) & (lon < -45.0) & (lat > -15.0)
    australia = (lon > 115.0) & (lon < 150.0) & (lat > -35.0) & (lat < -15.0)
    return np.asarray(old_world | america | australia, dtype=np.float64)


SQUARE = [[260.0, 30.0], [262.0, 30.0], [262.0, 32.0], [260.0, 32.0]]
BAD_GRIDS = {
    "no area": (_mesh([*SQUARE, [260.0, 31.0]], [[1, 4, 5, 5], [1, 2, 3, 4]]), "zero area"),
    "node twice": (_mesh(SQUARE, [[1, 2, 3, 2, 4]]), "pass twice through one node"),
    "no node": (_mesh(SQUARE, [[1, 2, 3, 9]]), "points at nodes outside 1..4"),
    "flat": (xr.Dataset(coords={"lat": [30.0, 30.0, 31.0], "lon": [260.0, 261.0]}), "zero area"),
    "exchanged": (xr.Dataset(coords={"lat": [260.0, 261.0], "lon": [30.0, 31.0]}), "exchanged"),
    "sea for land": (
        xr.Dataset(
            {"landmask": (("lat", "lon"), 1.0 - rough_continents())},
            coords={"lat": np.arange(-87.5, 90.0, 5.0), "lon": np.arange(-177.5, 180.0, 5.0)},
        ),
        "0 on the continents and 1 on the oceans",
    ),
    "no land": (
        xr.Dataset(
            {"landmask": (("lat", "lon"), np.zeros((2, 2)))},
            coords={"lat": [30.0, 31.0], "lon": [260.0, 261.0]},
        ),
        "mask is 0 everywhere",
    ),
}


@pytest.mark.parametrize("name", BAD_GRIDS)
def test_bad_grid_is_one_line(
    name: str, maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid, message = BAD_GRIDS[name]
    grid.to_netcdf(tmp_path / "grid.nc")
    output = tmp_path / "out.nc"
    assert main(["regrid", str(maps), "--to", str(tmp_path / "grid.nc"), "-o", str(output)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not output.exists()


def test_however_the_grid_is_written_the_map_is_the_same(tmp_path: Path) -> None:
    lat, lon = np.arange(-19.0, 20.0, 2.0), np.arange(161.0, 200.0, 2.0)
    field = 1.5 + 0.01 * np.abs(lat)[:, None] + 0.01 * np.abs(lon - 180.0)
    attributes = {"turnover_time_convention": "unnormalised"}
    middles = {p.name: (("lat", "lon"), np.full(field.shape, p.default)) for p in PARAMETERS}
    source = xr.Dataset(middles, {"lat": lat, "lon": lon}, attributes)
    source["q10"] = (("lat", "lon"), field)
    found = []
    for name, west, step in (("0..360", 0.0, 1), ("-180..180", -180.0, -1)):
        there = west + (lon - west) % 360.0
        written = source.assign_coords(lon=there).isel(lat=slice(None, None, step))
        for item in written.data_vars.values():
            item.attrs = {"units": "1"}
        written.to_netcdf(tmp_path / f"{name}.nc")
        xr.Dataset(coords={"lat": lat[::step] / 2, "lon": there}).to_netcdf(tmp_path / "grid.nc")
        words = ["--to", str(tmp_path / "grid.nc"), "-o", str(tmp_path / "out.nc"), "--overwrite"]
        assert main(["regrid", str(tmp_path / f"{name}.nc"), *words, "--backend", "own"]) == 0
        with xr.open_dataset(tmp_path / "out.nc") as result:
            found.append(result["q10"].values[::step])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)
    assert np.ptp(found[0]) > 0.1


def test_maps_must_be_parameter_maps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coords = {"lat": [1.0, 2.0], "lon": [1.0, 2.0]}
    xr.Dataset({"q10": (("lat", "lon"), np.ones((2, 2)))}, coords=coords).to_netcdf(
        tmp_path / "m.nc"
    )
    output = str(tmp_path / "out.nc")
    assert main(["regrid", str(tmp_path / "m.nc"), "--to", "f45", "-o", output]) == 2
    assert "missing diffus, cryo" in capsys.readouterr().err
