"""How far a run is, in a log file."""

from __future__ import annotations

import re

import pytest

from ctsm_socnn.assimilation import progress


def test_a_log_file_gets_whole_lines_with_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with progress.progress_bar(24, 8, show=True) as bar:
        bar.update(8)
        bar.update(8)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("sites: 8 of 24")
    assert re.fullmatch(r"sites: 16 of 24, +[0-9.]+ sites/s, 00:00 left", lines[1])
    assert lines[-1].startswith("sites: 24 of 24")
    assert "\r" not in "".join(lines)


def test_a_short_run_says_nothing_before_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress_bar(24, 0, show=True) as bar:
        bar.update(8)
        assert capsys.readouterr().err == ""
    with progress.progress_bar(24, 0, show=False) as bar:
        bar.update(24)
    assert "24 of 24" not in capsys.readouterr().err
