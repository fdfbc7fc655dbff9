"""Locks on outputs."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest

from ctsm_socnn.errors import AssimilationError, FileError
from ctsm_socnn.locks import locked


def test_a_second_holder_is_told_so_and_the_lock_is_free_again(tmp_path: Path) -> None:
    path, busy = tmp_path / "lock", AssimilationError("busy")
    with locked(path, busy), pytest.raises(AssimilationError, match="busy"), locked(path, busy):
        pass
    with locked(path, busy):
        assert path.exists()


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(FileError, match="nowhere cannot be written"),
        locked(tmp_path / "nowhere" / "lock", AssimilationError("busy")),
    ):
        pass


def test_a_file_system_without_locks_is_warned_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path / "lock", AssimilationError("busy")):
        assert "keeps no locks (Function not implemented)" in caplog.text
