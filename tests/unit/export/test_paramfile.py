from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from ctsm_socnn.errors import ExportError, FileError
from ctsm_socnn.export.paramfile import GRIDDED_FILE_ATTRIBUTE, named_maps, write_paramfile
from ctsm_socnn.parameters import PARAMETER_NAMES, TurnoverConvention

Template = Callable[..., Path]
UNNORMALISED = TurnoverConvention.UNNORMALISED

REAL = {
    "clm_params/clm5_params.c171117.nc": "release-clm5.0",
    "clm_params/clm5_params.c190829.nc": "cesm2.2",
    "clm_params/clm5_params.c200717.nc": "ctsm5.1.dev001",
    "clm_params/ctsm51_params.c210217_kwo.c210222.nc": "ctsm5.1.dev042",
    "ctsm_run/ctsm54_form_params.nc": "ctsm5.4.053",
}


def raw(path: Path) -> dict[str, tuple[object, ...]]:
    """Everything about each variable but its name."""
    with netCDF4.Dataset(path) as dataset:
        dataset.set_auto_maskandscale(False)
        return {
            name: (
                variable.dtype,
                variable.dimensions,
                variable.shape,
                {a: str(variable.getncattr(a)) for a in variable.ncattrs()},
                np.asarray(variable[...]).tobytes(),
            )
            for name, variable in dataset.variables.items()
        }


def only_values_differ(template: Path, output: Path) -> set[str]:
    before, after = raw(template), raw(output)
    assert list(before) == list(after)
    for name, entry in before.items():
        assert entry[:4] == after[name][:4], name
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize("version", ["release-clm5.0", "cesm2.2", "ctsm5.1.dev043", "ctsm5.4"])
@pytest.mark.parametrize("allpfts", [False, True])
def test_only_the_scalars_that_the_version_reads_change(
    template: Template, values: np.ndarray, tmp_path: Path, version: str, allpfts: bool
) -> None:
    source, output = template(version, allpfts=allpfts), tmp_path / "new.nc"
    delivery = write_paramfile(source, output, values, convention=UNNORMALISED, version=version)
    changed = only_values_differ(source, output)
    written = {w.name for w in delivery.written if w.place == "paramfile" and w.before != w.after}
    assert changed == written
    assert ("tau_s1" in changed) is (version in ("cesm2.2", "ctsm5.1.dev043"))
    assert ("bgc_tau_s1" in changed) is (version == "ctsm5.4")
    with netCDF4.Dataset(output) as dataset:
        assert dataset.data_model == "NETCDF3_CLASSIC"
        for entry in delivery.written:
            if entry.place == "paramfile":
                assert float(np.asarray(dataset[entry.name][...]).item()) == entry.after
        lines = dataset.getncattr("history").splitlines()
        assert lines[-1] == "made for a test"
        assert len(lines) == 2


@pytest.mark.parametrize(("name", "version"), REAL.items())
def test_real_paramfiles(
    shared_data: Path, values: np.ndarray, tmp_path: Path, name: str, version: str
) -> None:
    source, output = shared_data / "data" / name, tmp_path / "new.nc"
    delivery = write_paramfile(source, output, values, convention=UNNORMALISED, version=version)
    changed = only_values_differ(source, output)
    assert changed == {
        w.name for w in delivery.written if w.place == "paramfile" and w.before != w.after
    }
    assert "q10_mr" in changed
    assert ("som_diffus" in changed) is (version != "release-clm5.0")


@pytest.mark.parametrize(("name", "version"), REAL.items())
def test_clm5_values_leave_the_real_files_as_they_are(
    shared_data: Path, defaults: np.ndarray, tmp_path: Path, name: str, version: str
) -> None:
    """Unit conversions there and back must not leave traces of rounding."""
    source, output = shared_data / "data" / name, tmp_path / "same.nc"
    write_paramfile(source, output, defaults, convention=UNNORMALISED, version=version)
    assert only_values_differ(source, output) == set()


def test_namelist_items_are_handed_over(
    template: Template, values: np.ndarray, tmp_path: Path
) -> None:
    delivery = write_paramfile(
        template("cesm2.2"), tmp_path / "n.nc", values, convention=UNNORMALISED, version="cesm2.2"
    )
    assert list(delivery.namelist) == ["decomp_depth_efolding"]
    assert "decomp_depth_efolding" in delivery.table()


def test_template_of_another_version_is_one_error(
    template: Template, values: np.ndarray, tmp_path: Path
) -> None:
    output = tmp_path / "n.nc"
    with pytest.raises(ExportError, match=r"bgc_tau_l1.* it fits .*cesm2\.2"):
        write_paramfile(
            template("cesm2.2"), output, values, convention=UNNORMALISED, version="ctsm5.4"
        )
    assert not output.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["params_cesm2.2.nc"]


def test_strict_refuses_what_cannot_arrive(
    template: Template, values: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=r"fs1s2.*beta"):
        write_paramfile(
            template(), tmp_path / "n.nc", values,
            convention=UNNORMALISED, version="ctsm5.4", strict=True,
        )  # fmt: skip


def test_never_overwrites_unless_asked(
    template: Template, values: np.ndarray, tmp_path: Path
) -> None:
    output = tmp_path / "n.nc"
    output.write_text("precious")
    with pytest.raises(FileError, match="exists already"):
        write_paramfile(template(), output, values, convention=UNNORMALISED, version="ctsm5.4")
    assert output.read_text() == "precious"
    write_paramfile(
        template(), output, values, convention=UNNORMALISED, version="ctsm5.4", overwrite=True
    )
    assert output.read_bytes()[:3] == b"CDF"


@pytest.mark.parametrize("content", [b"", b"not netCDF at all", None])
def test_unreadable_template(values: np.ndarray, tmp_path: Path, content: bytes | None) -> None:
    source = tmp_path / "template.nc"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(FileError, match=r"template\.nc"):
        write_paramfile(
            source, tmp_path / "n.nc", values, convention=UNNORMALISED, version="ctsm5.4"
        )


def test_a_scalar_with_several_values_is_refused(
    template: Template, values: np.ndarray, tmp_path: Path
) -> None:
    source = tmp_path / "odd.nc"
    with netCDF4.Dataset(template()) as old, netCDF4.Dataset(source, "w") as new:
        new.createDimension("pft", 4)
        for name, variable in old.variables.items():
            dims = ("pft",) if name == "bgc_tau_s2" else ()
            new.createVariable(name, "f8", dims)[...] = np.asarray(variable[...]).flat[0]
    with pytest.raises(ExportError, match="bgc_tau_s2 holds 4 values"):
        write_paramfile(
            source, tmp_path / "n.nc", values, convention=UNNORMALISED, version="ctsm5.4"
        )


def test_gridded_file_is_named_by_an_attribute_only_when_asked(
    template: Template, values: np.ndarray, tmp_path: Path
) -> None:
    plain, named = tmp_path / "plain.nc", tmp_path / "named.nc"
    write_paramfile(template(), plain, values, convention=UNNORMALISED, version="ctsm5.4")
    write_paramfile(
        template(), named, values,
        convention=UNNORMALISED, version="ctsm5.4", gridded_file="/data/maps.nc",
    )  # fmt: skip
    with netCDF4.Dataset(plain) as one, netCDF4.Dataset(named) as other:
        assert GRIDDED_FILE_ATTRIBUTE not in one.ncattrs()
        assert other.getncattr(GRIDDED_FILE_ATTRIBUTE) == "/data/maps.nc"
    with pytest.raises(ExportError, match="names a gridded file already"):
        write_paramfile(
            named, tmp_path / "third.nc", values, convention=UNNORMALISED, version="ctsm5.4"
        )


def test_a_change_in_the_ninth_digit_arrives(
    template: Template, defaults: np.ndarray, tmp_path: Path
) -> None:
    """The file is double precision, and so is what CTSM computes with."""
    defaults[PARAMETER_NAMES.index("efolding")] = 10.0 + 1e-8
    write_paramfile(
        template(), tmp_path / "n.nc", defaults, convention=UNNORMALISED, version="ctsm5.4"
    )
    with netCDF4.Dataset(tmp_path / "n.nc") as dataset:
        assert float(dataset["decomp_depth_efolding"][...]) == 10.0 + 1e-8


def test_a_copy_that_differs_in_more_than_was_meant_is_refused(
    template: Template, values: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_too_much(_: object, path: Path) -> None:
        with netCDF4.Dataset(path, "r+") as dataset:
            dataset["slatop"][1] = 0.02

    source = template()
    monkeypatch.setattr("ctsm_socnn.export.paramfile._apply", write_too_much)
    with pytest.raises(ExportError, match="does not hold what was written"):
        write_paramfile(
            source, tmp_path / "n.nc", values, convention=UNNORMALISED, version="ctsm5.4"
        )
    assert list(tmp_path.iterdir()) == [source]


def test_maps_are_found_where_they_are_named_or_beside_the_paramfile(
    template: Template, values: np.ndarray, tmp_path: Path
) -> None:
    named, beside = tmp_path / "old" / "maps.nc", tmp_path / "maps.nc"
    paramfile = tmp_path / "n.nc"
    write_paramfile(
        template(), paramfile, values,
        convention=UNNORMALISED, version="ctsm5.4", gridded_file=str(named),
    )  # fmt: skip
    assert named_maps(template()) is None
    with pytest.raises(ExportError, match="copy the whole usermods directory"):
        named_maps(paramfile)
    beside.touch()
    assert named_maps(paramfile) == beside
    named.parent.mkdir()
    named.touch()
    assert named_maps(paramfile) == named
