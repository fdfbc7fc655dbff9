"""Resumable stages: an interrupted run continues where it stopped, if nothing relevant changed.

Each stage writes one output (a file or a directory) and is known by a fingerprint of all that
decides its result: package version, its settings, the bytes of its input files and the fingerprints
of the stages before it. The fingerprints of finished stages stand in `stages.json` beside the
outputs. A stage whose fingerprint stands there is not run again; one whose fingerprint differs is
redone only when the user says so.
"""

from __future__ import annotations

import glob
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ctsm_socnn.errors import FileError
from ctsm_socnn.interruption import stop_if_asked
from ctsm_socnn.locks import locked
from ctsm_socnn.netcdf import atomic_output
from ctsm_socnn.provenance import checksum, package_version

__all__ = ["LARGE", "Stage", "exclusive", "run_stages"]

_LEDGER: Final = "stages.json"
_LOCK: Final = ".lock"
LARGE: Final = 1 << 28
"""Bytes above which an input is not read only to know it again."""


@dataclass(frozen=True)
class Stage:
    """One step of a run.

    Attributes
    ----------
    name : str
        Name in messages and in `stages.json`.
    title : str
        What it does, as it is shown while it runs.
    output : str
        File or directory that it writes, relative to the run's directory.
    run : callable
        Does the work; gets the path of the output and returns one line about the result.
    after : sequence of str
        Names of the stages whose results it uses.
    settings : mapping
        What of the configuration decides its result.
    inputs : sequence of Path
        Files from outside the run that decide its result.
    resumes : bool
        Whether what an interrupted run left is kept for the stage to go on with.
    leftovers : sequence of str
        Files or directories that an interrupted run may leave beside the output.
    """

    name: str
    title: str
    output: str
    run: Callable[[Path], str]
    after: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[Path] = ()
    resumes: bool = False
    leftovers: Sequence[str] = ()


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold a directory against a second run.

    Raises
    ------
    FileError
        If another process holds it, or it cannot be written.
    """
    busy = FileError(f"{directory} is in use by another run; wait for it or choose another output")
    with locked(directory / _LOCK, busy):
        yield


def run_stages(
    stages: Sequence[Stage],
    directory: Path,
    *,
    overwrite: bool = False,
    report: Callable[[str], None] = print,
) -> None:
    """Run the stages that are not done yet, in order.

    Parameters
    ----------
    stages : sequence of Stage
        Each after those whose results it uses.
    directory : Path
        Where outputs and `stages.json` stand; it must exist.
    overwrite : bool
        Redo stages whose output was made with other settings or inputs.
    report : callable
        Gets one line before and one after each stage.

    Raises
    ------
    FileError
        If an output of other settings is in the way, or the directory is in use.
    KeyboardInterrupt
        If the run was asked to stop, at the latest when a stage is done.
    """
    with exclusive(directory):
        fingerprints = _fingerprints(stages)
        ledger = _Ledger(directory)
        if not overwrite:
            _refuse_changed(stages, fingerprints, ledger)
        for number, stage in enumerate(stages, start=1):
            label = f"[{number}/{len(stages)}] {stage.title}"
            output = directory / stage.output
            state = ledger.state(stage.name, fingerprints[stage.name])
            if state == "done" and output.exists():
                report(f"{label}: already done, kept")
                continue
            goes_on = stage.resumes and state == "started"
            for name in (stage.output, *stage.leftovers):
                _remove_temporaries(directory / name)
                if not goes_on:
                    _remove(directory / name)
            ledger.record(stage.name, fingerprints[stage.name], "started")
            report(f"{label} ...")
            start = time.monotonic()
            summary = stage.run(output)
            ledger.record(stage.name, fingerprints[stage.name], "done")
            stop_if_asked()
            report(f"{label}: {summary} ({time.monotonic() - start:.1f} s)")


class _Ledger:
    """`stages.json`: for each stage its fingerprint and whether it is started or done."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / _LEDGER
        _remove_temporaries(self.path)
        self._entries: dict[str, dict[str, str]] = {}
        if self.path.exists():
            try:
                self._entries = json.loads(self.path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise FileError(
                    f"{self.path} is damaged ({error}); remove {directory} or choose another output"
                ) from error

    def state(self, name: str, fingerprint: str) -> str:
        """Tell `started`, `done`, `other` (made with another fingerprint) or `unknown`."""
        entry = self._entries.get(name)
        if entry is None:
            return "unknown"
        return entry["state"] if entry["fingerprint"] == fingerprint else "other"

    def record(self, name: str, fingerprint: str, state: str) -> None:
        self._entries[name] = {"state": state, "fingerprint": fingerprint}
        with atomic_output(self.path, overwrite=True) as temporary:
            temporary.write_text(json.dumps(self._entries, indent=1) + "\n", encoding="utf-8")


def _fingerprints(stages: Sequence[Stage]) -> dict[str, str]:
    found: dict[str, str] = {}
    for stage in stages:
        content = {
            "version": package_version(),
            "stage": stage.name,
            "settings": stage.settings,
            "inputs": [_identity(path) for path in stage.inputs],
            "after": [found[name] for name in stage.after],
        }
        text = json.dumps(content, sort_keys=True)
        found[stage.name] = hashlib.sha256(text.encode()).hexdigest()
    return found


def _identity(path: Path) -> str:
    """Checksum of a file or of all in a directory; size and time of change of what is too large."""
    try:
        status = path.stat()
    except OSError as error:
        raise FileError(f"{path} does not exist") from error
    if path.is_dir():
        return " ".join(_identity(item) for item in sorted(path.iterdir()))
    if status.st_size > LARGE:
        return f"{path.name} {status.st_size} {status.st_mtime_ns}"
    return checksum(path)


def _refuse_changed(
    stages: Sequence[Stage], fingerprints: Mapping[str, str], ledger: _Ledger
) -> None:
    for stage in stages:
        output = ledger.path.parent / stage.output
        state = ledger.state(stage.name, fingerprints[stage.name])
        if state == "unknown" and output.exists():
            raise FileError(
                f"{output} exists already and is not from this run; choose another output"
            )
        if state == "other":
            raise FileError(
                f"{output} was made with another configuration, input or version; give "
                f"--overwrite to redo '{stage.name}' and what follows, or choose another output"
            )


def _remove_temporaries(output: Path) -> None:
    """Remove what a killed run left of writing an output; the lock says that nobody writes now."""
    for path in output.parent.glob(f".{glob.escape(output.name)}.????????*"):
        _remove(path)


def _remove(output: Path) -> None:
    if output.is_dir():
        shutil.rmtree(output)
    else:
        output.unlink(missing_ok=True)
