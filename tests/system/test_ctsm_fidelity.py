"""The CTSM schemes against the real code's numbers and against steps of a real run."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctsm_socnn.cli.main import main
from ctsm_socnn.errors import ValidationError
from ctsm_socnn.model.verification import golden_ctsm_blocks, step_history
from ctsm_socnn.model.verification.block import Block
from ctsm_socnn.schemas import open_file

pytestmark = pytest.mark.real_data

STEPS = "data/ctsm_run/step/j0.clm2.h0i.2003-07-10-01800.nc"


def beyond_limit(blocks: list[Block]) -> list[Block]:
    return [block for block in blocks if not block.passed]


@pytest.mark.parametrize(("short", "blocks"), [("clm50", 36), ("ctsm54", 38)])
def test_every_block_of_a_reference_file_is_met(shared_data: Path, short: str, blocks: int) -> None:
    found = list(
        golden_ctsm_blocks.compare(open_file(shared_data / "golden" / f"golden_{short}_public.nc"))
    )
    assert len(found) == blocks
    assert not beyond_limit(found)
    transport = {block.name: block.error for block in found if block.name.startswith("transport")}
    assert len(transport) >= 6
    assert not any(transport.values()), "transport must give the model's bits"


@pytest.mark.parametrize("paramfile", [None, "data/ctsm_run/ctsm54_form_params.nc"])
def test_steps_of_the_real_model_are_met(shared_data: Path, paramfile: str | None) -> None:
    chosen = None if paramfile is None else shared_data / paramfile
    found = list(step_history.compare(open_file(shared_data / STEPS), chosen))
    assert len(found) == 10
    assert not beyond_limit(found)


def test_monthly_history_is_refused_as_steps(shared_data: Path) -> None:
    folder = shared_data / "data" / "ctsm_run" / "history"
    with pytest.raises(ValidationError, match="every step"):
        list(step_history.compare(open_file(next(folder.glob("stock.clm2.h0a.2005*.nc")))))


def test_command_verifies_steps_with_the_paramfile_of_the_run(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = str(shared_data / STEPS)
    released = shared_data / "data" / "ctsm_run" / "ctsm54_form_params.nc"
    assert main(["verify", "--paramfile", str(released), steps]) == 0
    assert "steps of a real ctsm5.4 run" in capsys.readouterr().out
    of_another_generation = shared_data / "data" / "clm_params" / "clm5_params.c171117.nc"
    assert main(["verify", "--paramfile", str(of_another_generation), steps]) == 2
    assert "has no variable bgc_tau_l1" in capsys.readouterr().err
