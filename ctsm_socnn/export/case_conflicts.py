"""Conflicts between an existing case and our SourceMods."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ctsm_socnn.export.checkout import STOCK_FILES

__all__ = ["SOURCE_MODS", "case_conflicts", "overridden_settings"]

SOURCE_MODS: Final = Path("SourceMods") / "src.clm"

_ASSIGNMENT: Final = re.compile(r"^\s*(\w+)\s*=\s*(.*?)[\s,]*$", re.MULTILINE)
_REFUSED: Final = {
    r"soil_decomp_method\s*=\s*'MIMICS": "MIMICS decomposition, which has rates of its own",
    r"use_fates\s*=\s*\.true\.": "FATES",
    r"use_century_decomp\s*=\s*\.false\.": "the CLM4.5 cascade instead of CENTURY's",
}


def case_conflicts(case: Path, ours: Mapping[str, bytes]) -> Iterator[str]:
    """List conflicts with putting SourceMods into a case.

    Parameters
    ----------
    case : Path
        Case directory.
    ours : mapping of file name to content
        Our SourceMods; empty if there are none.

    Yields
    ------
    str
        One problem each: another file of the same name, or a decomposition that they do not know.
    """
    if not (case / "SourceMods").is_dir():
        yield f"{case} is not a case: it has no SourceMods"
        return
    for name in STOCK_FILES:
        theirs = case / SOURCE_MODS / name
        if theirs.is_file() and theirs.read_bytes() != ours.get(name):
            yield f"{theirs} exists already and is another file; merge by hand"
    if not ours:
        return
    for path in (case / "user_nl_clm", case / "CaseDocs" / "lnd_in"):
        code = _without_comments(path) if path.is_file() else ""
        for pattern, what in _REFUSED.items():
            if re.search(pattern, code, re.IGNORECASE):
                yield f"{path} selects {what}; these SourceMods do not work with it"


def overridden_settings(case: Path, user_nl: Path) -> Iterator[str]:
    """Say which settings of a usermods directory a case has taken and then sets otherwise.

    CIME appends the `user_nl_clm` of each usermods directory, once for each instance of the model,
    and of two lines of one name the later counts.

    Parameters
    ----------
    case : Path
        Case directory.
    user_nl : Path
        `user_nl_clm` of the usermods directory.

    Yields
    ------
    str
        One problem each.
    """
    ours = {name: values[-1] for name, values in _assignments(user_nl).items()}
    for path in sorted(case.glob("user_nl_clm*")):
        theirs = _assignments(path)
        for name, value in ours.items():
            found = theirs.get(name, [])
            if value in found and found[-1] != value:
                yield (
                    f"{path} sets {name} again, to {found[-1]}; the last line counts, so remove "
                    "it or put these usermods last"
                )


def _assignments(user_nl: Path) -> dict[str, list[str]]:
    """Values by name, in the order of the lines, without what is commented out."""
    found: dict[str, list[str]] = {}
    for name, value in _ASSIGNMENT.findall(_without_comments(user_nl)):
        found.setdefault(name.lower(), []).append(value.replace('"', "'"))
    return found


def _without_comments(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace")
    return "\n".join(line.split("!")[0] for line in text.splitlines())
