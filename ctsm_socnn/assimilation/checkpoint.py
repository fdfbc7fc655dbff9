"""Results of finished blocks, kept beside the output during a run.

A directory `OUTPUT.parts` holds one file per finished block, written under another name and renamed,
so that a run that is killed at any moment loses at most the blocks in flight. A lock keeps two runs
from working on one output.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import AssimilationError, FileError
from ctsm_socnn.interruption import stop_if_asked
from ctsm_socnn.locks import locked
from ctsm_socnn.netcdf import require_place

__all__ = ["Block", "Checkpoint"]

Block = dict[str, NDArray[np.generic]]
"""Results of consecutive sites: arrays with the site first."""

_FINGERPRINT: Final = "run.json"
_LOCK: Final = "lock"


class Checkpoint:
    """Finished blocks of one run.

    Parameters
    ----------
    output : Path
        The file that the run will make; the blocks lie in `OUTPUT.parts`.
    fingerprint : mapping of str to str
        What decides the results. Blocks of a run with another fingerprint are not mixed in.
    overwrite : bool
        Whether an `output` that exists may be replaced.

    Raises
    ------
    AssimilationError
        On entering, if another run holds the lock or left blocks of other settings.
    FileError
        If the output exists or the directory cannot be written.
    """

    def __init__(
        self, output: Path, fingerprint: Mapping[str, str], *, overwrite: bool = False
    ) -> None:
        self._output = Path(output)
        self._directory = self._output.with_name(self._output.name + ".parts")
        self._fingerprint = dict(fingerprint)
        self._overwrite = overwrite
        self._lock = ExitStack()

    def __enter__(self) -> Self:
        require_place(self._output, overwrite=self._overwrite)
        try:
            self._directory.mkdir(exist_ok=True)
        except OSError as error:
            raise FileError(f"{self._directory} cannot be written: {error.strerror}") from error
        busy = AssimilationError(
            f"another run is working on {self._output}; wait for it or choose another output"
        )
        with ExitStack() as lock:
            lock.enter_context(locked(self._directory / _LOCK, busy))
            self._claim()
            self._lock = lock.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.close()

    def scratch(self, index: int) -> Path:
        """Directory, yet to be made, for work on a block that is not finished."""
        return self._directory / f"scratch_{index:06d}"

    def load(self, index: int) -> Block | None:
        """Return a finished block, or None if there is none that can be read."""
        try:
            with np.load(self._path(index), allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return None

    def save(self, index: int, block: Block) -> None:
        """Keep a finished block; what was left in its `scratch` is removed.

        Raises
        ------
        FileError
            If it cannot be written, for example on a full disk; earlier blocks stay.
        KeyboardInterrupt
            After it is kept, if the run was asked to stop.
        """
        path = self._path(index)
        try:
            part = path.with_suffix(".part")
            with part.open("wb") as stream:
                np.savez(stream, allow_pickle=False, **block)
            part.replace(path)
        except OSError as error:
            raise FileError(
                f"{path} cannot be written: {error.strerror}; what is done so far is kept in "
                f"{self._directory} and the same command continues from there"
            ) from error
        shutil.rmtree(self.scratch(index), ignore_errors=True)
        stop_if_asked()

    def finish(self) -> None:
        """Remove the blocks, after the output has been written."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _path(self, index: int) -> Path:
        return self._directory / f"block_{index:06d}.npz"

    def _claim(self) -> None:
        """Write the fingerprint, or check it against the one that is there."""
        path = self._directory / _FINGERPRINT
        if not path.exists():
            self._write_fingerprint(path)
            return
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FileError(f"{path} cannot be read; remove {self._directory}") from error
        changed = sorted(
            name
            for name in {*earlier, *self._fingerprint}
            if earlier.get(name) != self._fingerprint.get(name)
        )
        if changed:
            raise AssimilationError(
                f"{self._directory} holds an unfinished run with another {', '.join(changed)}; "
                f"repeat that command to finish it, or remove the directory"
            )

    def _write_fingerprint(self, path: Path) -> None:
        part = path.with_suffix(".part")
        try:
            part.write_text(json.dumps(self._fingerprint, indent=1), encoding="utf-8")
            part.replace(path)
        except OSError as error:
            raise FileError(f"{path} cannot be written: {error.strerror}") from error
