"""The ready-made usermods ask CTSM for exactly what the forcing stage reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ctsm_socnn.forcing.field_names import (
    FIELD_NAME_LENGTH,
    GENERATIONS,
    LITTER_POOLS,
    Generation,
)

ROOT = Path(__file__).resolve().parents[3] / "usermods" / "forcing_output"
SCALARS = ("TSOI", "W_SCALAR", "O_SCALAR", "FPI_vr", "ALTMAX", "ALTMAX_LASTYEAR", "SOILPSI", "NPP")


def assignments(directory: Path) -> dict[str, list[str]]:
    """Namelist items of a user_nl_clm, values split at commas."""
    text = (directory / "user_nl_clm").read_text(encoding="ascii")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("!"))
    pieces = re.split(r"^(\w+)\s*=", body, flags=re.MULTILINE)[1:]
    return {
        name: [word.strip().strip("'") for word in values.split(",")]
        for name, values in zip(pieces[::2], pieces[1::2], strict=True)
    }


def test_one_directory_a_generation() -> None:
    assert {p.name for p in ROOT.iterdir() if p.is_dir()} == {g.name for g in GENERATIONS}


@pytest.mark.parametrize("generation", GENERATIONS, ids=lambda g: g.name)
def test_fields(generation: Generation) -> None:
    items = assignments(ROOT / generation.name)
    fields = items["hist_fincl1"]
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in fields)
    assert max(len(name) for name in fields) <= FIELD_NAME_LENGTH
    assert len(set(fields)) == len(fields)
    assert set(SCALARS) <= set(fields)
    assert generation.missing(fields) == []
    pools = {f"{generation.pool(pool).carbon}:I" for pool in LITTER_POOLS}
    assert pools <= set(items["hist_fincl2"])


@pytest.mark.parametrize("generation", GENERATIONS, ids=lambda g: g.name)
def test_streams_are_monthly_grids(generation: Generation) -> None:
    items = assignments(ROOT / generation.name)
    assert items["hist_nhtfrq"] == ["0", "0"]
    assert items["hist_mfilt"] == ["12", "12"]
    assert items["hist_dov2xy"] == [".true.", ".true."]


def test_clm50_asks_for_nothing_that_it_lacks() -> None:
    """Respiration of woody debris and fractions came at ctsm5.1.dev045 and dev074."""
    fields = assignments(ROOT / "clm5.0")["hist_fincl1"]
    assert not [name for name in fields if name.startswith("CWD_HR") or "FRAC" in name]


def test_same_fields_as_a_real_run(shared_data: Path) -> None:
    """The run of ctsm5.4.053 accepted its list; ours must be part of it."""
    lnd_in = (shared_data / "data" / "ctsm_run" / "lnd_in").read_text()
    accepted = set(re.findall(r"'([A-Za-z0-9_:]+)'", lnd_in))
    items = assignments(ROOT / "ctsm5.4")
    assert set(items["hist_fincl1"]) | set(items["hist_fincl2"]) <= accepted
