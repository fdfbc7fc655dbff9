"""Insertions into Fortran files of others.

Nothing stock is changed or removed: lines are put before anchors, and an anchor that is missing or
ambiguous stops the work. Comments are ignored when looking; bytes are kept when writing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ctsm_socnn.errors import ExportError, FileError

__all__ = ["MARK", "FortranSource"]

MARK = "! ctsm-socnn"
"""Ends every inserted line, so that a reader sees what is ours."""

_LONGEST_LINE = 132


@dataclass(frozen=True)
class _Span:
    """Lines of one routine, first and last included."""

    first: int
    last: int


@dataclass
class FortranSource:
    """One free-form file and the lines to be inserted into it.

    Attributes
    ----------
    name : str
        File name, for messages.
    version : str
        CTSM version, for messages.
    lines : list of str
        As read, with their ends.
    """

    name: str
    version: str
    lines: list[str]
    _insertions: list[tuple[int, list[str]]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path, version: str) -> FortranSource:
        """Read a file.

        Raises
        ------
        FileError
            If it is missing.
        """
        if not path.is_file():
            raise FileError(f"{path} does not exist; is this a checkout of CTSM {version}?")
        return cls(path.name, version, path.read_bytes().decode("latin-1").splitlines(True))

    def text(self) -> bytes:
        """Return the file with the insertions."""
        result = list(self.lines)
        for index, block in sorted(self._insertions, key=lambda entry: entry[0], reverse=True):
            result[index:index] = block
        return "".join(result).encode("latin-1")

    def contains(self, pattern: str) -> bool:
        """Whether code, comments aside, matches a regular expression."""
        return any(re.search(pattern, _code(line), re.IGNORECASE) for line in self.lines)

    def routine_with(self, pattern: str, candidates: Sequence[str]) -> str:
        """Name of the one routine among `candidates` whose code matches.

        Raises
        ------
        ExportError
            If none or several do.
        """
        found = [name for name in candidates if self._matches(pattern, self._routine(name))]
        if len(found) != 1:
            raise ExportError(
                f"{self._where()}: {pattern!r} found in {len(found)} of the subroutines "
                f"{', '.join(candidates)}; it must be in one; {self._remedy()}"
            )
        return found[0]

    def argument(self, routine: str, pattern: str) -> str:
        """Name of the one argument of a routine that matches a regular expression.

        Raises
        ------
        ExportError
            If there is none, or several.
        """
        names = [name for name in self._arguments(routine) if re.fullmatch(pattern, name)]
        if len(names) != 1:
            raise ExportError(
                f"{self._where()}: subroutine {routine} has {len(names)} arguments like "
                f"{pattern!r}; there must be one; {self._remedy()}"
            )
        return names[0]

    def require_names(self, routine: str, names: Sequence[str]) -> None:
        """Refuse a routine in which one of our arguments does not appear.

        Raises
        ------
        ExportError
        """
        span = self._routine(routine)
        missing = [name for name in names if not self._matches(rf"\b{re.escape(name)}\b", span)]
        if missing:
            raise ExportError(
                f"{self._where()}: subroutine {routine} has no {', '.join(missing)}; "
                f"{self._remedy()}"
            )

    def before_first(self, pattern: str, block: Sequence[str]) -> None:
        """Insert lines before the first line of the file that matches."""
        matches = self._matches(pattern, _Span(0, len(self.lines) - 1))
        self._insert(matches[:1], pattern, "the module", block)

    def before_only(self, routine: str, pattern: str, block: Sequence[str]) -> None:
        """Insert lines before the one line of a routine that matches."""
        self._insert(self._matches(pattern, self._routine(routine)), pattern, routine, block)

    def before_last(self, routine: str, pattern: str, block: Sequence[str]) -> None:
        """Insert lines before the last line of a routine that matches."""
        self._insert(self._matches(pattern, self._routine(routine))[-1:], pattern, routine, block)

    def _insert(self, matches: list[int], pattern: str, routine: str, block: Sequence[str]) -> None:
        if len(matches) != 1:
            raise ExportError(
                f"{self._where()}: anchor {pattern!r} found {len(matches)} times in {routine}, "
                f"it must be there once; {self._remedy()}"
            )
        end = "\r\n" if self.lines[matches[0]].endswith("\r\n") else "\n"
        marked = [f"{line} {MARK}{end}" for line in block]
        too_long = [line for line in marked if len(line.rstrip()) > _LONGEST_LINE]
        if too_long:
            raise ExportError(f"{self._where()}: inserted line is too long: {too_long[0].strip()}")
        self._insertions.append((matches[0], marked))

    def _routine(self, name: str) -> _Span:
        starts = self._all(rf"^\s*(?:\w+\s+)*subroutine\s+{name}\b", not_after="end")
        ends = self._all(rf"^\s*end\s*subroutine\s+{name}\b")
        if len(starts) != 1 or len(ends) != 1 or ends[0] < starts[0]:
            raise ExportError(
                f"{self._where()}: subroutine {name} found {len(starts)} times; it must be there once; "
                f"{self._remedy()}"
            )
        return _Span(starts[0], ends[0])

    def _all(self, pattern: str, not_after: str = "") -> list[int]:
        lines = range(len(self.lines))
        found = [i for i in lines if re.search(pattern, _code(self.lines[i]), re.IGNORECASE)]
        if not_after:
            prefix = re.compile(rf"^\s*{not_after}\b", re.IGNORECASE)
            found = [i for i in found if not prefix.search(self.lines[i])]
        return found

    def _matches(self, pattern: str, span: _Span) -> list[int]:
        inside = range(span.first, span.last + 1)
        return [i for i in inside if re.search(pattern, _code(self.lines[i]), re.IGNORECASE)]

    def _arguments(self, routine: str) -> list[str]:
        index = self._routine(routine).first
        statement = ""
        while True:
            code = _code(self.lines[index]).strip()
            statement += code.rstrip("&")
            if not code.endswith("&"):
                break
            index += 1
        inside = re.search(r"\((.*)\)", statement)
        return [name.strip().lower() for name in inside[1].split(",")] if inside else []

    def _where(self) -> str:
        return f"{self.name} of CTSM {self.version}"

    def _remedy(self) -> str:
        return "this version needs other insertions than those known here"


def _code(line: str) -> str:
    """Line without comment and end; quotes with an exclamation mark inside are kept."""
    quote = ""
    for i, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "!":
            return line[:i]
    return line.rstrip("\r\n")
