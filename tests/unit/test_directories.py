from __future__ import annotations

import os
from pathlib import Path

import pytest

from ctsm_socnn.directories import (
    CHECKSUMS,
    atomic_directory,
    damaged_files,
    make_directory,
    read_checksums,
    write_checksums,
)
from ctsm_socnn.errors import FileError


def make(directory: Path, text: str, *, overwrite: bool = False) -> None:
    with atomic_directory(directory, overwrite=overwrite) as temporary:
        (temporary / "file").write_text(text)
        write_checksums(temporary)


def test_directories_are_made_or_the_reason_is_told(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b")
    make_directory(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file cannot be made: "):
        make_directory(tmp_path / "file")


def test_a_place_where_nothing_can_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("ctsm_socnn.directories.tempfile.mkdtemp", refuse)
    with pytest.raises(FileError, match="made cannot be made: Permission denied"):
        make(tmp_path / "made", "one")


def test_appears_whole_with_ordinary_permissions(tmp_path: Path) -> None:
    make(tmp_path / "made", "one")
    assert (tmp_path / "made" / "file").read_text() == "one"
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o777 & ~umask
    assert [p.name for p in tmp_path.iterdir()] == ["made"]


def test_failure_leaves_what_was_there(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_directory(tmp_path / "made", overwrite=True) as temporary:
            (temporary / "file").write_text("two")
            raise RuntimeError

    make(tmp_path / "made", "one")
    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "made" / "file").read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["made"]


def test_failing_swap_puts_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"
    make(made, "one")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if Path(target) == made and self.name != "old":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(FileError, match="No space left on device"):
        make(made, "two", overwrite=True)
    assert (made / "file").read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("record", [None, "no checksum here\n", "abc  file\n"])
def test_records_that_are_none(tmp_path: Path, record: str | None) -> None:
    if record is not None:
        (tmp_path / CHECKSUMS).write_text(record)
    with pytest.raises(FileError, match=CHECKSUMS):
        read_checksums(tmp_path)


def test_damage(tmp_path: Path) -> None:
    for name in ("kept", "changed", "lost"):
        (tmp_path / name).write_text(name)
    write_checksums(tmp_path)
    assert damaged_files(tmp_path) == []
    (tmp_path / "changed").write_text("other")
    (tmp_path / "lost").unlink()
    (tmp_path / "new").write_text("")
    assert damaged_files(tmp_path) == [
        "lost is missing",
        "changed has changed",
        "new is not recorded",
    ]
