"""Conflicts between an existing case and our SourceMods."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ctsm_socnn.export.checkout import STOCK_FILES

__all__ = ["SOURCE_MODS", "case_conflicts"]

SOURCE_MODS: Final = Path("SourceMods") / "src.clm"

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
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        code = "\n".join(line.split("!")[0] for line in text.splitlines())
        for pattern, what in _REFUSED.items():
            if re.search(pattern, code, re.IGNORECASE):
                yield f"{path} selects {what}; these SourceMods do not work with it"
