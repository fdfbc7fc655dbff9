"""What the module stops on at run time, and the patcher before that."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctsm_socnn.errors import ExportError, FileError, VersionError
from ctsm_socnn.export.checkout import STOCK_FILES, Checkout
from ctsm_socnn.export.fortran_source import MARK
from ctsm_socnn.export.sourcemods import OWN_MODULES, source_mods

N = 6
CASCADE, TRANSPORT, PROFILE = STOCK_FILES


def message(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr + done.stdout


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("bgc_tau_s2", np.nan, "bgc_tau_s2"),
        ("bgc_tau_s2", 1e36, "bgc_tau_s2"),
        ("bgc_tau_s2", 0.0, "bgc_tau_s2"),
        ("som_diffus", -1e-12, "som_diffus"),
        ("beta", 1.5, "beta"),
        ("bgc_rf_l1s1", -0.1, "bgc_rf_l1s1"),
        ("bgc_rf_l1s1", 1.1, "bgc_rf_l1s1"),
    ],
)
def test_bad_values_name_file_variable_and_cell(
    patched_new: Any, case: Any, tmp_path: Path, name: str, value: float, words: str
) -> None:
    field = np.full(N, 0.5)
    field[3] = value
    done = patched_new.attempt(tmp_path, case, {name: field})
    assert done.returncode != 0
    said = message(done)
    assert f"impossible value of {words} in maps.txt" in said
    assert "in gridcell" in said
    assert "42.0" in said
    assert not (tmp_path / "result.bin").exists()


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        ({"fs1s2": np.full(N, 0.8), "fs1s3": np.full(N, 0.3)}, "fs1s2 + fs1s3"),
        ({"fs2s1": np.full(N, 0.8), "fs2s3": np.full(N, 0.3)}, "fs2s1 + fs2s3"),
        ({"bgc_cwd_fcel": np.full(N, 0.8), "cwd_flig": np.full(N, 0.1)}, "cwd_fcel + cwd_flig"),
        ({"fs1s2": np.full(N, 0.2)}, "only one of fs1s2 and fs1s3"),
        ({"unknown": np.full(N, 0.2)}, "no map of a soil parameter"),
        ({"beta": np.full(N - 1, 0.9)}, "is not on the grid of the model"),
        ({"beta": np.float64(0.9)}, "is not on the grid of the model"),
        ({"beta": np.full((2, N), 0.9)}, "is not on the grid of the model"),
    ],
)
def test_maps_that_do_not_fit(
    patched_new: Any, case: Any, tmp_path: Path, maps: dict[str, Any], words: str
) -> None:
    done = patched_new.attempt(tmp_path, case, maps)
    assert done.returncode != 0
    assert words in message(done)


@pytest.mark.parametrize(
    "coordinates",
    [
        lambda lat, lon: (lat[::-1], lon),
        lambda lat, lon: (lat, np.roll(lon, 3)),
        lambda lat, lon: (lon, lat),
        lambda lat, lon: (lat + 0.01, lon),
        lambda lat, lon: (lat, lon * np.nan),
    ],
    ids=["flipped", "shifted", "exchanged", "off by a hundredth", "NaN"],
)
def test_maps_on_other_cells_stop_the_model(
    patched_new: Any, case: Any, tmp_path: Path, coordinates: Callable[..., Any]
) -> None:
    lat, lon = coordinates(case.lat, case.lon)
    done = patched_new.attempt(
        tmp_path, case, {"beta": np.full(N, 0.9), "LATIXY": lat, "LONGXY": lon}
    )
    assert done.returncode != 0
    assert "flipped, shifted, transposed" in message(done)


def test_westward_longitudes_are_the_same_cells(
    patched_new: Any, case: Any, tmp_path: Path
) -> None:
    west = np.where(case.lon > 180, case.lon - 360, case.lon)
    patched_new.run(tmp_path, case, {"beta": np.full(N, 0.9), "LONGXY": west})


def test_other_decomposition_is_not_silently_ignored(
    patched_new: Any, case: Any, tmp_path: Path
) -> None:
    """With MIMICS, CTSM never initialises the CENTURY cascade, but profiles still run."""
    case.skip_cascade = True
    done = patched_new.attempt(tmp_path, case, {"beta": np.full(N, 0.9)})
    assert done.returncode != 0
    assert "CENTURYKoven2013" in message(done)


def test_fates_is_refused(patched_new: Any, case: Any, tmp_path: Path) -> None:
    case.fates = True
    done = patched_new.attempt(tmp_path, case, {"beta": np.full(N, 0.9)})
    assert done.returncode != 0
    assert "FATES" in message(done)


def test_missing_file_is_named(patched_new: Any, case: Any, tmp_path: Path) -> None:
    patched_new.attempt(tmp_path, case, {"beta": np.full(N, 0.9)})
    (tmp_path / "maps.txt").unlink()
    done = subprocess.run(
        [str(patched_new.executable)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "cannot open maps.txt" in message(done)


@pytest.mark.parametrize("old", [False, True])
def test_lines_are_only_inserted(checkout_at: Callable[..., Path], old: bool) -> None:
    checkout = Checkout.open(checkout_at(old=old))
    mods = source_mods(checkout)
    assert set(mods) == {*STOCK_FILES, *OWN_MODULES}
    for name in STOCK_FILES:
        before = (checkout.root / "src/soilbiogeochem" / name).read_text().splitlines()
        after = mods[name].decode().splitlines()
        assert [line for line in after if not line.endswith(MARK)] == before
        assert len(after) > len(before)
        assert max(len(line) for line in after) <= 132


def test_argument_names_come_from_the_routine(checkout_at: Callable[..., Path]) -> None:
    new = source_mods(Checkout.open(checkout_at("new")))
    old = source_mods(Checkout.open(checkout_at("old", old=True)))
    assert b"socnn_profiles(bounds, num_bgc_vegp, filter_bgc_vegp" in new[PROFILE]
    assert b"socnn_profiles(bounds, num_soilp, filter_soilp" in old[PROFILE]
    assert b"socnn_matrix_rates" in new[CASCADE]
    assert b"socnn_matrix_rates" not in old[CASCADE]


def test_matrix_solution_is_served_only_where_it_is_filled(
    checkout_at: Callable[..., Path],
) -> None:
    """From dev100 to 5.2.013 its switch is there, but `Ksoil` is not filled with the rates."""
    root = checkout_at()
    path = root / "src" / "soilbiogeochem" / CASCADE
    text = path.read_text()
    assert "use_soil_matrixcn" in text
    path.write_text(text.replace("Ksoil%DM(", "Ksoil%d("))
    mods = source_mods(Checkout.open(root))
    assert b"socnn_rates" in mods[CASCADE]
    assert b"socnn_matrix_rates" not in mods[CASCADE]


@pytest.mark.parametrize(
    ("name", "old_text", "new_text", "words"),
    [
        (TRANSPORT, "dz_node(1) = zsoi(1)", "dz_node(1) = 2._r8*zsoi(1)", "found 0 times"),
        (
            TRANSPORT,
            "      dz_node(1) = zsoi(1)\n",
            "      dz_node(1) = zsoi(1)\n" * 2,
            "found 2 times in SoilBiogeochemLittVertTransp",
        ),
        (TRANSPORT, "som_diffus_coef", "diffusivity", "has no som_diffus_coef"),
        (PROFILE, "end associate", "end block", "found 0 times"),
        (PROFILE, "num_bgc_vegp", "npatches", "has 0 arguments like"),
        (CASCADE, "k_frag", "k_cwd", "has no k_frag"),
        (CASCADE, "subroutine init_decompcascade_bgc", "subroutine init_bgc", "found 0 times"),
        (CASCADE, "pathfrac_decomp_cascade(", "pathfrac(", "found in 0 of the subroutines"),
        (CASCADE, "implicit none", "implicit real (a-z)", "found 0 times in the module"),
        (PROFILE, "  implicit none", "  use SocnnMod\n  implicit none", "uses SocnnMod already"),
    ],
)
def test_anchors_that_are_missing_or_ambiguous(
    checkout_at: Callable[..., Path], name: str, old_text: str, new_text: str, words: str
) -> None:
    root = checkout_at()
    path = root / "src" / "soilbiogeochem" / name
    text = path.read_text()
    assert old_text in text
    path.write_text(text.replace(old_text, new_text))
    with pytest.raises(ExportError) as caught:
        source_mods(Checkout.open(root))
    assert words in str(caught.value)
    assert name in str(caught.value)
    assert "CTSM" in str(caught.value)


def test_anchor_in_a_comment_is_none(checkout_at: Callable[..., Path]) -> None:
    root = checkout_at()
    path = root / "src" / "soilbiogeochem" / TRANSPORT
    text = path.read_text()
    path.write_text(
        text.replace("      dz_node(1) =", "      ! dz_node(1) = zsoi(1)\n      dz_node(1) =")
    )
    assert b"socnn_diffusivity" in source_mods(Checkout.open(root))[TRANSPORT]


def git(root: Path, *words: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "-C", str(root), *identity, *words], check=True, capture_output=True)


def test_local_changes_are_refused_and_tags_are_found(checkout_at: Callable[..., Path]) -> None:
    root = checkout_at("a checkout")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "stock")
    git(root, "tag", "ctsm5.1.dev100")
    checkout = Checkout.open(root)
    assert checkout.version.name == "ctsm5.1.dev100"
    assert Checkout.open(root, "ctsm5.2").version.name == "ctsm5.2"
    (root / "notes.txt").write_text("of no concern")
    source_mods(checkout)
    with (root / "src" / "soilbiogeochem" / PROFILE).open("a") as stream:
        stream.write("! mine\n")
    with pytest.raises(ExportError, match=rf"{PROFILE} has local changes"):
        source_mods(checkout)


def test_a_repository_that_git_does_not_read_is_no_unchanged_one(
    checkout_at: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colleague's checkout, say; its local changes were taken for CTSM's own source."""
    root = checkout_at("a checkout")
    git(root, "init", "--quiet")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    with pytest.raises(ExportError, match=r"local changes: fatal: detected dubious ownership"):
        source_mods(Checkout.open(root, "ctsm5.4"))


def test_version_is_told_by_the_source(checkout_at: Callable[..., Path]) -> None:
    old, new = checkout_at("old", old=True), checkout_at("new")
    assert Checkout.open(old).version.generation.startswith("release-clm5.0")
    assert Checkout.open(new, "ctsm5.4").version.name == "ctsm5.4"
    with pytest.raises(VersionError, match=r"not like the ctsm5\.4"):
        Checkout.open(old, "ctsm5.4")
    with pytest.raises(VersionError, match="nearest known"):
        Checkout.open(new, "ctsm6")


DEV043 = {"tau_l1 = 1./18.5": "tau_l1 = 0.05", "'rf_l1s1_bgc'": "'tau_cwd_bgc'"}
DEV048 = DEV043 | {"'rf_l2s1_bgc'": "'MET_LIT'"}
DEV176 = {"'cwd']": "'cwd', 'LIT_MET']", "Ksoil%DM(": "Ksoil%d("}


@pytest.mark.parametrize(
    ("old", "changes", "name", "generation"),
    [
        (True, {}, "release-clm5.0", "release-clm5.0, up to"),
        (True, {"tau_l1 = 1./18.5": "tau_l1 = 0.05"}, "cesm2.2", "ctsm1.0.dev101 to"),
        (True, DEV043, "ctsm5.1.dev043", "ctsm5.1.dev043 to"),
        (True, DEV048, "ctsm5.1.dev048", "ctsm5.1.dev043 to"),
        (False, DEV176, "ctsm5.1.dev176", "ctsm5.1.dev074 to"),
        (False, {"'cwd']": "'cwd', 'LIT_MET']"}, "ctsm5.2", "ctsm5.1.dev074 to"),
    ],
)
def test_version_without_a_tag_is_the_first_that_reads_as_this_source(
    checkout_at: Callable[..., Path], old: bool, changes: dict[str, str], name: str, generation: str
) -> None:
    root = checkout_at(old=old)
    path = root / "src" / "soilbiogeochem" / CASCADE
    text = path.read_text()
    for stock, other in changes.items():
        assert stock in text
        text = text.replace(stock, other)
    path.write_text(text)
    version = Checkout.open(root).version
    assert version.name == name
    assert version.generation.startswith(generation)


def test_nested_usermods_tell_the_newest_from_those_before(
    checkout_at: Callable[..., Path],
) -> None:
    """Grids of create_newcase changed there."""
    root = checkout_at()
    path = root / "src" / "soilbiogeochem" / CASCADE
    path.write_text(path.read_text().replace("'cwd']", "'cwd', 'LIT_MET']"))
    assert not Checkout.open(root).version.nested_usermods
    (root / "cime_config" / "usermods_dirs" / "clm").mkdir(parents=True)
    assert Checkout.open(root).version.nested_usermods


def test_tag_that_is_too_new_is_told_by_the_source(checkout_at: Callable[..., Path]) -> None:
    root = checkout_at()
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "stock")
    git(root, "tag", "ctsm5.4.999")
    assert Checkout.open(root).version.name == "ctsm5.1.dev074"


@pytest.mark.parametrize("name", ["clm", "ctsm"])
def test_ctsm_within_cesm(checkout_at: Callable[..., Path], tmp_path: Path, name: str) -> None:
    checkout_at(f"cesm/components/{name}")
    assert Checkout.open(tmp_path / "cesm").root == tmp_path / "cesm" / "components" / name


def test_no_checkout_at_all(tmp_path: Path, checkout_at: Callable[..., Path]) -> None:
    with pytest.raises(FileError, match="is not a checkout of CTSM"):
        Checkout.open(tmp_path)
    root = checkout_at()
    (root / "src" / "soilbiogeochem" / PROFILE).unlink()
    with pytest.raises(FileError, match=PROFILE):
        source_mods(Checkout.open(root))
