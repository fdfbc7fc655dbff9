from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.cli.main import main
from ctsm_socnn.directories import write_checksums
from ctsm_socnn.errors import ExportError, FileError
from ctsm_socnn.export.case_conflicts import SOURCE_MODS
from ctsm_socnn.export.checking import check_usermods
from ctsm_socnn.export.checkout import STOCK_FILES
from ctsm_socnn.export.estimates import Estimate
from ctsm_socnn.export.gridded import uniform_maps
from ctsm_socnn.export.paramfile import GRIDDED_FILE_ATTRIBUTE
from ctsm_socnn.export.relocation import relocate
from ctsm_socnn.export.sourcemods import OWN_MODULES
from ctsm_socnn.export.usermods import write_usermods
from ctsm_socnn.parameters import PARAMETER_NAMES, TurnoverConvention

Template = Callable[..., Path]


@pytest.fixture
def checkout(checkout_at: Callable[..., Path]) -> Path:
    return checkout_at("ctsm")


@pytest.fixture
def directory(
    template: Template, maps: xr.Dataset, surface: Path, checkout: Path, tmp_path: Path
) -> Path:
    """A usermods directory with maps and SourceMods."""
    path = tmp_path / "mods"
    write_usermods(path, template=template(), maps=maps, model_grid=surface, ctsm_root=checkout)
    return path


def failures(directory: Path, **options: Path) -> list[str]:
    findings = check_usermods(directory, **options)
    return [problem for finding in findings for problem in finding.problems]


def attribute(directory: Path) -> str:
    with netCDF4.Dataset(directory / "paramfile.nc") as dataset:
        return str(dataset.getncattr(GRIDDED_FILE_ATTRIBUTE))


def test_everything_is_in_its_place(directory: Path, checkout: Path, surface: Path) -> None:
    present = {p.name for p in (directory / SOURCE_MODS).iterdir()}
    assert present == {*STOCK_FILES, *OWN_MODULES}
    assert attribute(directory) == str(directory / "gridded_parameters.nc")
    assert "case.build --clean lnd" in (directory / "README").read_text()
    assert failures(directory, model_grid=surface, ctsm_root=checkout) == []


def test_q10_of_plants_and_water_limits_stay_where_maps_deliver(
    directory: Path, template: Template
) -> None:
    with netCDF4.Dataset(directory / "paramfile.nc") as new, netCDF4.Dataset(template()) as old:
        for name in ("q10_mr", "froz_q10", "maxpsi_hr"):
            assert float(new[name][...]) == float(old[name][...])
        assert float(new["bgc_tau_s3"][...]) != float(old["bgc_tau_s3"][...])


def test_with_maps_nothing_is_left_out_even_in_clm50(
    template: Template,
    maps: xr.Dataset,
    checkout_at: Callable[..., Path],
    tmp_path: Path,
) -> None:
    result = write_usermods(
        tmp_path / "mods",
        template=template("release-clm5.0"),
        maps=maps,
        ctsm_root=checkout_at("old", old=True),
        strict=True,
    )
    assert result.delivery.not_delivered == ()
    assert result.gridded is not None
    assert result.gridded.parameters == PARAMETER_NAMES


def test_for_clones_without_sourcemods(
    template: Template, maps: xr.Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "mods"
    write_usermods(path, version="ctsm5.4", template=template(), maps=maps, keep_executable=True)
    assert not (path / "SourceMods").exists()
    assert attribute(path) == str(path / "gridded_parameters.nc")
    assert "then lacks: q10, fs1s2, fs1s3, w_scaling, beta" in (path / "README").read_text()


def test_uniform_maps_of_one_estimate(
    template: Template, values: np.ndarray, surface: Path, checkout: Path, tmp_path: Path
) -> None:
    """The scalars and the maps agree to the bit, so that stock and mapped results do."""
    convention = TurnoverConvention.UNNORMALISED
    path = tmp_path / "mods"
    write_usermods(
        path,
        template=template(),
        estimate=Estimate(values, convention),
        maps=uniform_maps(values, convention, surface),
        model_grid=surface,
        ctsm_root=checkout,
    )
    maps, scalars = (netCDF4.Dataset(path / n) for n in ("gridded_parameters.nc", "paramfile.nc"))
    with maps, scalars:
        for name in ("bgc_tau_s1", "som_diffus", "bgc_rf_l1s1", "decomp_depth_efolding"):
            assert (np.asarray(maps[name][...]) == float(scalars[name][...])).all()


def test_nothing_is_left_when_a_patch_does_not_apply(
    template: Template, maps: xr.Dataset, checkout: Path, tmp_path: Path
) -> None:
    path = checkout / "src" / "soilbiogeochem" / STOCK_FILES[1]
    path.write_text(path.read_text().replace("dz_node(1) =", "dz_node( 1) ="))
    source, before = template(), sorted(tmp_path.iterdir())
    with pytest.raises(ExportError, match="dz_node"):
        write_usermods(tmp_path / "mods", template=source, maps=maps, ctsm_root=checkout)
    assert sorted(tmp_path.iterdir()) == sorted({*before, source})


def test_moved_directory_is_found_out_and_mended(directory: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    directory.rename(moved)
    assert len([p for p in failures(moved) if "--relocate" in p]) == 2
    assert relocate(moved) == moved
    assert failures(moved) == []
    assert attribute(moved) == str(moved / "gridded_parameters.nc")
    for name in ("user_nl_clm", "README"):
        text = (moved / name).read_text()
        assert str(moved) in text
        assert str(directory) + "/" not in text


def test_signs_in_a_path_stand_for_themselves(directory: Path, tmp_path: Path) -> None:
    odd, plain = tmp_path / "c++", tmp_path / "plain"
    directory.rename(odd)
    relocate(odd)
    odd.rename(plain)
    relocate(plain)
    assert failures(plain) == []
    assert f"paramfile = '{plain}/paramfile.nc'" in (plain / "user_nl_clm").read_text()


def test_relocation_ahead_of_the_move(directory: Path, tmp_path: Path) -> None:
    target = Path("/scratch/someone/mods")
    relocate(directory, target)
    assert attribute(directory) == "/scratch/someone/mods/gridded_parameters.nc"
    assert (
        "paramfile = '/scratch/someone/mods/paramfile.nc'"
        in (directory / "user_nl_clm").read_text()
    )
    with pytest.raises(ExportError, match="' '"):
        relocate(directory, Path("/scratch/some one/mods"))
    assert attribute(directory) == "/scratch/someone/mods/gridded_parameters.nc"


def test_relocation_keeps_longer_names_that_begin_alike(directory: Path, tmp_path: Path) -> None:
    readme = directory / "README"
    readme.write_text(readme.read_text() + f"\nsee {directory}2/notes\n")
    write_checksums(directory)
    relocate(directory, Path("/new/place"))
    assert f"see {directory}2/notes" in readme.read_text()


@pytest.mark.parametrize("name", ["paramfile.nc", "user_nl_clm", "SourceMods/src.clm/SocnnMod.F90"])
def test_damage_is_found_and_not_relocated(directory: Path, name: str) -> None:
    path = directory / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    assert f"{name} has changed" in failures(directory)
    with pytest.raises(FileError, match=f"{path.name} has changed"):
        relocate(directory)


def test_missing_and_added_files(directory: Path) -> None:
    (directory / "gridded_parameters.nc").unlink()
    (directory / "user_nl_clm.bak").write_text("")
    problems = failures(directory)
    assert "gridded_parameters.nc is missing" in problems
    assert "user_nl_clm.bak is not recorded" in problems
    assert any("names maps, but gridded_parameters.nc is not here" in p for p in problems)


def test_gaps_and_formats(directory: Path) -> None:
    path = directory / "gridded_parameters.nc"
    data = xr.load_dataset(path)
    data["beta"][0, 0] = np.nan
    path.unlink()
    data.to_netcdf(path, format="NETCDF4")
    write_checksums(directory)
    problems = failures(directory)
    assert any("beta has 1 missing" in p for p in problems)
    assert any("gridded_parameters.nc is NETCDF4" in p for p in problems)


def test_other_grid(directory: Path, surface: Path) -> None:
    data = xr.load_dataset(surface)
    data["LATIXY"] = -data["LATIXY"]
    flipped = surface.with_name("flipped.nc")
    data.to_netcdf(flipped)
    assert any("not on the cells" in p for p in failures(directory, model_grid=flipped))


def test_sourcemods_of_another_checkout(directory: Path, checkout_at: Callable[..., Path]) -> None:
    problems = failures(directory, ctsm_root=checkout_at("older", old=True))
    assert len([p for p in problems if "not what this checkout gives" in p]) == 3


def test_stray_source_directory(directory: Path) -> None:
    (directory / "src_notes").mkdir()
    assert "CIME would copy src_notes into the case" in failures(directory)


def test_case_with_own_sourcemods_or_other_decomposition(directory: Path, tmp_path: Path) -> None:
    case = tmp_path / "case"
    assert any("is not a case" in p for p in failures(directory, case=case))
    (case / SOURCE_MODS).mkdir(parents=True)
    assert failures(directory, case=case) == []
    (case / SOURCE_MODS / STOCK_FILES[0]).write_text("theirs")
    (case / "user_nl_clm").write_text(
        "! soil_decomp_method = 'MIMICSWieder2015'\nuse_fates = .true.\n"
    )
    (case / "CaseDocs").mkdir()
    (case / "CaseDocs" / "lnd_in").write_text(" soil_decomp_method = 'MIMICSWieder2015'\n")
    problems = failures(directory, case=case)
    assert any(f"{STOCK_FILES[0]} exists already" in p for p in problems)
    assert any("user_nl_clm selects FATES" in p for p in problems)
    assert any("lnd_in selects MIMICS" in p for p in problems)
    assert not any("user_nl_clm selects MIMICS" in p for p in problems)


def test_existing_sourcemods_of_a_case_are_refused(
    template: Template, maps: xr.Dataset, checkout: Path, tmp_path: Path
) -> None:
    case = tmp_path / "case"
    (case / SOURCE_MODS).mkdir(parents=True)
    (case / SOURCE_MODS / STOCK_FILES[2]).write_text("theirs")
    source = template()
    with pytest.raises(ExportError, match=f"{STOCK_FILES[2]} exists already"):
        write_usermods(tmp_path / "mods", template=source, maps=maps, ctsm_root=checkout, case=case)
    assert not (tmp_path / "mods").exists()
    (case / SOURCE_MODS / STOCK_FILES[2]).unlink()
    write_usermods(tmp_path / "mods", template=source, maps=maps, ctsm_root=checkout, case=case)


def test_command(
    directory: Path, surface: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-usermods", str(directory), "--model-grid", str(surface)]) == 0
    moved = tmp_path / "elsewhere"
    directory.rename(moved)
    assert main(["check-usermods", str(moved)]) == 1
    assert "FAIL" in capsys.readouterr().out
    assert main(["check-usermods", str(moved), "--relocate"]) == 0
    assert main(["check-usermods", str(moved), "--relocate", "/scratch/me/mods"]) == 0
    assert main(["check-usermods", str(tmp_path / "nowhere")]) == 2
