from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctsm_socnn.errors import FileError
from ctsm_socnn.stages import Stage, exclusive, run_stages


class Journal:
    """Two stages that copy text, and a note of which of them ran."""

    def __init__(self, source: Path, factor: int = 2) -> None:
        self.ran: list[str] = []
        self.fail_at: str | None = None
        self.stages = [
            Stage("first", "reading", "first.txt", self._run("first"), inputs=[source]),
            Stage(
                "second",
                "copying",
                "second.txt",
                self._run("second"),
                after=["first"],
                settings={"factor": factor},
            ),
        ]

    def _run(self, name: str):  # type: ignore[no-untyped-def]
        def run(output: Path) -> str:
            self.ran.append(name)
            if self.fail_at == name:
                raise KeyboardInterrupt
            output.write_text(name)
            return "written"

        return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.txt"
    path.write_text("a")
    return path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    path.mkdir()
    return path


def test_stages_run_once(source: Path, directory: Path) -> None:
    journal = Journal(source)
    lines: list[str] = []
    run_stages(journal.stages, directory, report=lines.append)
    assert journal.ran == ["first", "second"]
    assert lines[0] == "[1/2] reading ..."
    assert lines[1].startswith("[1/2] reading: written (")
    run_stages(journal.stages, directory, report=lines.append)
    assert journal.ran == ["first", "second"]
    assert lines[-1] == "[2/2] copying: already done, kept"


def test_a_stopped_run_goes_on(source: Path, directory: Path) -> None:
    journal = Journal(source)
    journal.fail_at = "second"
    with pytest.raises(KeyboardInterrupt):
        run_stages(journal.stages, directory, report=lambda _: None)
    journal.fail_at = None
    run_stages(journal.stages, directory, report=lambda _: None)
    assert journal.ran == ["first", "second", "second"]


def test_other_settings_are_refused_unless_overwriting(source: Path, directory: Path) -> None:
    run_stages(Journal(source).stages, directory, report=lambda _: None)
    changed = Journal(source, factor=3)
    with pytest.raises(FileError, match=r"second\.txt was made with another .* redo 'second'"):
        run_stages(changed.stages, directory, report=lambda _: None)
    run_stages(changed.stages, directory, overwrite=True, report=lambda _: None)
    assert changed.ran == ["second"]


def test_a_changed_input_redoes_what_follows(source: Path, directory: Path) -> None:
    run_stages(Journal(source).stages, directory, report=lambda _: None)
    source.write_text("b")
    changed = Journal(source)
    run_stages(changed.stages, directory, overwrite=True, report=lambda _: None)
    assert changed.ran == ["first", "second"]


def test_a_foreign_file_is_not_replaced(source: Path, directory: Path) -> None:
    (directory / "second.txt").write_text("precious")
    with pytest.raises(FileError, match="is not from this run"):
        run_stages(Journal(source).stages, directory, report=lambda _: None)
    assert (directory / "second.txt").read_text() == "precious"


def test_a_lost_output_is_made_again(source: Path, directory: Path) -> None:
    run_stages(Journal(source).stages, directory, report=lambda _: None)
    (directory / "first.txt").unlink()
    again = Journal(source)
    run_stages(again.stages, directory, report=lambda _: None)
    assert again.ran == ["first"]


def test_a_resuming_stage_finds_its_unfinished_output(directory: Path) -> None:
    seen: list[str] = []

    def run(output: Path) -> str:
        seen.append(output.read_text() if output.exists() else "nothing")
        if len(seen) == 1:
            output.write_text("half")
            raise KeyboardInterrupt
        return "whole"

    stage = Stage("long", "working", "long.txt", run, resumes=True)
    with pytest.raises(KeyboardInterrupt):
        run_stages([stage], directory, report=lambda _: None)
    run_stages([stage], directory, report=lambda _: None)
    assert seen == ["nothing", "half"]
    other = Stage("long", "working", "long.txt", run, settings={"n": 2}, resumes=True)
    run_stages([other], directory, overwrite=True, report=lambda _: None)
    assert seen[-1] == "nothing"


def test_a_kill_between_output_and_ledger_is_mended(source: Path, directory: Path) -> None:
    journal = Journal(source)
    journal.fail_at = "second"
    with pytest.raises(KeyboardInterrupt):
        run_stages(journal.stages, directory, report=lambda _: None)
    (directory / "second.txt").write_text("second")
    run_stages(Journal(source).stages, directory, report=lambda _: None)


def test_a_foreign_directory_is_not_removed(directory: Path) -> None:
    (directory / "long").mkdir()
    stage = Stage("long", "working", "long", lambda _: "done", resumes=True)
    with pytest.raises(FileError, match="is not from this run"):
        run_stages([stage], directory, report=lambda _: None)
    assert (directory / "long").is_dir()


def test_two_runs_on_one_directory_refuse_each_other(source: Path, directory: Path) -> None:
    with exclusive(directory), pytest.raises(FileError, match="in use by another run"):
        run_stages(Journal(source).stages, directory, report=lambda _: None)


def test_a_damaged_ledger_is_named(source: Path, directory: Path) -> None:
    (directory / "stages.json").write_text("{")
    with pytest.raises(FileError, match=r"stages\.json is damaged"):
        run_stages(Journal(source).stages, directory, report=lambda _: None)


def test_the_ledger_names_each_stage(source: Path, directory: Path) -> None:
    run_stages(Journal(source).stages, directory, report=lambda _: None)
    ledger = json.loads((directory / "stages.json").read_text())
    assert set(ledger) == {"first", "second"}


def test_an_input_may_be_a_directory_of_tables(tmp_path: Path, directory: Path) -> None:
    database = tmp_path / "database"
    database.mkdir()
    (database / "layers.csv").write_text("a")
    run_stages(Journal(database).stages, directory, report=lambda _: None)
    (database / "layers.csv").write_text("b")
    with pytest.raises(FileError, match=r"first\.txt was made with another"):
        run_stages(Journal(database).stages, directory, report=lambda _: None)


def test_what_a_killed_run_left_half_written_is_removed_and_nothing_else(
    source: Path, directory: Path
) -> None:
    journal = Journal(source)
    journal.fail_at = "second"
    with pytest.raises(KeyboardInterrupt):
        run_stages(journal.stages, directory)
    half_written = [
        directory / name for name in (".second.txt.k3_x90ab.txt", ".stages.json.abcdefgh")
    ]
    (directory / ".second.txt.zyxwvuts").mkdir()
    for path in half_written:
        path.write_text("half")
    (directory / ".notes").write_text("a user's own")
    journal.fail_at = None
    run_stages(journal.stages, directory)
    hidden = sorted(path.name for path in directory.glob(".*"))
    assert hidden == [".lock", ".notes"]
